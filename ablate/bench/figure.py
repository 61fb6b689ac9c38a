"""The ratios of a benchmark as bars, with the rounds' range."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from ablate.bench.results import times
from ablate.bench.rounds import Comparison
from ablate.report.figures.style import GREY, INK, PALETTE, SMALL, TEXT, log_ticks, open_canvas, styled

PUBLISHED = "published speed"  # the figure of a way that is marked beside its bar
OURS = "ablate"  # how the names of our own ways begin
BLUE, OTHER = PALETTE[0], PALETTE[7]
ROW = 0.25  # inches of a bar, and of the title above those of one comparison
BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # a text, so that no line strikes it
LOG_RATIO = 20  # ratios that differ by more get a logarithmic axis, and bars that begin at 1


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
