"""The key `figure_style` of a study file: how its figures are drawn for a paper."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from ablate.errors import describe
from ablate.kinds.figures import USUAL_STYLE, FigureStyle, Font
from ablate.study.document import Document
from ablate.study.written_forms import Frozen

INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}  # a point of TeX
LEAST, MOST = 2.5, 14.0  # inches: narrower figures have no room for names
Width = Annotated[
    Any,
    Field(description="of every figure: 3.3in, 84mm, 8.4cm or 240pt"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9.]+ *(in|cm|mm|pt)$"}),
]


class FigureStyleFile(Frozen):
    """How the figures are drawn, for a paper.

    Args:
        font: A font that every machine has; it is part of the PDF files.
        title: Whether title and caption are written above the axes.
    """

    width: Width = None
    font: Font = "sans-serif"
    title: bool = True


def read_figure_style(document: Document, file: FigureStyleFile | None) -> FigureStyle:
    """The style of a study's figures.

    Args:
        document: The study file's values and their places.
        file: The checked key; None if the study does not have it.

    Raises:
        StudyError: The width is not one; the message names the place.
    """
    if file is None:
        return USUAL_STYLE
    width = None
    if file.width is not None:
        match = re.fullmatch(r"(\d{1,4}(?:\.\d{1,4})?) *(in|cm|mm|pt)", str(file.width))
        width = float(match[1]) * INCHES[match[2]] if match else 0.0
        if not LEAST <= width <= MOST:
            wanted = f"a width of {LEAST:g} to {MOST:g} inches, such as 3.3in, 84mm, 8.4cm or 240pt"
            document.fail(("figure_style", "width"), f"figure_style.width: found {describe(file.width)}; allowed: {wanted}")
    return FigureStyle(width=width, font=file.font, title=file.title)
