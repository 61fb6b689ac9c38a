"""A document of invented texts in each language, and what a new format of a report takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ablate.report import report as module
from ablate.report.document import (
    Cell,
    Column,
    Document,
    Figures,
    Notes,
    Provenance,
    Remark,
    Sentences,
    Table,
    make_sections,
    make_table,
    number,
)
from ablate.report.numbers import percent, stated_quantity
from ablate.report.report import FORMATS, Format, Report
from ablate.report.writers.latex import document_latex
from ablate.report.writers.markdown import document_markdown
from ablate.report.writers.plain import document_text

TABLE = make_table([Column("a*b", False), Column("Error")], [["x_", number(1.234, percent, "a", True)]], "t", "First.")
TRIALS = make_table([Column("trial", False)], [["id"]])


def document(*tables: Table) -> Document:
    return Document(
        "name", "A title", "small", "A paper", "Digits.", tables or (TABLE, make_table(TABLE.columns, [], "u", "Second.")),
        (Remark("Incomplete", strong=True), Remark("Plain")),
        make_sections(
            ("Said", Sentences(("One.", "Two."))), ("Notes", Notes("A note.")), ("Figures", Figures({"errors": "Errors"})),
            ("Made with", Provenance(("torch",), TRIALS, "All is in trials.csv.", ("trials.csv",))),
        ),
    )  # fmt: skip


def test_the_first_caption_says_what_the_tables_are_about() -> None:
    assert document().captions == ["Images: Digits. First.", "Second."]


def test_markdown_has_every_part_in_order() -> None:
    text = document_markdown(document())
    parts = (
        "# A title (small)\n\nSource: A paper.\n\nImages: Digits. First.\n\n| a\\*b",
        "**1.23**<sup>a</sup>",
        "\nSecond.\n",
        "**Incomplete**\n\nPlain\n",
        "## Said\n\n- One.\n- Two.\n",
        "A note.\n",
        "![Errors](errors.svg)\n",
        "## Made with\n\n- torch\n",
        "All is in [trials.csv](trials.csv).\n",
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_plain_text_has_the_tables_and_the_sentences_and_escapes_nothing() -> None:
    text = document_text(document(TABLE))
    assert text == (
        "A title (small)\n\nImages: Digits. First.\n\n| a*b |    Error |\n| --- | -------: |\n| x_  | 1.23 (a) |\n\n"
        "- One.\n- Two.\n"
    )


def test_latex_has_a_table_each_under_the_title() -> None:
    text = document_latex(document())
    assert text.count(r"\begin{table}") == 2 and r"\caption{A title (small). Second.}" in text and r"\label{tab:u}" in text


@pytest.mark.parametrize(("text", "number"), [("1.7M", 1.7e6), ("850k", 850e3), ("12", 12.0), ("many", None), ("", None)])
def test_a_published_count_in_text(text: str, number: float | None) -> None:
    assert stated_quantity(text) == number


@dataclass(frozen=True)
class Invented(Report):
    """A report of the document above, without figures."""

    analysis: Any

    def make_document(self, alt_texts: Any) -> Document:
        return replace(document(), sections=())

    def draw_figures(self) -> dict[str, Any]:
        return {}

    def as_json(self) -> dict[str, Any]:
        return {}

    def frames(self) -> dict[str, Any]:
        return {}

    @property
    def name(self) -> str:
        return "invented"


def test_a_new_format_is_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = Format("words", lambda report: {"table.txt": document_text(report.document).encode()})
    monkeypatch.setattr(module, "FORMATS", (*FORMATS, words))
    paths = Invented(None).write(tmp_path)
    assert [path.name for path in paths] == ["table.md", "table.tex", "index.html", "table.txt"]
    assert (tmp_path / "invented" / "table.txt").read_text().startswith("A title (small)")


def test_a_cell_keeps_its_value() -> None:
    assert number(1.234, percent) == Cell(1.234, "1.23") and number(None, percent) == Cell(None, "–")
