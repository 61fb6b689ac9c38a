"""What a figure shows where there are many variants: the one rule of all figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ablate.report.numbers import counted
from ablate.report.seeds import Seeds

MOST_ROWS = 30  # variants in a figure with a row for each
MOST_CURVES = 12  # variants in a figure of curves: as many as there are colours

T = TypeVar("T")


def select(ranked: Sequence[T], most: int, keep: Callable[[T], bool]) -> tuple[list[T], str]:
    """What a figure shows of many variants, in the order of their ranks, and the words that say so; "" if it shows all.

    These are the best, the baselines if they are few, and a quarter from the other end.

    Args:
        ranked: Every variant, the best first.
        most: How many the figure has room for, at least four.
        keep: Whether a variant is a baseline.
    """
    if len(ranked) <= most:
        return list(ranked), ""
    places = [place for place, one in enumerate(ranked) if keep(one)]
    places = places if len(places) <= most // 4 else []
    others = [place for place in range(len(ranked)) if place not in places]
    worst = most // 4
    best = most - worst - len(places)
    named = f", {'the baseline' if len(places) == 1 else counted(len(places), 'baseline')}" if places else ""
    words = f"{most} of {len(ranked):,} variants: the best {best}{named}, the last {worst}"
    return [ranked[place] for place in sorted((*places, *others[:best], *others[-worst:]))], words


def gaps(ranked: Sequence[T], shown: Sequence[T]) -> list[int]:
    """The places in `shown` before which variants are left out.

    Args:
        ranked: Every variant, the best first.
        shown: Those that a figure shows, in the same order.
    """
    places = {id(one): place for place, one in enumerate(ranked)}
    at = [places[id(one)] for one in shown]
    return [row for row in range(1, len(at)) if at[row] > at[row - 1] + 1]


def rank_of(summary: Seeds[Any]) -> float:
    """What the variants of a figure are sorted by: a number that is the lower the better, infinite without a median."""
    return math.inf if summary.median is None else summary.decision.cost(summary.median)
