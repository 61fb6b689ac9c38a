"""Networks without shortcuts, as the authors of the wide ResNet train them for comparison: NIN and VGG, for CIFAR.

They are stages of convolution, batch norm and activation, each with pooling at its end. NIN: the differences from the paper
are batch norm, no dropout, and a linear layer after the last average pooling; the convolutions have biases, according to
the parameter count in the authors' log. VGG: pooling replaces all linear layers but the last.

Source: Lin et al. 2013 (network in network); Simonyan & Zisserman 2014 (VGG).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ablate.nets.architecture import Architecture
from ablate.nets.blueprint import Activation, Blueprint, Conv, Layer, Pool, Section, Shape
from ablate.nets.family import Family, always
from ablate.nets.residual import Style, head, norm

Stage = tuple[Sequence[tuple[int, int]], Pool | None]  # (output channels, kernel) of each convolution; pooling at the end

_VGG_POOL = Pool("max", 2, 2, partial=True)
NIN_STAGES: tuple[Stage, ...] = (
    (((192, 5), (160, 1), (96, 1)), Pool("max", 3, 2, partial=True)),
    (((192, 5), (192, 1), (192, 1)), Pool("average", 3, 2, partial=True)),
    (((192, 3), (192, 1), (192, 1)), None),
)
VGG_STAGES: tuple[Stage, ...] = (
    ([(64, 3)] * 2, _VGG_POOL),
    ([(128, 3)] * 2, _VGG_POOL),
    ([(256, 3)] * 4, _VGG_POOL),
    ([(512, 3)] * 4, _VGG_POOL),
    ([(512, 3)] * 4, None),
)


def _blueprint(
    stages: Sequence[Stage], bias: bool, architecture: Architecture, classes: int, input_shape: Shape
) -> Blueprint:
    """A section for each stage, "conv1" and so on, and "head"."""
    style = Style.of(architecture)
    channels, sections = input_shape[0], list[Section]()
    for i, (convolutions, pool) in enumerate(stages, 1):
        layers: list[Layer] = []
        for width, kernel in convolutions:
            layers += [Conv(channels, width, kernel, bias=bias), *norm(style, width), Activation(style.activation)]
            channels = width
        sections.append(Section(f"conv{i}", (*layers, *([pool] if pool else []))))
    sections.append(Section("head", head(channels, style, classes)))
    return Blueprint(input_shape, tuple(sections))


def _family(name: str, source: str, examples: tuple[str, ...], stages: Sequence[Stage], bias: bool) -> Family:
    return Family(
        key=name,
        source=source,
        form=name,
        examples=examples,
        heads=(name,),
        write=name.format_map,
        blueprint=partial(_blueprint, stages, bias),
        axes=("norm", "activation", "pool"),
        defaults=always(activation_order="post"),  # so the head needs no normalization and activation
    )


NIN = _family("NIN", "Lin et al. 2013", ("NIN",), NIN_STAGES, bias=True)
VGG = _family("VGG", "Simonyan & Zisserman 2014", ("VGG", "VGG-elu"), VGG_STAGES, bias=False)
