"""A small ConvNeXt for images of 32 x 32 pixels with four switches, as a network of one's own.

Source: Liu et al. 2022, "A ConvNet for the 2020s", scaled down: a stem of 2 x 2 pixels and three stages.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU}


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel.

    Args:
        x: (N, C, H, W).
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def make_norm(kind: str, channels: int) -> nn.Module:
    """The normalization of a block: "layer" or "batch"."""
    return {"layer": ChannelNorm, "batch": nn.BatchNorm2d}[kind](channels)


class Block(nn.Module):
    """Depthwise convolution, normalization, and two pointwise convolutions, on a residual branch.

    Args:
        channels: C of the input and output (N, C, H, W).
        norm: "layer" or "batch".
        activation: A key of ACTIVATIONS.
        kernel: Of the depthwise convolution.
        drop: The probability that the branch of an image is left out in training.
    """

    def __init__(self, channels: int, norm: str, activation: str, kernel: int, drop: float) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels),
            make_norm(norm, channels),
            nn.Conv2d(channels, 4 * channels, 1),
            ACTIVATIONS[activation](),
            nn.Conv2d(4 * channels, channels, 1),
        )
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.1))
        self.drop = StochasticDepth(drop, "row")

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(self.scale * self.branch(x))


def small_convnext(
    classes: int,
    input_shape: tuple[int, int, int],
    width: int = 24,
    depth: int = 2,
    norm: str = "layer",
    activation: str = "gelu",
    kernel: int = 7,
    stochastic_depth: float = 0.1,
) -> nn.Module:
    """The network: `depth` blocks in each of three stages of `width`, 2 and 4 times `width` channels."""
    layers: list[nn.Module] = [nn.Conv2d(input_shape[0], width, 2, stride=2), make_norm(norm, width)]
    for stage, channels in enumerate((width, 2 * width, 4 * width)):
        if stage:
            layers += [make_norm(norm, channels // 2), nn.Conv2d(channels // 2, channels, 2, stride=2)]
        for i in range(depth):
            drop = stochastic_depth * (stage * depth + i) / (3 * depth - 1)
            layers.append(Block(channels, norm, activation, kernel, drop))
    layers += [nn.AdaptiveAvgPool2d(1), make_norm(norm, 4 * width), nn.Flatten(), nn.Linear(4 * width, classes)]
    network = nn.Sequential(*layers)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
    return network
