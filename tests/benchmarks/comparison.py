"""Ways of doing the same work, timed side by side, and their speeds as ratios.

Every round times one way after the other, so that a slow minute of the machine affects all of them. Ratios are what is
printed: the seconds of one machine say little about another.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablate.report.table import Column, Table, make_table
from ablate.report.writers.plain import table_text
from tests.benchmarks.load import Clocks, read_clocks

Announce = Callable[[str], Any]  # called with one line before each step


@dataclass(frozen=True)
class Comparison:
    """Times of several ways to do the same work. seconds: of each way, one value a round; the first way is the reference.

    work: how much was done in a round, in units such as "images", so that a way may do less of it; figures: what else
    was measured of each way, such as {"peak memory, MiB": {"ours": 410.0}}; processor: the processor time of each way, one
    value a round; others: the share of the processors that other programs took in the rounds, 0 to 1.
    """

    title: str
    unit: str
    seconds: Mapping[str, tuple[float, ...]]
    work: Mapping[str, float]
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    processor: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    others: float = 0.0

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

    def processor_ratio(self, way: str) -> float:
        """How many times the reference's work a way does in the same processor time, the median of the rounds.

        Other programs change it little: it compares what one core does.
        """
        scale = self.work[way] / self.work[self.reference]
        ours, theirs = self.processor[way], self.processor[self.reference]
        return statistics.median(scale * their / our if our else 0.0 for their, our in zip(theirs, ours))

    def as_json(self) -> dict[str, Any]:
        """What --json prints and what is kept: the seconds of every round beside the ratios."""
        return {
            "title": self.title,
            "unit": self.unit,
            "reference": self.reference,
            "others": self.others,
            "ways": {
                way: {
                    "seconds": list(seconds),
                    **({"processor": list(self.processor[way])} if way in self.processor else {}),
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
    spent: dict[str, list[Clocks]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            announce(f"{title}: {name}, round {number + 1} of {rounds}")
            begun = read_clocks()
            ways[name]()
            spent[name].append(read_clocks().since(begun))
    done = work if isinstance(work, Mapping) else dict.fromkeys(names, work)
    seconds, processor = (
        {name: tuple(getattr(one, clock) for one in spent[name]) for name in names} for clock in ("wall", "ours")
    )
    every = Clocks(*map(sum, zip(*(one for values in spent.values() for one in values))))
    return Comparison(title, unit, seconds, done, processor=processor, others=every.others)


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
    return times(value) if "speed" in name else f"{value:,.0f}"
