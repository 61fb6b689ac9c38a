"""ResNeXt for CIFAR.

A 3x3 convolution to 64 channels, three groups of N bottlenecks. The 3x3 convolutions of the groups have `cardinality`
groups of base_width, 2 base_width and 4 base_width channels; the groups put out 256, 512 and 1024 channels.
Post-activation blocks.

Source: Xie et al. 2017, section 5.3, and the authors' code.
"""

from __future__ import annotations

from ablate.nets.architecture import Architecture
from ablate.nets.blueprint import Blueprint, Conv, Shape
from ablate.nets.family import STYLE_AXES, Family, always
from ablate.nets.residual import Group, Style, bottleneck, residual_network

STEM = 64
GROUPS = (("conv2", 256, 1), ("conv3", 512, 2), ("conv4", 1024, 2))  # name, output channels, stride
CARDINALITY = r"(?P<cardinality>\d{1,4})x(?P<base_width>\d{1,4})d"
NAME = "ResNeXt-{depth}-{cardinality}x{base_width}d"
DEFAULTS = always(block="bottleneck", activation_order="post")


def cifar_resnext(architecture: Architecture, classes: int = 10, input_shape: Shape = (3, 32, 32)) -> Blueprint:
    """The blueprint of a ResNeXt for CIFAR.

    Args:
        architecture: One of the family ResNeXt.
        classes: Number of classes.
        input_shape: (channels, height, width) of an image.
    """
    assert isinstance(architecture.N, int)
    channels, groups = STEM, list[Group]()
    for i, (name, out, stride) in enumerate(GROUPS):
        inner = architecture.cardinality * architecture.base_width * 2**i
        first = bottleneck(channels, inner, out, stride, architecture.cardinality)
        groups.append(Group(name, first, bottleneck(out, inner, out, 1, architecture.cardinality), architecture.N))
        channels = out
    stem = Conv(input_shape[0], STEM, 3)
    return residual_network(stem, groups, Style.of(architecture), architecture.survival, classes, input_shape)


FAMILY = Family(
    key="ResNeXt",
    source="Xie et al. 2017, for CIFAR",
    form="ResNeXt-<9n+2>-<cardinality>x<base width>d",
    examples=("ResNeXt-29-8x64d", "ResNeXt-29-16x64d-pre"),
    heads=(rf"ResNeXt-(?P<depth>\d{{1,6}})-{CARDINALITY}",),
    write=NAME.format_map,
    blueprint=cifar_resnext,
    axes=("cardinality", "base_width", *STYLE_AXES),
    defaults=DEFAULTS,
    groups=3,
    offset=2,
)
