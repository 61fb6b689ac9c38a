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
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from ablate.nets import blueprint as bp
from ablate.nets.architecture import Architecture


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
        """The style of a network."""
        return cls(*(getattr(architecture, field) for field in cls._fields))


_conv = lru_cache(maxsize=4096)(bp.Conv)


@lru_cache(maxsize=4096)
def norm(style: Style, channels: int) -> tuple[bp.Layer, ...]:
    """The normalization layers for features; group norm has 32 groups, or fewer so that each has at least two channels."""
    match style.norm:
        case "batch":
            return (bp.BatchNorm(channels),)
        case "group":
            groups = math.gcd(32, channels)
            return (bp.GroupNorm(channels, groups if 2 * groups <= channels else max(1, groups // 2)),)
        case _:
            return ()


def residual_network(
    architecture: Architecture,
    classes: int,
    input_shape: bp.Shape,
    stem: bp.Conv,
    groups: Sequence[tuple[str, int, int]],
    block: Callable[[int, int, int], tuple[bp.Conv, ...]],
    stem_pool: bp.Pool | None = None,
) -> bp.Blueprint:
    """The blueprint of a residual network: the sections "conv1", one for each group of blocks, and "head".

    Args:
        architecture: The network.
        classes: Number of classes.
        input_shape: (channels, height, width) of an image.
        stem: The first convolution.
        groups: (name of the section, width, stride of the first block) of each.
        block: (channels of its input, width, stride) -> the convolutions of a block.
        stem_pool: Pooling after the first convolution; None for none.

    Source:
        Huang et al. 2016 for stochastic depth.
    """
    style, survival, channels = Style.of(architecture), architecture.survival, stem.out_channels
    opened = style.activation_order not in ("pre", "relu_only_pre") or stem_pool is not None
    conv1: list[bp.Layer] = [stem]
    if opened:
        conv1 += [*norm(style, channels), bp.Activation(style.activation)]
    elif style.activation_order == "relu_only_pre":
        conv1 += norm(style, channels)
    if stem_pool:
        conv1.append(stem_pool)
    sections = [bp.Section("conv1", tuple(conv1))]
    numbers = [architecture.N] * len(groups) if isinstance(architecture.N, int) else architecture.N
    survivals = iter(linear_decay(survival, sum(numbers) if survival < 1 else len(groups)))
    for i, ((name, width, stride), number) in enumerate(zip(groups, numbers)):
        # Pooled features are activated already, so the first pre-activation block begins with its convolution.
        active = i == 0 and stem_pool is not None
        first = block(channels, width, stride)
        layers: list[bp.Layer] = [residual_block(channels, first, style, next(survivals), active)]
        channels = first[-1].out_channels
        rest = block(channels, width, 1)
        if survival == 1:
            layers.append(bp.Repeat(residual_block(channels, rest, style), number - 1))
        else:
            layers += [residual_block(channels, rest, style, next(survivals)) for _ in range(number - 1)]
        sections.append(bp.Section(name, tuple(layers)))
    sections.append(bp.Section("head", head(channels, style, classes)))
    return bp.Blueprint(input_shape, tuple(sections))


def head(channels: int, style: Style, classes: int) -> tuple[bp.Layer, ...]:
    """The layers after the last block: normalization and activation of pre-activation, global pooling, classifier."""
    layers: list[bp.Layer] = []
    if style.activation_order == "pre":
        layers += [*norm(style, channels), bp.Activation(style.activation, inplace=style.norm != "none")]
    elif style.activation_order == "relu_only_pre":
        layers.append(bp.Activation(style.activation))
    return (*layers, bp.GlobalPool(style.pool), bp.Linear(channels, classes))


def residual_block(
    channels: int, convolutions: tuple[bp.Conv, ...], style: Style, survival: float = 1.0, active: bool = False
) -> bp.Residual:
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
    between: list[bp.Layer] = [bp.Activation(style.activation)]
    between += [bp.Dropout(style.dropout)] if style.dropout else []
    branch: list[bp.Layer] = []
    opening: list[bp.Layer] = []
    if order == "pre" and not active:
        opening = [*norm(style, channels), bp.Activation(style.activation, inplace=style.norm != "none")]
    elif order == "relu_only_pre" and not active:
        branch.append(bp.Activation(style.activation, inplace=False))
    for i, conv in enumerate(convolutions):
        if i > 0:
            if order == "pre":
                branch += norm(style, conv.in_channels)
            branch += between
        branch.append(conv)
        last = i == len(convolutions) - 1
        if order != "pre" and not (last and order == "bn_after_addition"):
            branch += norm(style, conv.out_channels)
    after: tuple[bp.Layer, ...] = ()
    if order == "relu_before_addition":
        branch.append(bp.Activation(style.activation))
    elif not before:
        tail = norm(style, convolutions[-1].out_channels) if order == "bn_after_addition" else ()
        after = (*tail, bp.Activation(style.activation))
    if shortcut and opening:
        return bp.Residual(tuple(opening), tuple(branch), shortcut, after, survival)
    return bp.Residual((), (*opening, *branch), shortcut, after, survival)


def _shortcut(channels: int, out_channels: int, stride: int, style: Style) -> tuple[bp.Layer, ...]:
    """A: subsampling and zero channels; P: its pixels averaged; B: a 1x1 convolution where the shape changes; C: always.

    Source:
        He et al. 2016 for A, B and C; the code of Huang et al. 2016 for P.
    """
    same = channels == out_channels and stride == 1
    if same and style.shortcut != "C":
        return ()
    if style.shortcut in ("A", "P"):
        return (bp.Subsample(channels, out_channels, stride, style.shortcut == "P"),)
    after = () if style.activation_order == "pre" else norm(style, out_channels)
    return (bp.Conv(channels, out_channels, 1, stride), *after)


def basic(in_channels: int, width: int, kernels: Iterable[int], stride: int) -> tuple[bp.Conv, ...]:
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
) -> tuple[bp.Conv, ...]:
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
        bp.Conv(in_channels, inner, 1, stride if stride_on == 1 else 1),
        bp.Conv(inner, inner, 3, stride if stride_on == 3 else 1, groups),
        bp.Conv(inner, out_channels, 1),
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
