"""Residual networks for CIFAR: ResNet, pre-ResNet, ResNeXt.

ResNet and pre-ResNet: a 3x3 convolution to 16 channels, three groups of N blocks of width 16, 32 and 64, global average
pooling, a linear layer. Basic blocks are two 3x3 convolutions. Bottlenecks have four times as many channels outside, and
the stride is on their first 1x1 convolution, as in the code of the wide ResNet's authors. ResNet: post-activation,
shortcuts without parameters (A); pre-ResNet: pre-activation, 1x1 shortcuts where the shape changes (B).

ResNeXt: a 3x3 convolution to 64 channels, three groups of N post-activation bottlenecks, which put out 256, 512 and 1024
channels. Their 3x3 convolutions have `cardinality` groups of base_width, 2 base_width and 4 base_width channels.

Source: He et al. 2015, section 4.2; He et al. 2016 for the pre-activation networks; Xie et al. 2017, section 5.3, and the
authors' code for ResNeXt.
"""

from __future__ import annotations

from typing import Any

from ablate.nets.architecture import Architecture, rounded
from ablate.nets.blueprint import Blueprint, Conv, Shape
from ablate.nets.family import STYLE_AXES, Family, Parts, always
from ablate.nets.residual import basic, bottleneck, residual_network

STEM = 16
GROUPS = (("conv2", 16, 1), ("conv3", 32, 2), ("conv4", 64, 2))  # name, width, stride
EXPANSION = 4
RESNEXT_STEM = 64
RESNEXT_GROUPS = (("conv2", 256, 1), ("conv3", 512, 2), ("conv4", 1024, 2))  # name, output channels, stride
RESNEXT_NAME = "ResNeXt-{depth}-{cardinality}x{base_width}d"
CARDINALITY = r"(?P<cardinality>\d{1,4})x(?P<base_width>\d{1,4})d"
BOTTLENECKS_FROM = 164  # the depth from which He et al. 2016 use bottlenecks: 164 and 1001 have them, 110 does not


def _blueprint(architecture: Architecture, classes: int, input_shape: Shape) -> Blueprint:
    """The blueprint of a ResNet or pre-ResNet for CIFAR."""

    def block(channels: int, base: int, stride: int) -> tuple[Conv, ...]:
        width = rounded(base * architecture.k)
        if architecture.block == "bottleneck":
            return bottleneck(channels, width, EXPANSION * width, stride, stride_on=1)
        return basic(channels, width, (3, 3), stride)

    return residual_network(architecture, classes, input_shape, Conv(input_shape[0], STEM, 3), GROUPS, block)


def _resnext(architecture: Architecture, classes: int, input_shape: Shape) -> Blueprint:
    """The blueprint of a ResNeXt for CIFAR."""

    def block(channels: int, out: int, stride: int) -> tuple[Conv, ...]:
        inner = architecture.cardinality * architecture.base_width * out // RESNEXT_GROUPS[0][1]
        return bottleneck(channels, inner, out, stride, architecture.cardinality)

    stem = Conv(input_shape[0], RESNEXT_STEM, 3)
    return residual_network(architecture, classes, input_shape, stem, RESNEXT_GROUPS, block)


def _pre_defaults(parts: Parts) -> dict[str, Any]:
    """Bottlenecks from depth 164, and for depths that basic blocks cannot have; basic blocks otherwise."""
    depth = parts.get("depth") or 0
    basic_depth = depth % 6 == 2
    deep = depth >= BOTTLENECKS_FROM or (depth and not basic_depth)
    return {"block": "bottleneck" if deep else "basic"}


BOTTLENECKS = always(block="bottleneck", activation_order="post")  # of every ResNeXt

RESNET = Family(
    key="ResNet",
    source="He et al. 2015, for CIFAR",
    form="ResNet-<6n+2>",
    examples=("ResNet-20", "ResNet-110", "ResNet-110-survival0.5", "ResNet-56-shortcutB"),
    heads=(r"ResNet-(?P<depth>\d{1,6})",),
    write="ResNet-{depth}".format_map,
    blueprint=_blueprint,
    axes=("block", "k", *STYLE_AXES),
    defaults=always(block="basic", shortcut="A", activation_order="post"),
    groups=3,
    offset=2,
    remarks={1202: "WRN, Table 5 prints 10.2M parameters for it; by its construction it has 19,421,274"},
)

PRE_RESNET = Family(
    key="pre-ResNet",
    source="He et al. 2016, for CIFAR",
    form="pre-ResNet-<6n+2, or 9n+2 with bottlenecks>",
    examples=("pre-ResNet-110", "pre-ResNet-164", "pre-ResNet-1001"),
    heads=(r"pre-ResNet-(?P<depth>\d{1,6})",),
    write="pre-ResNet-{depth}".format_map,
    blueprint=_blueprint,
    axes=("block", "k", *STYLE_AXES),
    defaults=_pre_defaults,
    groups=3,
    offset=2,
)

RESNEXT = Family(
    key="ResNeXt",
    source="Xie et al. 2017, for CIFAR",
    form="ResNeXt-<9n+2>-<cardinality>x<base width>d",
    examples=("ResNeXt-29-8x64d", "ResNeXt-29-16x64d-pre"),
    heads=(rf"ResNeXt-(?P<depth>\d{{1,6}})-{CARDINALITY}",),
    write=RESNEXT_NAME.format_map,
    blueprint=_resnext,
    axes=("cardinality", "base_width", *STYLE_AXES),
    defaults=BOTTLENECKS,
    groups=3,
    offset=2,
)
