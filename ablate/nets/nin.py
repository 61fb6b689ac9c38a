"""Network in network, as the wide ResNet's authors train it beside theirs.

Source: Lin et al. 2013; with batch norm, without dropout, its last average pooling followed by a linear layer. The
convolutions have biases, as the parameter count of the authors' log has it.
"""

from __future__ import annotations

from ablate.nets.architecture import Architecture
from ablate.nets.blueprint import Blueprint, Conv, Pool, Shape
from ablate.nets.family import Family, Parts
from ablate.nets.plain import AXES, defaults, plain_network

STAGES = (  # (channels, kernel) of each convolution, and the pooling that ends the stage
    (((192, 5), (160, 1), (96, 1)), Pool("max", 3, 2, partial=True)),
    (((192, 5), (192, 1), (192, 1)), Pool("average", 3, 2, partial=True)),
    (((192, 3), (192, 1), (192, 1)), None),
)


def nin(architecture: Architecture, classes: int = 10, input_shape: Shape = (3, 32, 32)) -> Blueprint:
    """The layers of the NIN for images of input_shape (channels, height, width)."""
    stages = [([Conv(0, width, kernel, bias=True) for width, kernel in convs], pool) for convs, pool in STAGES]
    return plain_network(architecture, stages, classes, input_shape)


def _write(parts: Parts) -> str:
    return "NIN"


FAMILY = Family("NIN", "Lin et al. 2013", "NIN", ("NIN",), ("NIN",), _write, nin, AXES, defaults)
