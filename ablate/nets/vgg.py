"""VGG for CIFAR, as the authors of the wide ResNet train it for comparison.

3x3 convolutions with batch norm; pooling replaces all linear layers but the last.

Source: Simonyan & Zisserman 2014.
"""

from __future__ import annotations

from ablate.nets.architecture import Architecture
from ablate.nets.blueprint import Blueprint, Conv, Pool, Shape
from ablate.nets.family import Family
from ablate.nets.plain import AXES, DEFAULTS, plain_network

STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # channels, convolutions; max pooling between the stages


def vgg(architecture: Architecture, classes: int = 10, input_shape: Shape = (3, 32, 32)) -> Blueprint:
    """The blueprint of the VGG with sixteen convolutions.

    Args:
        architecture: One of the family VGG.
        classes: Number of classes.
        input_shape: (channels, height, width) of an image.
    """
    pools = [Pool("max", 2, 2, partial=True)] * (len(STAGES) - 1) + [None]
    stages = [([Conv(0, width, 3)] * convolutions, pool) for (width, convolutions), pool in zip(STAGES, pools)]
    return plain_network(architecture, stages, classes, input_shape)


FAMILY = Family(
    "VGG", "Simonyan & Zisserman 2014", "VGG", ("VGG", "VGG-elu"), ("VGG",), "VGG".format_map, vgg, AXES, DEFAULTS
)
