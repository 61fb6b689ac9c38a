"""What a terminal shows of a command's text and of a report."""

from __future__ import annotations

import io

from rich.console import Console

from ablate.report.table import Column, make_table
from ablate.report.writers.plain import table_text
from ablate.report.writers.terminal import print_text

COLUMNS = [Column("Network", False), Column("Mult-adds"), Column("Memory at batch 128"), Column("Trials", False)]
ROWS = [["WRN-16-2", "101 M", "262 MB", "2 recorded"], ["WRN-40-2", "328 M", "750 MB", "1 recorded, 1 missing"]]
TEXT = f"{table_text(make_table(COLUMNS, ROWS))}\nhere, 2 slots: 3 trials, 12 min in all and some more words than fit\n"


def shown(text: str, width: int) -> list[str]:
    file = io.StringIO()
    print_text(text, Console(file=file, width=width, highlight=False), "elsewhere")
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_markdown_tables_are_drawn_and_lines_are_broken_between_words() -> None:
    lines = shown(TEXT, 80)
    assert not any("|" in line for line in lines) and max(map(len, lines)) <= 80
    assert [line.split() for line in lines if line.startswith(" WRN-16-2")] == [
        ["WRN-16-2", "101", "M", "262", "MB", "2", "recorded"]
    ]
    assert "Memory at batch 128" in "".join(lines)  # there is room for a title in one line


def test_what_finds_no_room_is_named_and_the_last_column_stays() -> None:
    text = "\n".join(shown(TEXT, 44))
    assert "Trials" in text and "2 recorded" in text and "262 MB" not in text
    assert "1 more column elsewhere: Memory at batch" in text
    assert max(map(len, text.splitlines())) <= 44


def test_a_row_that_cannot_be_parsed_is_printed_as_it_is() -> None:
    text = table_text(make_table([Column("a"), Column("b")], [["1 | 2", "3"]]))
    assert shown(text, 80) == text.rstrip().splitlines()
