"""The ratios of a benchmark as bars, with the rounds' range."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ablate.bench.results import times
from ablate.bench.rounds import Comparison
from ablate.report.style import GREY, HATCHES, INK, PALETTE, SMALL, log_ticks, open_canvas, styled

PUBLISHED = "published speed"  # the figure of a way that is marked beside its bar
LOG_RATIO = 20  # ratios that differ by more get a logarithmic axis, and bars that begin at 1
ROW, HEAD = 0.24, 0.34  # inches of a bar, and of what stands above those of one comparison


@styled
def draw_ratios(comparisons: Sequence[Comparison], title: str, caption: str) -> Figure:
    """A bar for each way but the reference, longer if faster; a line where it would be as fast."""
    ways = list(dict.fromkeys(way for one in comparisons for way in one.seconds if way != one.reference))
    looks = {way: (PALETTE[i % len(PALETTE)], HATCHES[i % len(HATCHES)]) for i, way in enumerate(ways)}
    rows = [(one, way) for one in comparisons for way in one.seconds if way != one.reference]
    handles = [Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=way) for way, (colour, hatch) in looks.items()]
    body = 0.6 + ROW * len(rows) + HEAD * len(comparisons)
    apart = len(comparisons) > 1  # else each row has its way's name, and needs no colour of its own
    legend = handles if apart and len(ways) > 1 else []
    figure, (axis,) = open_canvas(title, caption, width=6.4, body=body, legend=legend)
    place, longest = 0.0, max(max(one.ratios(way)) for one, way in rows)
    longest = max([longest, *(ratio for one in comparisons for ratio in one.figures.get(PUBLISHED, {}).values())])
    least = min(min(one.ratios(way)) for one, way in rows)
    log = max(longest, 1.0) / min(least, 1.0) > LOG_RATIO
    ticks: list[tuple[float, str]] = []
    for number, one in enumerate(comparisons):
        place += HEAD / ROW if number else 0
        middle = place
        for way in (way for way in one.seconds if way != one.reference):
            ratios, ratio = one.ratios(way), one.ratio(way)
            colour, hatch = looks[way] if apart else looks[ways[0]]
            width, left = (ratio - 1, 1) if log else (ratio, 0)
            axis.barh(place, width, 0.72, left, color=colour, hatch=hatch, edgecolor="white", linewidth=0, zorder=2)
            axis.plot([min(ratios), max(ratios)], [place, place], color=INK, linewidth=1.0, zorder=3)
            said, end = one.figures.get(PUBLISHED, {}).get(way), max(1.0 if log else 0.0, *ratios)
            if said and end < said < end + 0.12 * longest:
                end = said
            text, offset = f"{times(ratio)}×", (5, 0)
            axis.annotate(text, (end, place), offset, textcoords="offset points", va="center", fontsize=SMALL)
            if said:
                axis.plot([said], [place], marker="D", color="white", markeredgecolor=INK, markersize=5, zorder=5)
            ticks += [] if apart else [(place, way)]
            place += 1
        ticks += [((middle + place - 1) / 2, one.title)] if apart else []
    axis.axvline(1, color=GREY, linewidth=1.0, zorder=4)
    axis.set_yticks([at for at, _ in ticks], [text for _, text in ticks])
    axis.tick_params(axis="y", length=0)
    axis.grid(False, axis="y")
    axis.set_ylim(place - 0.4, -0.6)
    if log:
        axis.set_xscale("log")
        axis.set_xlim(min(least, 1.0) / 1.5, max(longest, 1.0) * 2.5)
        log_ticks(axis.xaxis)
    else:
        axis.set_xlim(0, 1.12 * longest)
    references = list(dict.fromkeys(one.reference for one in comparisons))
    axis.set_xlabel(f"times the speed of {references[0]}" if len(references) == 1 else "times the speed of the reference")
    return figure
