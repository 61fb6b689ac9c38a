"""Blueprint -> torch.nn.Module.

Initialization follows the authors' code: convolutions normal with std sqrt(2 / fan_in), the linear weight uniform within
1 / sqrt(fan_in) and its bias zero, batch norm's beta zero. Paper: silent on gamma; here: one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from ablate.nets import blueprint as bp


class Dropout(nn.Module):
    """Zeroes each element with probability `rate` in training; its draws come from a generator the trainer sets."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = torch.empty_like(x).bernoulli_(1 - self.rate, generator=self.generator)
        return (x * kept) / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


class Residual(nn.Module):
    """shortcut(s) + branch(s) of s = shared(x)."""

    def __init__(self, layer: bp.Residual) -> None:
        super().__init__()
        self.shared = _sequence(layer.shared)
        self.branch = _sequence(layer.branch)
        self.shortcut = _sequence(layer.shortcut)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shared(x)
        result: Tensor = self.shortcut(x) + self.branch(x)
        return result


def build(blueprint: bp.Blueprint, generator: torch.Generator | None = None) -> nn.Sequential:
    """The module of a blueprint on the CPU, initialized from the generator; maps (N, C, H, W) to logits (N, classes)."""
    network = nn.Sequential()
    for section in blueprint.sections:
        network.add_module(section.name, _sequence(section.layers))
    initialize(network, generator)
    return network


def initialize(network: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draws every weight anew, in the order of the modules."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                fan_in = module.weight[0].numel()
                module.weight.normal_(0, math.sqrt(2 / fan_in), generator=generator)
            elif isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                module.weight.uniform_(-bound, bound, generator=generator)
                module.bias.zero_()


def _sequence(layers: Iterable[bp.Layer]) -> nn.Sequential:
    return nn.Sequential(*(module for layer in layers for module in _modules(layer)))


def _modules(layer: bp.Layer) -> Iterator[nn.Module]:
    match layer:
        case bp.Conv(in_channels, out_channels, kernel, stride):
            yield nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
        case bp.BatchNorm(channels):
            yield nn.BatchNorm2d(channels)
        case bp.ReLU():
            yield nn.ReLU(inplace=True)
        case bp.Dropout(rate):
            yield Dropout(rate)
        case bp.Linear(in_features, out_features):
            yield nn.Linear(in_features, out_features)
        case bp.GlobalAveragePool():
            yield nn.AdaptiveAvgPool2d(1)
            yield nn.Flatten()
        case bp.Residual():
            yield Residual(layer)
        case bp.Repeat(repeated, times):
            for _ in range(times):
                yield from _modules(repeated)
