"""Wide residual networks: Architecture -> Blueprint. Source: WRN, section 2 and Table 1.

conv1 is a 3x3 convolution to 16 channels; conv2, conv3 and conv4 are groups of N blocks of width 16k, 32k and 64k, the
first block of conv3 and conv4 with stride 2; a BN-ReLU, global average pooling and a linear layer end it.
"""

from __future__ import annotations

from functools import lru_cache

from ablate.nets.blueprint import (
    BatchNorm,
    Blueprint,
    Conv,
    Dropout,
    GlobalAveragePool,
    Layer,
    Linear,
    ReLU,
    Repeat,
    Residual,
    Section,
    Shape,
)
from ablate.nets.notation import Architecture, Block

STEM = 16
GROUPS = (("conv2", 16, 1), ("conv3", 32, 2), ("conv4", 64, 2))  # name, width at k = 1, stride


@lru_cache(maxsize=4096)
def wide_resnet(architecture: Architecture, classes: int = 10, input_shape: Shape = (3, 32, 32)) -> Blueprint:
    """The layers of a WRN for images of input_shape (channels, height, width). A fractional k rounds each width."""
    sections = [Section("conv1", (Conv(input_shape[0], STEM, 3),))]
    channels = STEM
    for name, base, stride in GROUPS:
        width = max(1, int(base * architecture.k + 0.5))
        first = preactivation_block(channels, width, stride, architecture.block, architecture.dropout)
        rest = preactivation_block(width, width, 1, architecture.block, architecture.dropout)
        sections.append(Section(name, (first, Repeat(rest, architecture.N - 1))))
        channels = width
    head = (BatchNorm(channels), ReLU(), GlobalAveragePool(), Linear(channels, classes))
    sections.append(Section("head", head))
    return Blueprint(input_shape, tuple(sections))


def preactivation_block(in_channels: int, out_channels: int, stride: int, block: Block, dropout: float) -> Residual:
    """B(M): BN-ReLU before each convolution, the first of which carries the stride.

    Where the shape changes, a 1x1 convolution is the shortcut, and it shares the block's first BN-ReLU with the branch.
    Dropout stands before every convolution but the first (WRN, section 2.4).
    """
    opening: tuple[Layer, ...] = (BatchNorm(in_channels), ReLU())
    branch: list[Layer] = [Conv(in_channels, out_channels, block[0], stride)]
    for kernel in block[1:]:
        branch += [BatchNorm(out_channels), ReLU()]
        if dropout:
            branch.append(Dropout(dropout))
        branch.append(Conv(out_channels, out_channels, kernel))
    if in_channels == out_channels and stride == 1:
        return Residual((), (*opening, *branch))
    return Residual(opening, tuple(branch), (Conv(in_channels, out_channels, 1, stride),))
