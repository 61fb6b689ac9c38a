"""Network in network (NIN), as the authors of the wide ResNet train it for comparison.

The differences from the paper: with batch norm, without dropout, and a linear layer after the last average pooling. The
convolutions have biases, according to the parameter count in the authors' log.

Source: Lin et al. 2013.
"""

from __future__ import annotations

from ablate.nets.architecture import Architecture
from ablate.nets.blueprint import Blueprint, Conv, Pool, Shape
from ablate.nets.family import Family
from ablate.nets.plain import AXES, DEFAULTS, plain_network

STAGES = (  # (channels, kernel) of each convolution, and the pooling at the end of the stage
    (((192, 5), (160, 1), (96, 1)), Pool("max", 3, 2, partial=True)),
    (((192, 5), (192, 1), (192, 1)), Pool("average", 3, 2, partial=True)),
    (((192, 3), (192, 1), (192, 1)), None),
)


def nin(architecture: Architecture, classes: int = 10, input_shape: Shape = (3, 32, 32)) -> Blueprint:
    """The blueprint of the NIN.

    Args:
        architecture: One of the family NIN.
        classes: Number of classes.
        input_shape: (channels, height, width) of an image.
    """
    stages = [([Conv(0, width, kernel, bias=True) for width, kernel in convs], pool) for convs, pool in STAGES]
    return plain_network(architecture, stages, classes, input_shape)


FAMILY = Family("NIN", "Lin et al. 2013", "NIN", ("NIN",), ("NIN",), "NIN".format_map, nin, AXES, DEFAULTS)
