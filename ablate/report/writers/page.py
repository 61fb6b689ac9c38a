"""index.html: one file with the finding, tables, figures, curves and provenance of one or more reports.

The page loads nothing from elsewhere. Its content security policy allows only its own style and script, by their hashes,
and images inside the page. Every text is escaped. Findings, tables and figures work without the script. With it, tables can
be sorted, filtered and copied, a cell shows its trials (assets/page.js), the curves of the seeds respond to the pointer
(curves.js), as do the variants on their axes (axes.js), and the address keeps the view (view.js). What the script alone
needs is packed: JSON, deflated, in base64.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import resources
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from ablate.report.document import Curves, Document, Figures, Notes, ParallelAxes, Provenance, Section, Sentences
from ablate.report.figures.colours import looks
from ablate.report.numbers import counted, is_number
from ablate.report.table import Cell, Table
from ablate.report.writers.csv import table_csv
from ablate.report.writers.latex import table_latex
from ablate.report.writers.markdown import table_markdown
from ablate.report.writers.page_curves import curve_data

SCRIPTS = ("page.js", "curves.js", "axes.js", "view.js")
SAFE = " !$&'()*+,-./:;=?@[]_~"  # in a data URL between double quotes
MOST_ROWS = 40  # of a table, until a reader asks for all
MOST_SENTENCES = 12
KINDS = {
    "table": Table, "sentences": Sentences, "notes": Notes, "curves": Curves, "axes": ParallelAxes, "figures": Figures,
    "provenance": Provenance,
}  # fmt: skip


@dataclass(frozen=True)
class _Article:
    """A report on a page."""

    document: Document
    images: Mapping[str, str]  # data URLs by the name of the figure
    anchor: str  # the id that links to it

    @property
    def blocks(self) -> list[Section]:
        """The parts of the report that a page shows, in order; its tables without columns that say nothing."""
        shown = [one for one in self.document.blocks if not isinstance(one.content, Provenance) or _says(one.content)]
        return [replace(one, content=one.content.narrowed) if isinstance(one.content, Table) else one for one in shown]

    @cached_property
    def trials(self) -> dict[str, int]:
        """The number of each trial in the table of provenance by its id."""
        rows = (row for table in _provenances(self.document) for row in table.rows)
        return {str(row[0].value): number for number, row in enumerate(rows)}

    def numbers(self, trials: Iterable[str]) -> str:
        """The numbers of some trials, given their ids, separated by spaces."""
        return " ".join(str(self.trials[trial]) for trial in trials)


def write_page(reports: Sequence[tuple[Document, Mapping[str, bytes]]]) -> bytes:
    """The page as HTML in UTF-8. Equal reports give equal bytes.

    A page of several reports begins with an index, in the order of the paper's tables.

    Args:
        reports: Documents, each with its figures by name, as SVG in UTF-8 or as WebP; at least one.
    """
    assert reports, "a page of nothing"
    for document, _ in reports:
        _check_trials(document)
    reports = sorted(reports, key=lambda report: _paper_order(report[0].source))
    style, script = _asset("page.css"), "".join(map(_asset, SCRIPTS))
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    anchors = _anchors([document.name for document, _ in reports])
    articles = [
        _Article(document, {name: _image(data) for name, data in figures.items()}, anchor)
        for (document, figures), anchor in zip(reports, anchors)
    ]
    page = _template().render(
        articles=articles,
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
    environment.globals |= {"most_rows": MOST_ROWS, "most_sentences": MOST_SENTENCES}
    environment.filters |= {
        "axes_data": lambda content: pack(_axes_data(content)),
        "copies": lambda table, document: pack(_copies(table, document)),
        "counted": counted,
        "curves_data": lambda article, content: pack(_curves_data(article, content)),
        "paragraphs": _paragraphs,
        "sort_value": _sort_value,
        "trials_data": lambda table: pack(_trials_data(table)),
    }
    environment.tests |= {name: lambda content, kind=kind: isinstance(content, kind) for name, kind in KINDS.items()}
    environment.tests["whole_width"] = lambda content: isinstance(content, (Curves, ParallelAxes, Figures, Provenance))
    environment.tests["sortable"] = _is_sortable
    return environment.from_string(_asset("page.html.j2"))


def pack(value: Any) -> str:
    """Plain values as text for the script of the page: JSON, deflated, in base64.

    Args:
        value: Plain values; no infinity or NaN.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _curves_data(article: _Article, content: Curves) -> dict[str, Any]:
    names = {curve.label: curve.look or curve.label for curve in content.curves}
    found = looks(names.values())
    of_labels = {label: found[name] for label, name in names.items()}
    return curve_data(content.curves, of_labels, article.trials, content.decision.worst)


def _axes_data(content: ParallelAxes) -> dict[str, Any]:
    by = content.decision
    return {"axes": content.axes, "rows": content.rows, "measure": by.axis, "maximized": by.maximized}


def _trials_data(table: Table) -> dict[str, Any]:
    """The titles of the columns, which are numeric, and the texts of the rows."""
    return {
        "titles": table.titles,
        "numeric": [column.numeric for column in table.columns],
        "rows": [[cell.text for cell in row] for row in table.rows],
    }


def _copies(table: Table, document: Document) -> dict[str, str]:
    """The table as its files have it, for the clipboard."""
    return {
        "LaTeX": table_latex(table.brief, document.headline(table), document.badge),
        "Markdown": table_markdown(table.brief),
        "CSV": table_csv(table),
    }


def _image(data: bytes) -> str:
    """A figure as a data URL. Coordinates of SVG are rounded to a hundredth of a point, which no screen shows."""
    if data.startswith(b"RIFF"):
        return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<!DOCTYPE[^>]*>|<\?xml[^>]*>", "", data.decode(), flags=re.DOTALL)
    text = re.sub(r'\b(d|x|y)="[^"]*"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), text)
    return f"data:image/svg+xml,{quote(' '.join(text.split()), safe=SAFE)}"


def _paper_order(source: str) -> tuple[bool, str, list[tuple[bool, int]]]:
    """The order of a paper's tables and figures: its name, then the kind and the number; what has no source comes last."""
    paper, _, place = source.partition(",")
    found = re.findall(r"(Table|Figure|Section)s?\s+(\d+)", place)
    return not source, paper, [(kind != "Table", int(number)) for kind, number in found[:1]]


def _says(content: Provenance) -> bool:
    return bool(content.texts or content.trials.rows)


def _provenances(document: Document) -> list[Table]:
    return [one.content.trials for one in document.sections if isinstance(one.content, Provenance)]


def _is_sortable(cell: Cell) -> bool:
    return is_number(cell.value) and not math.isnan(cell.value)


def _sort_value(cell: Cell) -> str:
    """The number that a cell is sorted by, in JavaScript syntax."""
    return repr(cell.value).replace("inf", "Infinity") if isinstance(cell.value, float) else repr(cell.value)


def _paragraphs(text: str) -> list[str]:
    """The paragraphs of a text, without their line breaks. Empty lines separate paragraphs."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def _check_trials(document: Document) -> None:
    """Check that the provenance contains every trial that a cell names."""
    known = {row[0].value for table in _provenances(document) for row in table.rows}
    untraced = {trial for table in document.tables for row in table.rows for cell in row for trial in cell.trials} - known
    assert not untraced, f"cells name trials that the page does not know: {sorted(untraced)}"


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
