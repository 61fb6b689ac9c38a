"""The blocks and the skeleton of every residual network, for any convolutions and any order of layers in a block.

The orders of normalization (N), activation (A) and convolution (C) are those of He et al. 2016, "Identity mappings in
deep residual networks", figure 4:

    post                   C N A C N, add, A         the original ResNet
    bn_after_addition      C N A C, add, N A
    relu_before_addition   C N A C N A, add
    relu_only_pre          A C N A C N, add
    pre                    N A C N A C, add          full pre-activation
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from ablate.nets.architecture import Architecture
from ablate.nets.blueprint import (
    Activation,
    BatchNorm,
    Blueprint,
    Conv,
    Dropout,
    GlobalPool,
    GroupNorm,
    Layer,
    Linear,
    Pool,
    Repeat,
    Residual,
    Section,
    Shape,
    Subsample,
)


class Style(NamedTuple):
    """The choices that all blocks of a network share.

    Args:
        activation_order: One of architecture.ACTIVATION_ORDERS.
        shortcut: One of architecture.SHORTCUTS.
        norm: "batch", "group" or "none".
        activation: Nonlinearity, one of activations.ACTIVATIONS.
        pool: Kind of the global pooling, "average" or "max".
        dropout: Rate inside the blocks, 0 to below 1.
    """

    activation_order: str = "pre"
    shortcut: str = "B"
    norm: str = "batch"
    activation: str = "relu"
    pool: str = "average"
    dropout: float = 0.0

    @classmethod
    def of(cls, architecture: Architecture) -> Style:
        """The style of a network.

        Args:
            architecture: The network.
        """
        return cls(*(getattr(architecture, field) for field in cls._fields))


class Group(NamedTuple):
    """Blocks at one resolution.

    Args:
        name: Of its section, such as "conv2".
        first: Convolutions of the first block, which has the stride.
        rest: Convolutions of each other block.
        blocks: Number of blocks, at least 1.
    """

    name: str
    first: tuple[Conv, ...]
    rest: tuple[Conv, ...]
    blocks: int


_conv = lru_cache(maxsize=4096)(Conv)


@lru_cache(maxsize=4096)
def norm(style: Style, channels: int) -> tuple[Layer, ...]:
    """The normalization layers for features; group norm has 32 groups, or fewer so that each has at least two channels.

    Args:
        style: Of the network.
        channels: Channels of the features.
    """
    match style.norm:
        case "batch":
            return (BatchNorm(channels),)
        case "group":
            groups = math.gcd(32, channels)
            return (GroupNorm(channels, groups if 2 * groups <= channels else max(1, groups // 2)),)
        case _:
            return ()


def residual_network(
    stem: Conv,
    groups: Sequence[Group],
    style: Style,
    survival: float,
    classes: int,
    input_shape: Shape,
    stem_pool: Pool | None = None,
) -> Blueprint:
    """The blueprint of a residual network: the sections "conv1", one for each group, and "head".

    Args:
        stem: The first convolution.
        groups: In order.
        style: Of all blocks.
        survival: Survival probability of the last block; 1 for no stochastic depth.
        classes: Number of classes.
        input_shape: (channels, height, width) of an image.
        stem_pool: Pooling after the first convolution; None for none.

    Source:
        Huang et al. 2016 for stochastic depth.
    """
    channels = stem.out_channels
    opened = style.activation_order not in ("pre", "relu_only_pre") or stem_pool is not None
    conv1: list[Layer] = [stem]
    if opened:
        conv1 += [*norm(style, channels), Activation(style.activation)]
    elif style.activation_order == "relu_only_pre":
        conv1 += norm(style, channels)
    if stem_pool:
        conv1.append(stem_pool)
    sections = [Section("conv1", tuple(conv1))]
    blocks = sum(group.blocks for group in groups) if survival < 1 else len(groups)
    survivals = iter(linear_decay(survival, blocks))
    for i, group in enumerate(groups):
        # Pooled features are activated already, so the first pre-activation block begins with its convolution.
        active = i == 0 and stem_pool is not None
        layers: list[Layer] = [residual_block(channels, group.first, style, next(survivals), active)]
        channels = group.first[-1].out_channels
        if survival == 1:
            layers.append(Repeat(residual_block(channels, group.rest, style), group.blocks - 1))
        else:
            later = range(group.blocks - 1)
            layers += [residual_block(channels, group.rest, style, next(survivals)) for _ in later]
        sections.append(Section(group.name, tuple(layers)))
    sections.append(Section("head", head(channels, style, classes)))
    return Blueprint(input_shape, tuple(sections))


def head(channels: int, style: Style, classes: int) -> tuple[Layer, ...]:
    """The layers after the last block: the open normalization and activation of pre-activation, global pooling, classifier.

    Args:
        channels: Channels of the last block.
        style: Of the network.
        classes: Number of classes.
    """
    layers: list[Layer] = []
    if style.activation_order == "pre":
        layers += [*norm(style, channels), Activation(style.activation, inplace=style.norm != "none")]
    elif style.activation_order == "relu_only_pre":
        layers.append(Activation(style.activation))
    return (*layers, GlobalPool(style.pool), Linear(channels, classes))


def residual_block(
    channels: int, convolutions: tuple[Conv, ...], style: Style, survival: float = 1.0, active: bool = False
) -> Residual:
    """One residual block.

    Where the shape changes, or everywhere for option C, a pre-activation block shares its first N A with the shortcut.
    Dropout is before every convolution but the first.

    Args:
        channels: Channels of its input.
        convolutions: In order.
        style: Of the network.
        survival: Probability that the branch is active in a training batch.
        active: Whether the input is already normalized and activated.

    Source:
        WRN, section 2.4, for dropout.
    """
    stride = math.prod(conv.stride for conv in convolutions)
    shortcut = _shortcut(channels, convolutions[-1].out_channels, stride, style)
    order = style.activation_order
    before = order in ("pre", "relu_only_pre")
    between: list[Layer] = [Activation(style.activation)]
    between += [Dropout(style.dropout)] if style.dropout else []
    branch: list[Layer] = []
    opening: list[Layer] = []
    if order == "pre" and not active:
        opening = [*norm(style, channels), Activation(style.activation, inplace=style.norm != "none")]
    elif order == "relu_only_pre" and not active:
        branch.append(Activation(style.activation, inplace=False))
    for i, conv in enumerate(convolutions):
        if i > 0:
            if order == "pre":
                branch += norm(style, conv.in_channels)
            branch += between
        branch.append(conv)
        last = i == len(convolutions) - 1
        if order != "pre" and not (last and order == "bn_after_addition"):
            branch += norm(style, conv.out_channels)
    after: tuple[Layer, ...] = ()
    if order == "relu_before_addition":
        branch.append(Activation(style.activation))
    elif not before:
        tail = norm(style, convolutions[-1].out_channels) if order == "bn_after_addition" else ()
        after = (*tail, Activation(style.activation))
    if shortcut and opening:
        return Residual(tuple(opening), tuple(branch), shortcut, after, survival)
    return Residual((), (*opening, *branch), shortcut, after, survival)


def _shortcut(channels: int, out_channels: int, stride: int, style: Style) -> tuple[Layer, ...]:
    """A: subsampling and zero channels; P: its pixels averaged; B: a 1x1 convolution where the shape changes; C: always.

    Source:
        He et al. 2016 for A, B and C; the code of Huang et al. 2016 for P.
    """
    same = channels == out_channels and stride == 1
    if same and style.shortcut != "C":
        return ()
    if style.shortcut in ("A", "P"):
        return (Subsample(channels, out_channels, stride, style.shortcut == "P"),)
    after = () if style.activation_order == "pre" else norm(style, out_channels)
    return (Conv(channels, out_channels, 1, stride), *after)


def basic(in_channels: int, width: int, kernels: Iterable[int], stride: int) -> tuple[Conv, ...]:
    """Convolutions of one width; the first has the stride.

    Args:
        in_channels: Channels of the block's input.
        width: Output channels of each convolution.
        kernels: Kernel sizes in pixels, one for each convolution.
        stride: In pixels.
    """
    first, *others = kernels
    return _conv(in_channels, width, first, stride), *(_conv(width, width, kernel) for kernel in others)


def bottleneck(
    in_channels: int, inner: int, out_channels: int, stride: int, groups: int = 1, stride_on: int = 3
) -> tuple[Conv, ...]:
    """Three convolutions: 1x1 to the inner width, 3x3 in groups, 1x1 to the outer width.

    Args:
        in_channels: Channels of the block's input.
        inner: Channels of the 3x3 convolution.
        out_channels: Channels of the block's output.
        stride: In pixels.
        groups: Of the 3x3 convolution.
        stride_on: Kernel size of the convolution that has the stride, 1 or 3.
    """
    return (
        Conv(in_channels, inner, 1, stride if stride_on == 1 else 1),
        Conv(inner, inner, 3, stride if stride_on == 3 else 1, groups),
        Conv(inner, out_channels, 1),
    )


def linear_decay(survival: float, blocks: int) -> list[float]:
    """The survival probabilities p_l = 1 - l / L (1 - p_L) of the blocks l = 1..L.

    Args:
        survival: p_L, of the last block.
        blocks: L.

    Source:
        Huang et al. 2016, equation 4.
    """
    return [1 - i / blocks * (1 - survival) for i in range(1, blocks + 1)]
