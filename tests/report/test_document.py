"""A document of invented texts in each language, and what a new format of a report takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from recorded import captions

from ablate.report import report as module
from ablate.report.document import Document, Figures, Notes, Provenance, Remark, Sentences, make_sections
from ablate.report.numbers import format_of, percent, signed, stated_quantity
from ablate.report.report import FORMATS, Format, Report
from ablate.report.table import Cell, Column, Table, make_table, number
from ablate.report.writers.csv import table_csv
from ablate.report.writers.latex import document_latex
from ablate.report.writers.markdown import document_markdown
from ablate.report.writers.page import write_page
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
    assert [table.caption for table in document().brief_tables] == ["Images: Digits. First.", "Second."]


def test_a_column_of_equal_cells_is_a_sentence_of_the_caption() -> None:
    columns = [
        Column("Network", False), Column("Recipe", False), Column("n", fold="stated"), Column("N", fold="always"),
        Column("Published"), Column("Error", fold="never"), Column("k"),
    ]  # fmt: skip
    rows = [["a", "fast", "5", "2", "–", "4.0", "1"], ["b", "fast", "5", "3", "–", "4.0", "2"]]
    table = make_table(columns, rows, "t", "Errors.", [("a", "of all")])
    assert table.narrowed.titles == ["Network", "N", "Error", "k"]
    assert table.narrowed.caption == "Errors. The same in every row: Recipe fast."
    assert table.brief.titles == ["Network", "Error", "k"] and table.brief.notes == (("a", "of all"),)
    assert make_table(columns, rows[:1], caption="One.").narrowed.titles == [column.title for column in columns]
    assert table.narrowed.narrowed == table.narrowed
    alike = make_table(columns[:2], [["a", "fast"], ["b", "fast"]])
    assert alike.narrowed == alike  # a table of names alone would say nothing


def test_a_marked_column_stays_and_notes_go_with_their_column() -> None:
    columns = [Column("Network", False), Column("Error", fold="stated"), Column("N", fold="always")]
    rows = [["a", Cell(1, "1", "a"), Cell(2, "2", "b")], ["b", Cell(1, "1", "a"), Cell(3, "3")]]
    table = make_table(columns, rows, notes=[("a", "one"), ("b", "two")])
    assert table.narrowed == table
    assert (table.brief.titles, table.brief.notes) == (["Network", "Error"], (("a", "one"),))


def test_the_finding_and_the_main_figure_stand_first_in_every_text() -> None:
    known = replace(document(), finding="It works.", main_figure="errors")
    text = document_markdown(known)
    parts = (
        "# A title",
        "**It works.**",
        "![Errors. It works.](errors.svg)",
        "Images: Digits.",
        "## Said",
        "A note.",
        "Second.",
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places) and text.count("](errors.svg)") == 1
    assert document_text(known).startswith("A title (small)\n\nIt works.\n\n")


def test_large_percentages_are_short() -> None:
    write = format_of("%")
    found = [
        write.value(1.1e38),
        write.signed(-1.1e38),
        write.distance(2e6),
        write.with_unit(1e300),
        write.value(123456.78),
    ]
    assert found == ["1.1e+38", "−1.1e+38", "2e+06 points", "1e+300%", "123456.78"]
    assert write.value(math.inf) == "diverged"


def test_every_number_has_one_minus_sign() -> None:
    cells = [number(-1.5, format_of(unit).value) for unit in ("nats", "")] + [number(-0.2, signed), number(-3, str)]
    assert [cell.text for cell in cells] == ["−1.5", "−1.5", "−0.20", "−3"]
    table = make_table([Column("Name", False), Column("Difference")], [["a", cells[2]], ["b", number(0.5, signed)]])
    assert "−0.20" in document_markdown(document(table)) and "-0.20" in document_latex(document(table))
    assert table_csv(table) == "Name,Difference\na,-0.2\nb,0.5\n"


def test_csv_of_a_table_has_values_and_texts_and_no_formula() -> None:
    columns = [Column("Network", False), Column("Range"), Column("Mult-adds"), Column("Error")]
    row = ["=1+1", Cell(4.0, "4.0–5.0"), Cell(26_412_345, "26.4 M"), number(None, str)]
    assert table_csv(make_table(columns, [row])) == "Network,Range,Mult-adds,Error\n'=1+1,4.0–5.0,26412345,–\n"


def test_markdown_has_every_part_in_order() -> None:
    text = document_markdown(document())
    parts = (
        "# A title (small)\n\nSource: A paper.\n\nImages: Digits. First.\n\n| a\\*b",
        "**1.23**<sup>a</sup>",
        "**Incomplete**\n\nPlain\n",
        "## Said\n\n- One.\n- Two.\n",
        "A note.\n",
        "\nSecond.\n",
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


def test_what_the_columns_mean_stands_below_in_every_format() -> None:
    found = document(replace(TABLE, details=("p: of the test.", "SD: of the sample.")))
    assert captions(found) == ["Images: Digits. First. p: of the test. SD: of the sample."]
    for write in (document_text, document_markdown, document_latex):
        text = write(found)
        assert text.index("First.") < text.index("p: of the test.") < text.index("SD: of the sample.")
    page = write_page([(found, {})]).decode()
    assert page.index("</table>") < page.index("How to read this table") < page.index("p: of the test.")


@pytest.mark.parametrize(("text", "number"), [("1.7M", 1.7e6), ("850k", 850e3), ("12", 12.0), ("many", None), ("", None)])
def test_a_published_count_in_text(text: str, number: float | None) -> None:
    assert stated_quantity(text) == number


@dataclass(frozen=True)
class Invented(Report):
    """A report of the document above, without figures."""

    analysis: Any

    document = replace(document(), sections=())  # type: ignore[assignment]

    def tables(self) -> list[Table]:
        return []

    def conclusions(self) -> list[Any]:
        return []

    def details(self) -> list[Any]:
        return []

    def provenance(self) -> None:
        return None

    def finding(self) -> str:
        return ""

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
    paths = Invented(SimpleNamespace(study=SimpleNamespace(name="invented"))).write(tmp_path)
    assert [path.name for path in paths] == ["table.md", "table.tex", "index.html", "table.txt"]
    assert (tmp_path / "invented" / "table.txt").read_text().startswith("A title (small)")


def test_a_cell_keeps_its_value() -> None:
    assert number(1.234, percent) == Cell(1.234, "1.23") and number(None, percent) == Cell(None, "–")
