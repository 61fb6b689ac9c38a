"""LaTeX tables as text, and in a TeX where one is installed. Debian: texlive-science, texlive-latex-extra."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ablate.report.document import Document
from ablate.report.numbers import percent, signed
from ablate.report.table import Cell, Column, Table, make_table, number
from ablate.report.writers.latex import document_latex, latex_escape

TEX = shutil.which("pdflatex")
NASTY = r"50% of $x_1$ & {a} # ~ ^ \\ <b> [c] * – − ≈ × ±"
COLUMNS = [
    Column("Network", False),
    Column("Parameters"),
    Column("Median test error, %"),
    Column("Range"),
    Column("Ours − published"),
]
ROWS = [
    [
        "WRN-28-2-B(3,3)", number(1_467_610, "{:,}".format), number(4.17, percent, "a", True), Cell(3.9, "3.90–4.45"),
        number(-1.56, signed),
    ],
    ["NIN", number(1_007, "{:,}".format), number(15.83, percent), Cell(5.5, "5.50–6.05"), number(None, signed)],
]  # fmt: skip
TABLE = make_table(COLUMNS, ROWS, "t", "Median over 5 seeds.", [("a", NASTY)])
WORDS = [Column("Candidate"), Column("Note", False), *(Column(f"Validation error of fold {n}, %") for n in range(9))]
WIDE = make_table(WORDS, [["1", f"a long text, {NASTY}", *["12.34"] * 9], ["2", "b", *["5.67"] * 9]], "u", title="Folds")


MANY = [[f"net {i}", number(i, "{:,}".format), number(5.0 + i / 100, percent, "a")] for i in range(500)]
LONG = make_table(COLUMNS[:3], MANY, "l", "Median over 5 seeds.", [("a", NASTY)], title="All")
LONG = replace(LONG, groups=((0, "first"), (200, "second")))


def document(*tables: Table) -> Document:
    return Document("name", "A title", "small scale, not the paper's", "", "Digits.", tables, (), ())


def rows_of(latex: str) -> list[str]:
    """The rows of the first tabular."""
    body = latex[latex.index("midrule") : latex.index("bottomrule")].splitlines()[1:-1]
    return [" ".join(line.split()) for line in body]


def test_a_table_has_one_line_of_caption_and_its_setting_in_notes() -> None:
    text = document_latex(document(TABLE, WIDE))
    assert re.findall(r"\\caption\{(.*)\}", text) == ["A title", "A title: folds"]
    assert (
        r"\item Small scale, not the paper's. Images: Digits. Median over 5 seeds." in text and r"\item[a] 50\% of" in text
    )
    assert r"\label{tab:t}" in text and "resizebox" not in text


def test_code_in_a_note_is_set_as_code() -> None:
    table = make_table(COLUMNS, ROWS, "t", "Needs `seeds: {until: decided}`.")
    assert (
        r"\item Small scale, not the paper's. Images: Digits. Needs \texttt{seeds: \{until: decided\}}."
        in document_latex(document(table))
    )


def test_numbers_stand_in_columns_of_siunitx_and_words_do_not() -> None:
    text = document_latex(document(TABLE))
    assert r"{l S[table-format=7] S[table-format=2.2, table-space-text-post=\tnote{a}] r S[table-format=+1.2]}" in text
    assert rows_of(text) == [
        r"WRN-28-2-B(3,3) & 1467610 & \bfseries 4.17\tnote{a} & 3.90--4.45 & -1.56 \\",
        r"NIN & 1007 & 15.83 & 5.50--6.05 & {--} \\",
    ]
    assert "group-digits=integer" in text  # 0.0005 is not 0.000,5
    assert r"{\shortstack[r]{Median \\ test \\ error, \%}}" in text


def test_a_table_takes_the_room_that_it_needs() -> None:
    narrow = make_table(COLUMNS[:2], [row[:2] for row in ROWS], "n")
    text = document_latex(document(narrow, TABLE, WIDE))
    first, second, third = text.split(r"\label")[1:]
    assert text.startswith("\\begin{table} ") and r"\normalsize" in text[: text.index(r"\label")]
    assert r"\end{table}" in first and r"\end{table*}" in third
    assert first.count("tabular}") == second.count("tabular}") == 2 and third.count(r"\begin{tabular}") > 1
    assert third.count("fold 8") == third.count("fold 0") == 1 and third.count("{Candidate}") == third.count(
        r"\begin{tabular}"
    )


def test_a_table_that_is_longer_than_a_page_is_split_between_rows() -> None:
    text = document_latex(document(LONG))
    floats = text.split(r"\end{table}")[:-1]
    sizes = [len(re.findall(r"^ +net \d+ &", one, re.MULTILINE)) for one in floats]
    assert len(floats) > 10 and sum(sizes) == 500 and max(sizes) <= 46 and max(sizes) - min(sizes) <= 1
    assert text.count(r"\label{tab:l}") == text.count(r"\begin{tablenotes}") == 1 and r"\begin{tablenotes}" in floats[-1]
    assert text.count("(continued)") == text.count(r"\addtocounter{table}{-1}") == len(floats) - 1
    assert r"\textit{first}" in floats[1] and r"\textit{second}" in floats[-1]


@pytest.mark.skipif(TEX is None, reason="needs pdflatex")
@pytest.mark.parametrize("columns", ["onecolumn", "twocolumn"])
def test_it_compiles_and_nothing_is_wider_than_its_place(columns: str, tmp_path: Path) -> None:
    width = "5.5in" if columns == "onecolumn" else "6.75in"  # as in NeurIPS and ICML
    rows = [["A", Cell(1.0, "1.00", underlined=True)], ["B", Cell(2.0, "2.00", bold=True, shaded=True)]]
    groups = ((0, "50% & more"), (1, "second"))
    narrow = replace(make_table(COLUMNS[:2], rows, "n"), notes=(("a", NASTY),), groups=groups)
    text = "\n".join([
        rf"\documentclass[{columns}]{{article}}", rf"\usepackage[textwidth={width}]{{geometry}}",
        r"\usepackage{booktabs,siunitx,threeparttable,colortbl,xcolor}", r"\begin{document}", "Text.",
        document_latex(document(narrow, TABLE, WIDE, LONG)), r"\end{document}",
    ])  # fmt: skip
    (tmp_path / "paper.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout and "Float too large" not in done.stdout


def test_what_latex_would_read_is_escaped() -> None:
    assert latex_escape("a_b\n[c] −1 ✓") == r"a\_b {[}c] $-$1 $\checkmark$"
