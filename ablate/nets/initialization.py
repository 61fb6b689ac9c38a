"""How the weights of a network are drawn: the tables of rules for convolutions and for the weights of batch norm.

Linear weights are uniform within 1 / sqrt(fan_in); biases and the shift (beta) of batch norm are zero. A package adds a
rule by an entry point in the group `ablate.convolution_inits` or `ablate.batch_norm_inits`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.nets import blueprint as bp
from ablate.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True, eq=False, kw_only=True)
class ConvolutionInit:
    """A rule for the weights of convolutions, which are normal with mean zero and the standard deviation sqrt(2 / fan).

    Args:
        name: In study files.
        words: In captions.
        fan: (output channels, input channels of a group, kernel height, kernel width, groups) -> the fan.
    """

    name: str
    words: str
    fan: Callable[[int, int, int, int, int], int]


@dataclass(frozen=True, eq=False, kw_only=True)
class BatchNormInit:
    """A rule for the weight (gamma) of batch norm.

    Args:
        name: In study files.
        words: In captions.
        draw: (weight (C,), generator) writes the weights; None: they stay one.
        last: Whether it is for the batch norm that ends the branch of a block alone.
    """

    name: str
    words: str
    draw: Callable[[Tensor, torch.Generator | None], object] | None = None
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


def initialize(
    network: nn.Module,
    generator: torch.Generator | None = None,
    convolution: str = "fan_in",
    batch_norm_weight: str = "ones",
) -> None:
    """Draw all weights, in the order of the modules, except those of user-defined modules.

    Batch norm is drawn after all else, so that its rule changes no other weight.

    Args:
        network: Changed in place.
        generator: Source of the weights; None for torch's global generator.
        convolution: A name of CONVOLUTION_INITS.
        batch_norm_weight: A name of BATCH_NORM_INITS.
    """
    import torch
    from torch import nn

    rule, norm = CONVOLUTION_INITS[convolution], BATCH_NORM_INITS[batch_norm_weight]
    with torch.no_grad():
        for module in _own(network):
            if isinstance(module, nn.Conv2d):
                fan = rule.fan(*module.weight.shape, module.groups)  # type: ignore[call-arg]
                module.weight.normal_(0, math.sqrt(2 / fan), generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                module.weight.uniform_(-bound, bound, generator=generator)
                module.bias.zero_()
        if norm.draw:
            branches = [branch for module in _own(network) if (branch := getattr(module, "branch", None))]
            last = {list(branch)[-1] for branch in branches}
            for module in _own(network):
                if isinstance(module, nn.BatchNorm2d) and (not norm.last or module in last):
                    norm.draw(module.weight, generator)


def _own(network: nn.Module) -> Iterator[nn.Module]:
    """The modules that have weights of their own, in order, without user-defined modules."""
    from ablate.nets.custom import CustomModule

    for module in network.children():
        if not isinstance(module, CustomModule):
            yield module
            yield from _own(module)


def ends_with_batch_norm(blueprint: bp.Blueprint) -> bool:
    """Whether the branch of a residual block ends with batch norm, so that `zero_last` has an effect.

    Args:
        blueprint: Of the network.
    """
    layers = [layer for section in blueprint.sections for layer in section.layers]
    while layers:
        match layers.pop():
            case bp.Residual(branch=(*_, bp.BatchNorm())):
                return True
            case bp.Repeat(layer):
                layers.append(layer)
    return False
