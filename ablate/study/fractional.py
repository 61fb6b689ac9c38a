"""Two-level fractional factorial designs and Plackett-Burman designs, and which of their effects cannot be told apart."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ablate.errors import StudyError

if TYPE_CHECKING:
    import numpy as np

MOST_RUNS = 128
MOST_ALIASES = 8  # in one line
RESOLUTIONS = {3: "III", 4: "IV", 5: "V", 6: "VI", 7: "VII"}
PLACKETT_BURMAN = (12, 20, 24, 40, 48, 80, 96)  # numbers of runs that are no power of two


class Fraction(NamedTuple):
    """A part of all combinations of factors with two levels each, in which every two factors are balanced.

    Args:
        factors: Their names.
        levels: -1 or +1, an integer array of shape (runs, factors).
        resolution: The number of factors in the shortest product that is constant; None of a Plackett-Burman design.
    """

    factors: tuple[str, ...]
    levels: np.ndarray
    resolution: int | None


def fractional_design(factors: Sequence[str], runs: int) -> Fraction:
    """The design of highest resolution with a number of runs; a Plackett-Burman design if that is no power of two.

    Args:
        factors: Their names, 3 to 31.
        runs: How many combinations of levels.

    Raises:
        StudyError: No design has so many runs, the message names those that there are; or pydoe is not installed.

    Source: Box, Hunter & Hunter, Statistics for Experimenters (2005), chapter 6; Plackett & Burman, Biometrika 33 (1946).
    """
    found = dict(_regular(len(factors)))
    if runs in found:
        resolution, levels = found[runs]
        return Fraction(tuple(factors), levels, resolution)
    if (columns := _plackett_burman(len(factors), runs)) is None:
        others = [n for n in PLACKETT_BURMAN if _plackett_burman(len(factors), n) is not None]
        fits = ", ".join(map(str, sorted([*found, *others])))
        whole = 2 ** len(factors)
        more = f"; all {whole:,} combinations are a 'factorial'" if runs >= whole else ""
        raise StudyError(f"found {runs}; allowed for {len(factors)} factors: {fits or 'none'}{more}")
    return Fraction(tuple(factors), columns, None)


def _plackett_burman(k: int, runs: int) -> np.ndarray | None:
    """Columns of a Plackett-Burman design in which no two rows are the same; None if there are none.

    pydoe builds 24 runs and more by doubling, so that the first columns are those of half the runs, twice. The last ones
    have each row with its opposite, which keeps main effects clear of interactions of two factors.
    """
    if runs not in PLACKETT_BURMAN or not k < runs < 2**k:
        return None
    last = runs - 1
    levels: np.ndarray = _pydoe().pbdesign(last).astype(int)
    steps = ([i * step % last for i in range(k)] for step in range(2, last))
    for columns in itertools.chain([[*range(k)], [*range(last - k, last)]], steps):
        if len(set(columns)) == k and len({*map(tuple, levels[:, columns].tolist())}) == runs:
            return levels[:, columns]
    return None


def _regular(k: int) -> Iterator[tuple[int, tuple[int, np.ndarray]]]:
    """(runs, (resolution, levels)) of the regular designs of k factors; of one number of runs the best comes last."""
    for resolution in range(3, k + 1):
        levels = _pydoe().fracfact_by_res(k, resolution).astype(int)
        if len(levels) > MOST_RUNS or len(levels) >= 2**k:
            return
        yield len(levels), (resolution, levels)


def _pydoe() -> Any:
    try:
        import pydoe
    except ImportError:
        raise StudyError("a fractional design needs pydoe; run: pip install 'ablate-studies[designs]'") from None
    return pydoe


def describe_fraction(fraction: Fraction) -> list[str]:
    """A design in words: its size, resolution and generators, and the effects that it cannot tell apart.

    Args:
        fraction: As returned by fractional_design().
    """
    runs, k = fraction.levels.shape
    size = f"{k} factors in {runs} of {2**k:,} combinations"
    if fraction.resolution is None:
        lines = [f"{size}, a Plackett-Burman design: {_mixed(fraction.levels)}"]
    else:
        resolution = RESOLUTIONS.get(fraction.resolution, "above VII")
        lines = [f"{size}, resolution {resolution}; {', '.join(_generators(fraction))}"]
    groups = [" is aliased with ".join([group[0], " and ".join(group[1:])]) for group in aliases(fraction)]
    more = f"; and {len(groups) - MOST_ALIASES} more such groups" if len(groups) > MOST_ALIASES else ""
    aliased = "; ".join(groups[:MOST_ALIASES]) + more
    if fraction.resolution is None:
        return [*lines, aliased] if aliased else lines
    return [*lines, aliased or "no main effect and no interaction of two factors is aliased with another of them"]


def _mixed(levels: np.ndarray) -> str:
    """How the main effects of a Plackett-Burman design are mixed with interactions of two other factors, in words."""
    runs, k = levels.shape
    shares = {
        abs(int(levels[:, [i, *pair]].prod(axis=1).sum())) / runs
        for i in range(k)
        for pair in itertools.combinations((j for j in range(k) if j != i), 2)
    }
    if shares == {0}:
        return "no main effect is aliased with an interaction of two factors, but these are with one another"
    how = "partly aliased" if 1 not in shares else "aliased, some wholly,"
    return (
        f"main effects are {how} with the interactions of pairs of other factors, so they are right only as far as these "
        "are small"
    )


def aliases(fraction: Fraction) -> list[list[str]]:
    """The groups of main effects and interactions of two factors that have one column of signs, or its opposite.

    Args:
        fraction: As returned by fractional_design().

    Returns:
        Groups of two or more names, such as ["norm x cutmix", "ema x kernel"]; main effects first.
    """
    columns = {
        " x ".join(fraction.factors[i] for i in each): fraction.levels[:, each].prod(axis=1)
        for order in (1, 2)
        for each in map(list, itertools.combinations(range(len(fraction.factors)), order))
    }
    groups: dict[bytes, list[str]] = {}
    for name, column in columns.items():
        groups.setdefault((column * column[0]).tobytes(), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _generators(fraction: Fraction) -> Iterator[str]:
    """The factors that are products of others: "kernel = norm x cutmix x ema"; "= -" for the opposite of a product."""
    runs, k = fraction.levels.shape
    base = runs.bit_length() - 1
    products = {}
    for order in range(2, base + 1):
        for each in map(list, itertools.combinations(range(base), order)):
            column = fraction.levels[:, each].prod(axis=1)
            name = " x ".join(fraction.factors[i] for i in each)
            products[column.tobytes()], products[(-column).tobytes()] = name, f"-({name})"
    for j in range(base, k):
        yield f"{fraction.factors[j]} = {products[fraction.levels[:, j].tobytes()]}"
