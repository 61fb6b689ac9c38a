"""The blueprint of an object detector on the groups of a residual network: Faster R-CNN with a feature pyramid.

The last section keeps the normalization and activation that a pre-activation network has after its last block; global
pooling and classifier are replaced by the detector. So the weights of a classifier have the same names up to there.

Source: Ren et al. 2015, "Faster R-CNN"; Lin et al. 2017, "Feature pyramid networks for object detection", with the layers
of torchvision.models.detection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablate.errors import NotationError
from ablate.nets import blueprint as bp
from ablate.nets.counts import count_sections

RATIOS = (0.5, 1.0, 2.0)  # height : width of the anchors at each place
BOX_SIDE = 7  # of the features of a box, in pixels


def faster_rcnn(network: bp.Blueprint, classes: int, settings: Mapping[str, Any]) -> bp.Blueprint:
    """The detector on a classifier's layers.

    Args:
        network: The blueprint of a residual classifier.
        classes: Number of classes, without the background.
        settings: Those of `task: detection`: fpn_channels, box_features, proposals and others.

    Raises:
        NotationError: The network has no groups of residual blocks.
    """
    shapes = {name: shape for name, _, shape in count_sections(network)}
    *body, head = network.sections
    sources = tuple((section.name, shapes[section.name]) for section in body if _is_group(section))
    if not sources or head.name == sources[-1][0]:
        raise NotationError("task: detection needs groups of residual blocks, as ResNet and WRN have; use such a network")
    opening = tuple(layer for layer in head.layers if not isinstance(layer, (bp.GlobalPool, bp.Linear)))
    named = (*sorted(settings.items()), ("side", network.input_shape[1]))
    detector = bp.Detector(classes, sources, _parts(sources, classes, settings), named)
    return bp.Blueprint(network.input_shape, (*body, bp.Section(head.name, (*opening, detector))))


def _is_group(section: bp.Section) -> bool:
    """Whether a section is a group of blocks."""
    first = section.layers[0]
    return isinstance(first.layer if isinstance(first, bp.Repeat) else first, (bp.Residual, bp.Custom))


def _parts(sources: tuple[tuple[str, bp.Shape], ...], classes: int, settings: Mapping[str, Any]) -> tuple[bp.Shared, ...]:
    """The layers after the features, for one image that is trained on."""
    width, hidden, anchors = settings["fpn_channels"], settings["box_features"], len(RATIOS)
    levels = [(width, *shape[1:]) for _, shape in sources]
    coarsest = (width, *((side - 1) // 2 + 1 for side in levels[-1][1:]))  # every second pixel of the last level
    every = tuple((shape, 1) for shape in (*levels, coarsest))
    boxes = (((width * BOX_SIDE**2, 1, 1), settings["sampled_boxes"]),)
    hid = (((hidden, 1, 1), settings["sampled_boxes"]),)
    return (
        *(
            bp.Shared(f"lateral {name}", (bp.Conv(shape[0], width, 1, bias=True),), ((shape, 1),))
            for name, shape in sources
        ),
        *(
            bp.Shared(f"output {name}", (bp.Conv(width, width, 3, bias=True),), ((shape, 1),))
            for (name, _), shape in zip(sources, levels)
        ),
        bp.Shared("anchors", (bp.Conv(width, width, 3, bias=True), bp.Activation()), every),
        bp.Shared("objectness", (bp.Conv(width, anchors, 1, bias=True),), every),
        bp.Shared("anchor boxes", (bp.Conv(width, 4 * anchors, 1, bias=True),), every),
        bp.Shared(
            "box features", (bp.Linear(width * BOX_SIDE**2, hidden), bp.Activation(), bp.Linear(hidden, hidden)), boxes
        ),
        bp.Shared("classes", (bp.Linear(hidden, classes + 1),), hid),
        bp.Shared("boxes", (bp.Linear(hidden, 4 * (classes + 1)),), hid),
    )
