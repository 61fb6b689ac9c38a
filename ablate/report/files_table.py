"""The table of the image files of a data set: how many were read of each class, and how many were skipped and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ablate.data.folders import FileCounts, describe_passed_over
from ablate.report.numbers import counted
from ablate.report.summary import Summary
from ablate.report.table import NO_VALUE, Column, Table, make_table, number, words

MOST_CLASSES = 100  # that a table shows one by one


def files_tables(study: str, summaries: Iterable[Summary]) -> list[Table]:
    """One table for each data set whose records count its files.

    Args:
        study: The name of the study.
        summaries: Of a study, or of the trainings of a search.
    """
    found: dict[str, FileCounts] = {}
    for summary in summaries:
        for record in summary.records:
            if counts := record.result.get("image_files"):
                found.setdefault(summary.variant.data.title, counts)
    return [_files_table(f"{study}_files{i or ''}", title, counts) for i, (title, counts) in enumerate(found.items())]


def _files_table(label: str, title: str, counts: FileCounts) -> Table:
    """The counts of one data set, one row per class, and a row of the classes that are not shown."""
    classes = sorted({name: None for part in counts.values() for name in part if name})
    shown, rest = classes[:MOST_CLASSES], classes[MOST_CLASSES:]
    groups = [(name, [name]) for name in shown]
    groups += [(f"{counted(len(rest), 'more class')}", rest)] if len(rest) == 1 else []
    groups += [(f"{len(rest):,} more classes", rest)] if len(rest) > 1 else []
    groups += [("beside the class folders", [""])] if any("" in part for part in counts.values()) else []
    rows = []
    for row, names in groups:
        over = []
        cells = [words(row)]
        for part, of_class in counts.items():
            sums: Counter[str] = Counter()
            for name in names:
                sums.update(of_class.get(name, {}))
            cells.append(number(sums["read"], lambda n: f"{n:,}") if "read" in sums else NO_VALUE)
            if told := describe_passed_over({"": sums}):
                over.append(f"{part}: {told}")
        rows.append([*cells, words("; ".join(over) or "none")])
    columns = [Column("Class", False), *(Column(f"Images in {part}") for part in counts), Column("Skipped", False)]
    return make_table(columns, rows, label, f"Image files of {title} by class.", title="Image files")
