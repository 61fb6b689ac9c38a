"""Ways of doing the same work, timed side by side: one after the other in every round, so that a slow minute hits all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Announce = Callable[[str], Any]  # is told in a line what is done now


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
        """How many times the reference's speed a way has, one value a round."""
        return [theirs / ours for theirs, ours in zip(self.per_unit(self.reference), self.per_unit(way))]

    def ratio(self, way: str) -> float:
        """The median of ratios()."""
        return statistics.median(self.ratios(way))


def compare(
    title: str,
    unit: str,
    ways: Mapping[str, Callable[[], object]],
    work: Mapping[str, float] | float,
    rounds: int = 5,
    warm_up: bool = True,
    announce: Announce = lambda line: None,
) -> Comparison:
    """Times every way in every round, in an order that turns by one from round to round.

    work: units of work that one call does, of all ways or of each. warm_up: whether each is called once before.
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
