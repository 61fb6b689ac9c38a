"""Networks without shortcuts: stages of convolution, normalization and activation, each with pooling at its end."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.nets.architecture import Architecture
from ablate.nets.blueprint import Activation, Blueprint, Conv, Layer, Pool, Section, Shape
from ablate.nets.family import always
from ablate.nets.residual import Style, head, norm

AXES = ("norm", "activation", "pool")
DEFAULTS = always(activation_order="post")  # so the head needs no normalization and activation


def plain_network(
    architecture: Architecture,
    stages: Sequence[tuple[Sequence[Conv], Pool | None]],
    classes: int,
    input_shape: Shape,
) -> Blueprint:
    """The blueprint of a network without shortcuts: a section for each stage, "conv1" and so on, and "head".

    Args:
        architecture: A network of a family without shortcuts.
        stages: (convolutions, pooling or None) of each stage; in_channels of the convolutions are set here.
        classes: Number of classes.
        input_shape: (channels, height, width) of an image.
    """
    style = Style.of(architecture)
    channels, sections = input_shape[0], list[Section]()
    for i, (convolutions, pool) in enumerate(stages, 1):
        layers: list[Layer] = []
        for conv in convolutions:
            layers.append(Conv(channels, conv.out_channels, conv.kernel, bias=conv.bias))
            channels = conv.out_channels
            layers += [*norm(style, channels), Activation(style.activation)]
        sections.append(Section(f"conv{i}", (*layers, *([pool] if pool else []))))
    sections.append(Section("head", head(channels, style, classes)))
    return Blueprint(input_shape, tuple(sections))
