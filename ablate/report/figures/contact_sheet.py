"""A contact sheet: images with their true class, and the class that networks predict instead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ablate.report.figures.style import ACCENT, INK, SMALL, canvas_width, open_canvas, styled, wrap_text

COLUMNS, PICTURE, GAP = 8, 0.77, 0.1  # inches


@dataclass(frozen=True)
class Picture:
    """An image.

    Args:
        pixels: uint8 (H, W, 1 or 3).
        true: The name of its class.
        predicted: What is predicted instead, such as "dog (14 of 15)".
    """

    pixels: npt.NDArray[np.uint8]
    true: str
    predicted: str


@styled
def draw_contact_sheet(pictures: Sequence[Picture], *texts: str) -> Figure:
    """A grid of the images, with both classes below each: the true one dark, the predicted one in red.

    Args:
        pictures: At least one.
        texts: Title, caption and badge, as in open_canvas().
    """
    width = canvas_width(0.2 + COLUMNS * (PICTURE + GAP))
    columns = max(1, min(COLUMNS, int((width - 0.2) / (PICTURE + GAP))))
    rows = math.ceil(len(pictures) / columns)
    names = [[_lines(one.true), _lines(one.predicted)] for one in pictures]
    below = max(sum(map(len, both)) for both in names) * SMALL * 1.25 / 72 + 0.06
    figure, axes = open_canvas(*texts, width=width, body=rows * (PICTURE + below + 0.08), rows=rows, columns=columns)
    for axis in axes:
        axis.set_axis_off()
    for axis, one, (true, predicted) in zip(axes, pictures, names):
        options: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 255} if one.pixels.shape[-1] == 1 else {}
        axis.imshow(one.pixels.squeeze(-1) if options else one.pixels, interpolation="nearest", **options)
        for above, lines, colour in ((0, true, INK), (len(true), predicted, ACCENT)):
            axis.annotate(
                "\n".join(lines), (0.5, 0), (0, -2 - above * SMALL * 1.22), xycoords="axes fraction",
                textcoords="offset points", ha="center", va="top", fontsize=SMALL, color=colour, linespacing=1.1,
            )  # fmt: skip
    return figure


def _lines(text: str) -> list[str]:
    """At most two lines of a name."""
    lines = wrap_text(text, PICTURE + GAP - 0.06, SMALL)
    return lines if len(lines) <= 2 else [lines[0], f"{lines[1]}…"]
