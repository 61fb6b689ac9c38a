"""index.html: one file with the tables, figures, curves and provenance of one or more reports.

The page loads nothing from elsewhere. Its content security policy allows only its own style and script, by their hashes,
and images inside the page. Every text is escaped. The tables and figures work without the script. With the script, tables
can be sorted, a cell shows its trials (assets/page.js), and the curves of the seeds respond to the pointer (curves.js).
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from ablate.report.document import Cell, Curves, Document, Figures, Notes, Provenance, Sentences
from ablate.report.figures.colours import PALETTE
from ablate.report.numbers import counted
from ablate.report.writers.page_curves import curve_data, to_json


class Article(NamedTuple):
    """A report on a page.

    Args:
        document: The report.
        svgs: Its figures by name, as SVG in UTF-8.
        anchor: The id that links to it.
    """

    document: Document
    svgs: Mapping[str, bytes]
    anchor: str


def write_page(reports: Sequence[tuple[Document, Mapping[str, bytes]]]) -> bytes:
    """The page as HTML in UTF-8. Equal reports give equal bytes. A page of several reports begins with a list of them.

    Args:
        reports: Documents, each with its figures by name, as SVG in UTF-8; at least one.
    """
    assert reports, "a page of nothing"
    for document, _ in reports:
        _check_trials(document)
    style, script = _style(), _asset("page.js") + _asset("curves.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    anchors = _anchors([document.name for document, _ in reports])
    page = _template().render(
        pages=[Article(document, svgs, anchor) for (document, svgs), anchor in zip(reports, anchors)],
        title=f"{len(reports)} ablation studies" if len(reports) > 1 else reports[0][0].title,
        policy=policy,
        style=Markup(style),
        script=Markup(script),
    )
    return page.encode("utf-8", "replace")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "base64": lambda data: base64.b64encode(data).decode(),
        "counted": counted,
        "curve_json": lambda content: Markup(to_json(curve_data(content.curves, len(PALETTE), content.decision.worst))),
        "paragraphs": _paragraphs,
        "sort_value": _sort_value,
    }
    kinds = {"sentences": Sentences, "notes": Notes, "curves": Curves, "figures": Figures, "provenance": Provenance}
    environment.tests |= {name: lambda content, kind=kind: isinstance(content, kind) for name, kind in kinds.items()}
    environment.tests |= {
        "badged": lambda content: isinstance(content, (Sentences, Curves, Figures)),
        "filled": lambda content: not isinstance(content, Provenance) or bool(content.texts or content.trials.rows),
        "sortable": _is_sortable,
    }
    return environment.from_string(_asset("page.html.j2"))


def _is_sortable(cell: Cell) -> bool:
    return isinstance(cell.value, (int, float)) and not isinstance(cell.value, bool) and not math.isnan(cell.value)


def _sort_value(cell: Cell) -> str:
    """The number that a cell is sorted by, in JavaScript syntax."""
    return repr(cell.value).replace("inf", "Infinity") if isinstance(cell.value, float) else repr(cell.value)


def _paragraphs(text: str) -> list[str]:
    """The paragraphs of a text, without their line breaks. Empty lines separate paragraphs."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def _check_trials(document: Document) -> None:
    """Check that the provenance contains every trial that a cell names."""
    known = {
        row[0].value
        for section in document.sections
        if isinstance(section.content, Provenance)
        for row in section.content.trials.rows
    }
    untraced = {trial for table in document.tables for row in table.rows for cell in row for trial in cell.trials} - known
    assert not untraced, f"cells name trials that the page does not know: {sorted(untraced)}"


def _style() -> str:
    colours = "".join(f".c{number} {{ --c: {colour}; }}\n" for number, colour in enumerate(PALETTE))
    return _asset("page.css") + colours


def _asset(name: str) -> str:
    return (resources.files("ablate.report") / "assets" / name).read_text("utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _anchors(names: Sequence[str]) -> list[str]:
    """A unique id per report. It is the report's name, so that links stay valid when other reports are added."""
    anchors: list[str] = []
    for name in names:
        anchor = base = re.sub(r"[^\w-]+", "-", name) or "study"
        number = 2
        while anchor in anchors:
            anchor, number = f"{base}-{number}", number + 1
        anchors.append(anchor)
    return anchors
