"""Ways of doing the same work, timed side by side, and their speeds as ratios.

Every round times one way after the other, so that a slow minute of the machine affects all of them. Ratios are what is
printed: the seconds of one machine say little about another.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablate.report.document import Column, Table, make_table
from ablate.report.writers.plain import table_text

Announce = Callable[[str], Any]  # called with one line before each step


@dataclass(frozen=True)
class Comparison:
    """Times of several ways to do the same work. seconds: of each way, one value a round; the first way is the reference.

    work: how much was done in a round, in units such as "images", so that a way may do less of it; figures: what else
    was measured of each way, such as {"peak memory, MiB": {"ours": 410.0}}.
    """

    title: str
    unit: str
    seconds: Mapping[str, tuple[float, ...]]
    work: Mapping[str, float]
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        return next(iter(self.seconds))

    def per_unit(self, way: str) -> list[float]:
        """Seconds a unit of work, one value a round."""
        return [seconds / self.work[way] for seconds in self.seconds[way]]

    def ratios(self, way: str) -> list[float]:
        """The speed of a way as a multiple of the reference's, one value a round."""
        return [theirs / ours for theirs, ours in zip(self.per_unit(self.reference), self.per_unit(way))]

    def ratio(self, way: str) -> float:
        """The median of ratios()."""
        return statistics.median(self.ratios(way))

    def as_json(self) -> dict[str, Any]:
        """What --json prints and what is kept: the seconds of every round beside the ratios."""
        return {
            "title": self.title,
            "unit": self.unit,
            "reference": self.reference,
            "ways": {
                way: {
                    "seconds": list(seconds),
                    "work": self.work[way],
                    "ratio": self.ratio(way),
                    "ratios": self.ratios(way),
                    **{name: values[way] for name, values in self.figures.items() if way in values},
                }
                for way, seconds in self.seconds.items()
            },
        }

    def table(self) -> Table:
        """A row a way: median and range of its ratios, and its other figures."""
        titles = ["", "Speed", "Range", *(name[0].upper() + name[1:] for name in self.figures)]
        rows = []
        for way in self.seconds:
            ratios = self.ratios(way)
            speed = (
                ["1", ""]
                if way == self.reference
                else [times(self.ratio(way)), f"{times(min(ratios))}–{times(max(ratios))}"]
            )
            rows.append([way, *speed, *(_figure(name, values.get(way)) for name, values in self.figures.items())])
        return make_table([Column(title, bool(title)) for title in titles], rows)


def compare(
    title: str,
    unit: str,
    ways: Mapping[str, Callable[[], object]],
    work: Mapping[str, float] | float,
    rounds: int = 5,
    warm_up: bool = True,
    announce: Announce = lambda line: None,
) -> Comparison:
    """The times of every way in every round; which way comes first changes from round to round.

    Args:
        title: What the ways do.
        unit: The unit of work, such as "image".
        ways: Name to what is called; the first is the reference.
        work: Units of work that one call does, of all ways or of each.
        rounds: How often each way is timed.
        warm_up: Whether each way is called once before.
        announce: Called with one line before every call.
    """
    names = list(ways)
    if warm_up:
        for name in names:
            announce(f"{title}: {name}, warming up")
            ways[name]()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            announce(f"{title}: {name}, round {number + 1} of {rounds}")
            begun = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - begun)
    done = work if isinstance(work, Mapping) else dict.fromkeys(names, work)
    return Comparison(title, unit, {name: tuple(values) for name, values in seconds.items()}, done)


def comparisons_text(comparisons: Sequence[Comparison]) -> str:
    """One Markdown table a comparison; the reference is its first row."""
    return "\n\n".join(f"{one.title}\n\n{table_text(one.table())}" for one in comparisons)


def times(ratio: float) -> str:
    """A ratio to two or three digits: 0.0021, 0.62, 4.71, 18.3, 240, 20,900."""
    if ratio < 0.1:
        return f"{ratio:.2g}"
    if ratio >= 1000:
        return f"{float(f'{ratio:.3g}'):,.0f}"
    return f"{ratio:.{2 if ratio < 10 else 1 if ratio < 100 else 0}f}"


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name.startswith("share"):
        return f"{value:.0%}" if value >= 0.1 else f"{100 * value:.2g}%"
    return times(value) if name.endswith("speed") else f"{value:,.0f}"
