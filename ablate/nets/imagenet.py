"""Residual networks for ImageNet: original, widened, pre-activation, and ResNeXt.

A 7x7 convolution of stride 2 to 64 channels, 3x3 max pooling of stride 2, four groups of blocks, global average
pooling, a linear layer. The stride is on the bottleneck's 3x3 convolution, as in the published weights.

Source: He et al. 2015, table 1. WRN, tables 7 and 8: all convolutions of basic blocks are widened, of bottlenecks only
the 3x3 convolution, and the stem is not widened. He et al. 2016 for depth 200. Xie et al. 2017, table 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablate.nets.architecture import Architecture, rounded
from ablate.nets.blueprint import Blueprint, Conv, Pool, Shape
from ablate.nets.family import NUMBER, STYLE_AXES, Family, Parts
from ablate.nets.residual import basic, bottleneck, residual_network
from ablate.nets.resnet import BOTTLENECKS, CARDINALITY, RESNEXT_NAME

STEM = 64
GROUPS = (("conv2", 64, 1), ("conv3", 128, 2), ("conv4", 256, 2), ("conv5", 512, 2))  # name, width, stride
EXPANSION = 4
BASIC_DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
BOTTLENECK_DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}
K = rf"(?P<k>{NUMBER})"


def _blueprint(architecture: Architecture, classes: int, input_shape: Shape) -> Blueprint:
    """The blueprint of a residual network for ImageNet, of any of the three families."""

    def block(channels: int, base: int, stride: int) -> tuple[Conv, ...]:
        if architecture.block == "basic":
            return basic(channels, rounded(base * architecture.k), (3, 3), stride)
        inner = rounded(architecture.cardinality * architecture.base_width * base / STEM * architecture.k)
        return bottleneck(channels, inner, EXPANSION * base, stride, architecture.cardinality)

    stem, pool = Conv(input_shape[0], STEM, 7, 2), Pool("max", 3, 2, 1)
    return residual_network(architecture, classes, input_shape, stem, GROUPS, block, pool)


def _defaults(parts: Parts) -> dict[str, Any]:
    """Basic blocks for depths 18 and 34, bottlenecks otherwise."""
    block = "basic" if parts.get("depth") in BASIC_DEPTHS else "bottleneck"
    return {"block": block, "activation_order": "post"}


def _write(parts: Parts) -> str:
    depth, k = parts["depth"], parts["k"]
    if k == "1":
        return f"ResNet-{depth}"
    return f"ResNet-{depth}-w{k}" if depth in BASIC_DEPTHS else f"WRN-{depth}-{k}-bottleneck"


_DEPTHS: Mapping[int, tuple[int, ...]] = {**BASIC_DEPTHS, **BOTTLENECK_DEPTHS}

RESNET = Family(
    key="ImageNet-ResNet",
    source="He et al. 2015; widened: WRN, tables 7 and 8",
    form="ResNet-<18|34|50|101|152>, ResNet-<18|34>-w<k>, WRN-<50|101|152>-<k>-bottleneck",
    examples=("ResNet-50", "ResNet-18-w1.5", "WRN-50-2-bottleneck"),
    heads=(
        rf"ResNet-(?P<depth>18|34)-w{K}",
        rf"WRN-(?P<depth>50|101|152|200)-{K}-bottleneck",
        r"ResNet-(?P<depth>18|34|50|101|152)",
    ),
    shared=(rf"WRN-(?P<depth>18|34)-{K}", rf"WRN-(?P<depth>50|101|152|200)-{K}", r"ResNet-(?P<depth>200)"),
    write=_write,
    blueprint=_blueprint,
    axes=("k", *STYLE_AXES),
    defaults=_defaults,
    table=_DEPTHS,
    channels=STEM,
)

PRE_RESNET = Family(
    key="ImageNet-pre-ResNet",
    source="He et al. 2016",
    form="pre-ResNet-200",
    examples=("pre-ResNet-200",),
    heads=(r"pre-ResNet-(?P<depth>200)",),
    shared=(
        rf"pre-ResNet-(?P<depth>18|34)-w{K}",
        rf"pre-WRN-(?P<depth>50|101|152|200)-{K}-bottleneck",
        r"pre-ResNet-(?P<depth>18|34|50|101|152)",
    ),
    write=lambda parts: f"pre-{_write(parts)}",
    blueprint=_blueprint,
    axes=("k", *STYLE_AXES),
    defaults=lambda parts: {**_defaults(parts), "activation_order": "pre"},
    table=_DEPTHS,
    channels=STEM,
)

RESNEXT = Family(
    key="ImageNet-ResNeXt",
    source="Xie et al. 2017",
    form="ResNeXt-<50|101|152>-<cardinality>x<base width>d",
    examples=("ResNeXt-50-32x4d", "ResNeXt-101-64x4d"),
    heads=(rf"ResNeXt-(?P<depth>50|101|152)-{CARDINALITY}",),
    write=RESNEXT_NAME.format_map,
    blueprint=_blueprint,
    axes=("cardinality", "base_width", *STYLE_AXES),
    defaults=BOTTLENECKS,
    table={depth: blocks for depth, blocks in BOTTLENECK_DEPTHS.items() if depth < 200},
    channels=STEM,
)
