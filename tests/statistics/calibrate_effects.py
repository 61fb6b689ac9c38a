"""How often the tests of effects err, and how often their intervals cover: python -m tests.statistics.calibrate_effects.

Each row is a design, a number of seeds and a kind of noise. Values have a seed's own part of the size of the noise. The
other factors have main effects of five times the noise, and in "interaction" the tested main effect is zero on average but
four times the noise at either level of another factor. About two minutes on one core.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ablate.statistics import effect_tests, effects
from ablate.statistics.comparison import ALPHA
from ablate.statistics.shapley import shapley_values

Floats = npt.NDArray[np.float64]
DESIGNS = (((2, 2), 3), ((2, 2, 2), 2), ((2, 2, 2), 4), ((2, 2), 5), ((3, 2), 3))
CASES = ("normal", "skew", "one level 3 times as noisy", "one row 5 times as noisy", "interaction")


class Rates(NamedTuple):
    """Shares of simulated studies.

    Args:
        main: False positives of a main effect that is zero, uncorrected.
        pair: False positives of an interaction that is zero, uncorrected.
        family: Studies with any false positive after the correction, where no factor does anything.
        covered: Intervals of the main effect that cover the truth; None where there is no interval.
        covered_pair: The same of the interaction.
        shapley: The same of a Shapley value; None where a factor has more levels.
        power: Main effects of 1.5 times the noise that are found, after the correction.
    """

    main: float
    pair: float
    family: float
    covered: float | None
    covered_pair: float | None
    shapley: float | None
    power: float


def noise(generator: np.random.Generator, design: npt.NDArray[np.int64], seeds: int, case: str) -> Floats:
    """(C, S): noise of mean zero, and a part of each seed.

    Args:
        generator: Of the random numbers.
        design: (C, F): the levels.
        seeds: Their number.
        case: One of CASES.
    """
    shape = len(design), seeds
    found = generator.exponential(1, shape) - 1 if case == "skew" else generator.standard_normal(shape)
    if case == CASES[2]:
        found[design[:, 0] == 1] *= 3
    if case == CASES[3]:
        found[0] *= 5
    return np.asarray(found + generator.standard_normal((1, seeds)))


def rates(sizes: tuple[int, ...], seeds: int, case: str, studies: int, generator: np.random.Generator) -> Rates:
    """The rates of one row, from simulated studies.

    Args:
        sizes: The number of levels of each factor.
        seeds: The number of seeds.
        case: One of CASES.
        studies: How many are simulated.
        generator: Of the random numbers.
    """
    design = np.array(list(itertools.product(*map(range, sizes))))
    signs = 2 * np.minimum(design, 1) - 1
    others = 5 * design[:, [1]] + 2.5 * design[:, [-1]] * (len(sizes) > 2)
    opposite = 4.0 * signs[:, [0]] * signs[:, [1]] if case == "interaction" else 0.0
    lists: dict[str, list[float]] = {name: [] for name in Rates._fields}
    for _ in range(studies):
        drawn = noise(generator, design, seeds, case)
        null = effects.find_effects(drawn + others + opposite, design, (0, 1))
        main, pair = null.effects[0], null.effects[2]
        lists["main"].append(_is_below(main.p_value))
        if case != "interaction":
            # A main effect of the tested factor must not look like an interaction.
            moved = effects.find_effects(drawn + others + 5 * design[:, [0]], design, (0, 1)).effects[2]
            lists["pair"].append(_is_below(moved.p_value))
        _cover(lists["covered"], main, 0.0)
        _cover(lists["covered_pair"], pair, 16.0 if case == "interaction" else 0.0)
        nothing = effects.find_effects(drawn, design)
        lists["family"].append(any(_is_below(one.adjusted_p) for one in nothing.effects))
        strong = effects.find_effects(drawn + others + opposite + 1.5 * design[:, [0]], design)
        lists["power"].append(_is_below(strong.effects[0].adjusted_p))
        if set(sizes) == {2}:
            truth = shapley_values(np.broadcast_to(others + opposite, drawn.shape), design)[0].value
            low, high = shapley_values(drawn + others + opposite, design)[0].interval or (0.0, 0.0)
            lists["shapley"].append(low <= truth <= high)
    shares = {name: float(np.mean(found)) if found else None for name, found in lists.items()}
    return Rates(**shares)  # type: ignore[arg-type]


def _is_below(p: float | None) -> bool:
    return p is not None and p <= ALPHA


def _cover(found: list[float], effect: effects.Effect, truth: float) -> None:
    for change in effect.changes[:1]:
        if change.interval:
            found.append(change.interval[0] - 1e-9 <= truth <= change.interval[1] + 1e-9)


def rows(studies: int) -> Iterator[list[str]]:
    """The cells of each row of the table.

    Args:
        studies: How many are simulated a row.
    """
    for (sizes, seeds), case in itertools.product(DESIGNS, CASES):
        found = rates(sizes, seeds, case, studies, np.random.default_rng(0))
        shown = ["–" if rate is None else f"{rate:.3f}" for rate in found]
        yield [" × ".join(map(str, sizes)), str(seeds), case, *shown]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=300, help="simulated studies a row")
    parser.add_argument("--draws", type=int, default=999, help="sampled permutations a test")
    arguments = parser.parse_args()
    effect_tests.DRAWS = arguments.draws
    titles = ("Levels", "Seeds", "Noise", "Main", "Pair", "Any", "Covers", "Covers pair", "Covers Shapley", "Power")
    print(f"| {' | '.join(titles)} |\n| {' | '.join(['---'] * len(titles))} |")
    for row in rows(arguments.studies):
        print(f"| {' | '.join(row)} |", flush=True)
