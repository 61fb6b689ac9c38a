"""How the weights of a network are drawn: the tables of rules for convolutions and for the weights of batch norm.

Linear weights are uniform within 1 / sqrt(fan_in); biases and the shift (beta) of batch norm are zero. A package adds a
rule by an entry point in the group `ablate.convolution_inits` or `ablate.batch_norm_inits`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ablate.nets import blueprint as bp
from ablate.registry import Kind, Registry


@dataclass(frozen=True, eq=False, kw_only=True)
class ConvolutionInit(Kind):
    """A rule for the weights of convolutions, which are normal with mean zero and the standard deviation sqrt(2 / fan).

    Args:
        fan: (output channels, input channels of a group, kernel height, kernel width, groups) -> the fan.
    """

    fan: Callable[[int, int, int, int, int], int]


@dataclass(frozen=True, eq=False, kw_only=True)
class BatchNormInit(Kind):
    """A rule for the weight (gamma) of batch norm.

    Args:
        draw: (a tensor (C,), a torch.Generator or None) writes the weights; None: they stay one.
        last: Whether it is for the batch norm that ends the branch of a block alone.
    """

    draw: Callable[[Any, Any], object] | None = None
    last: bool = False


CONVOLUTION_INITS = Registry(
    "ablate.convolution_inits",
    ConvolutionInit,
    ConvolutionInit(name="fan_in", words="fan-in", fan=lambda out, inside, height, width, groups: inside * height * width),
    ConvolutionInit(
        name="fan_out", words="fan-out", fan=lambda out, inside, height, width, groups: out // groups * height * width
    ),
    ConvolutionInit(  # Source: fb.resnet.torch, which does not count groups
        name="fan_out_all",
        words="fan-out of all groups",
        fan=lambda out, inside, height, width, groups: out * height * width,
    ),
)

BATCH_NORM_INITS = Registry(
    "ablate.batch_norm_inits",
    BatchNormInit,
    BatchNormInit(name="ones", words="batch norm weights of one"),
    BatchNormInit(  # Source: the default of Torch7, which the code of "Wide Residual Networks" leaves as it is
        name="uniform",
        words="uniform batch norm weights",
        draw=lambda weight, generator: weight.uniform_(generator=generator),
    ),
    BatchNormInit(  # Source: Goyal et al., 2017, section 5.1
        name="zero_last",
        words="zero weights of the last batch norm of each block",
        draw=lambda weight, generator: weight.zero_(),
        last=True,
    ),
)


def ends_with_batch_norm(blueprint: bp.Blueprint) -> bool:
    """Whether the branch of a residual block ends with batch norm, so that `zero_last` has an effect."""
    layers = [layer for section in blueprint.sections for layer in section.layers]
    while layers:
        match layers.pop():
            case bp.Residual(branch=(*_, bp.BatchNorm())):
                return True
            case bp.Repeat(layer):
                layers.append(layer)
    return False
