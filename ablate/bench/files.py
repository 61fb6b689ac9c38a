"""The files of a benchmark: reports/bench/<name>-<device>.json, .md, .svg, .png."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from ablate.bench.figure import PUBLISHED, draw_ratios
from ablate.bench.results import as_values, comparison_table
from ablate.bench.rounds import Comparison
from ablate.files import write_atomically
from ablate.report.figures.style import to_bytes
from ablate.report.tables import to_markdown

TITLES = {
    "train": "Training against a plain PyTorch loop",
    "cohort": "Seeds together against one after the other",
    "writing": "What an epoch's files cost beside its training",
    "dispatch": "What a trial costs beside its training",
    "efficiency": "Thin and wide networks: WRN, figure 4",
    "plan": "Enumerating variants under a budget",
    "report": "From records to tables and curves",
}


def comparisons_text(comparisons: Sequence[Comparison]) -> str:
    """A table a comparison; the reference is the first row of each."""
    tables = [f"{one.title}\n\n{to_markdown(comparison_table(one), escape=False)}" for one in comparisons]
    return "\n\n".join(tables)


def made_with_text(made: dict[str, Any]) -> str:
    """Device and versions in one line."""
    names = ("torch", "numpy")
    versions = ", ".join(f"{name} {made[name]}" for name in names)
    return f"{made['device']}, {made['platform']}, Python {made['python']}, {versions}"


def write_benchmark(name: str, comparisons: Sequence[Comparison], made: dict[str, Any], kind: str, out: Path) -> list[Path]:
    """Writes what was measured and returns the paths. made: the provenance; kind: cpu or cuda."""
    out.mkdir(parents=True, exist_ok=True)
    rounds = max(len(next(iter(one.seconds.values()))) for one in comparisons)
    caption = f"{made_with_text(made)}. Medians of {rounds} rounds, side by side in one run; lines: lowest to highest."
    caption += " Diamonds: published." if any(PUBLISHED in one.figures for one in comparisons) else ""
    figure = draw_ratios(comparisons, TITLES[name], caption)
    values = {"benchmark": name, "made_with": made, "comparisons": [as_values(one) for one in comparisons]}
    text = f"# {TITLES[name]}\n\n{caption}\n\n{comparisons_text(comparisons)}\n\n![{TITLES[name]}]({name}-{kind}.svg)\n"
    files = {
        "json": orjson.dumps(values, option=orjson.OPT_INDENT_2),
        "md": text.encode(),
        "svg": to_bytes(figure, "svg"),
        "png": to_bytes(figure, "png"),
    }
    paths = []
    for suffix, data in files.items():
        paths.append(out / f"{name}-{kind}.{suffix}")
        write_atomically(paths[-1], data)
    return paths
