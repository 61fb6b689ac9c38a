"""The results of a benchmark: <name>-<cpu or cuda>.json, .md, .svg and .png, by default in reports/bench.

The figure shows the ratios as bars, with the range of the rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from matplotlib.figure import Figure

from ablate.files import write_atomically
from ablate.report.figures.axes import log_ticks
from ablate.report.figures.colours import GREY, INK, PALETTE
from ablate.report.figures.style import SMALL, TEXT, open_canvas, styled, to_bytes
from tests.benchmarks.comparison import Comparison, comparisons_text, times
from tests.benchmarks.load import load_text

TITLES = {
    "train": "Training against a plain PyTorch loop",
    "cohort": "Seeds together against one after the other",
    "writing": "What an epoch's files cost beside its training",
    "dispatch": "What a trial costs beside its training",
    "search": "What a candidate costs beside its training",
    "efficiency": "Thin and wide networks: WRN, figure 4",
    "plan": "Enumerating variants under a budget",
    "report": "From records to tables and curves",
}

PUBLISHED = "published speed"  # the figure of a way that is marked beside its bar
OURS = "ablate"  # how the names of our own ways begin
BLUE, OTHER = PALETTE[0], PALETTE[7]
ROW = 0.25  # inches of a bar, and of the title above those of one comparison
BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # a text, so that no line strikes it
LOG_RATIO = 20  # ratios that differ by more get a logarithmic axis, and bars that begin at 1


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
    caption += f" {load_text(max(one.others for one in comparisons))}"
    caption += " Diamonds: published." if any(PUBLISHED in one.figures for one in comparisons) else ""
    figure = draw_ratios(comparisons, TITLES[name], caption)
    values = {"benchmark": name, "made_with": made, "comparisons": [one.as_json() for one in comparisons]}
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


@styled
def draw_ratios(comparisons: Sequence[Comparison], title: str, caption: str) -> Figure:
    """A bar for each way but the reference, longer if faster; a line where it would be as fast. Ours are in blue."""
    bars = [(one, way) for one in comparisons for way in one.seconds if way != one.reference]
    said = [ratio for one in comparisons for ratio in one.figures.get(PUBLISHED, {}).values()]
    every = [1.0, *said, *(ratio for one, way in bars for ratio in one.ratios(way))]
    least, longest = min(every), max(every)
    log = longest / least > LOG_RATIO
    body = 0.6 + ROW * (len(bars) + 1.4 * len(comparisons))
    figure, (axis,) = open_canvas(title, caption, width=6.4, body=body)
    place, ticks = 0.0, list[tuple[float, str]]()
    for one in comparisons:
        name = f"{one.title[0].upper()}{one.title[1:]}; 1 is {one.reference}"
        axis.annotate(
            name, (0, place), (4, 0), ("axes fraction", "data"), "offset points",
            va="center", fontsize=SMALL, weight="bold", zorder=6, bbox=BEHIND,
        )  # fmt: skip
        for way in (way for way in one.seconds if way != one.reference):
            place += 1
            ratios, ratio = one.ratios(way), one.ratio(way)
            width, left = (ratio - 1, 1) if log else (ratio, 0)
            ours = way.startswith(OURS) or not any(other.startswith(OURS) for other in one.seconds)
            axis.barh(place, width, 0.72, left, color=BLUE if ours else OTHER, linewidth=0, zorder=2)
            axis.plot([min(ratios), max(ratios)], [place, place], color=INK, linewidth=1.0, zorder=3)
            published, end = one.figures.get(PUBLISHED, {}).get(way), max(1.0 if log else 0.0, *ratios)
            if published:
                axis.plot([published], [place], marker="D", color="white", markeredgecolor=INK, markersize=5, zorder=6)
                end = published if end < published < end + 0.08 * longest else end
            axis.annotate(
                f"{times(ratio)}×", (end, place), (5, 0), textcoords="offset points",
                va="center", fontsize=SMALL, zorder=5, bbox=BEHIND,
            )  # fmt: skip
            ticks.append((place, way))
        place += 1.4
    axis.axvline(1, color=GREY, linewidth=1.0, zorder=4)
    axis.set_yticks([at for at, _ in ticks], [text for _, text in ticks], fontsize=TEXT)
    axis.tick_params(axis="y", length=0)
    axis.grid(False, axis="y")
    axis.set_ylim(place - 0.8, -0.6)
    if log:
        axis.set_xscale("log")
        axis.set_xlim(least / 1.5, longest * 2.5)
        log_ticks(axis.xaxis)
    else:
        axis.set_xlim(0, 1.12 * longest)
    axis.set_xlabel("times the speed of the reference" + (", log scale" if log else ""))
    return figure
