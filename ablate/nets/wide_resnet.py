"""Wide residual networks (WRN).

conv1 is a 3x3 convolution to 16 channels. conv2, conv3 and conv4 are groups of N blocks of width 16k, 32k and 64k; the
first block of conv3 and conv4 has stride 2. BN-ReLU, global average pooling and a linear layer follow. With a fractional
k each width is rounded. The block is a list of kernel sizes, B(M), or user-defined.

Source: WRN, section 2 and Table 1.
"""

from __future__ import annotations

from ablate.nets.architecture import Architecture, rounded
from ablate.nets.blueprint import Blueprint, Conv, Custom, Repeat, Section, Shape
from ablate.nets.family import NUMBER, STYLE_AXES, Family
from ablate.nets.residual import Style, basic, head, residual_network

STEM = 16
GROUPS = (("conv2", 16, 1), ("conv3", 32, 2), ("conv4", 64, 2))  # name, width at k = 1, stride


def _blueprint(architecture: Architecture, classes: int, input_shape: Shape) -> Blueprint:
    """The blueprint of a WRN."""
    if isinstance(architecture.block, str):
        return _with_custom_block(architecture, classes, input_shape)
    kernels = architecture.block

    def block(channels: int, base: int, stride: int) -> tuple[Conv, ...]:
        return basic(channels, rounded(base * architecture.k), kernels, stride)

    return residual_network(architecture, classes, input_shape, Conv(input_shape[0], STEM, 3), GROUPS, block)


def _with_custom_block(architecture: Architecture, classes: int, input_shape: Shape) -> Blueprint:
    """The skeleton around a user-defined block, a callable (in_channels, out_channels, stride, ...) -> module."""
    assert isinstance(architecture.N, int)
    channels, sections = STEM, [Section("conv1", (Conv(input_shape[0], STEM, 3),))]
    for name, base, stride in GROUPS:
        width = rounded(base * architecture.k)
        first = _custom_block(architecture, channels, width, stride)
        rest = Repeat(_custom_block(architecture, width, width, 1), architecture.N - 1)
        sections.append(Section(name, (first, rest)))
        channels = width
    sections.append(Section("head", head(channels, Style.of(architecture), classes)))
    return Blueprint(input_shape, tuple(sections))


def _custom_block(architecture: Architecture, channels: int, width: int, stride: int) -> Custom:
    """The layer of a user-defined block, which is offered in_channels, out_channels and stride."""
    shape = (("in_channels", channels), ("out_channels", width), ("stride", stride))
    return Custom(str(architecture.block), width, stride, architecture.args, shape, architecture.code)


FAMILY = Family(
    key="WRN",
    source="Zagoruyko & Komodakis 2016",
    form="WRN-<depth>-<k>",
    examples=("WRN-28-10", "WRN-40-2-B(1,3,1)", "WRN-16-4-dropout0.3"),
    heads=(rf"WRN-(?P<depth>\d{{1,6}})-(?P<k>{NUMBER})",),
    write="WRN-{depth}-{k}".format_map,
    blueprint=_blueprint,
    axes=("block", "l", "k", *STYLE_AXES),
    groups=3,
    offset=4,
)
