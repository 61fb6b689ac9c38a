"""What a study file says of its report alone: title, figures, table. So does a file with `studies`."""

from __future__ import annotations

from typing import Any

from ablate.study.document import Document
from ablate.study.figure_style import read_figure_style
from ablate.study.schema import StudyFile
from ablate.study.table_style import USUAL


def heading(document: Document, file: StudyFile) -> dict[str, Any]:
    """The fields of AnyStudy that are about the report alone, by name.

    Args:
        document: The study file's values and their places.
        file: The checked file.

    Raises:
        StudyError: A figure is listed twice, or the width of figures is none; the message names the place.
    """
    if twice := [name for name in file.figures if file.figures.count(name) > 1]:
        document.fail(("figures",), f"figures: '{twice[0]}' is listed twice; list it once")
    return {
        "name": file.name,
        "title": file.title or file.name,
        "source": file.source,
        "notes": file.notes.strip(),
        "figures": tuple(file.figures),
        "figure_style": read_figure_style(document, file.figure_style),
        "table": file.table or USUAL,
    }
