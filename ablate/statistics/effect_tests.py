"""The two permutation tests of an effect: exchanges of labels within strata, and permuted residuals; see effects.py."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import permutations, product

import numpy as np
import numpy.typing as npt

from ablate.statistics.comparison import ALPHA

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

MOST_EXACT = 16  # differences whose signs are all tried: 65,536
MOST_ORDERS = 20_000  # of the rows in all seeds, that are all tried
DRAWS = 9_999
MOST_DRAWN = 20_000_000  # values of all draws together; large tables have fewer draws, but at least 199


class Noise:
    """A table split into rows, seeds and noise.

    Attributes:
        rows, seeds: Their numbers.
        means: (C,): the mean of each row, less that of all: last bits of large values must not become an effect.
        rest: (C, S): what is left after the means of rows and seeds.
        df: The degrees of freedom of the noise.
        variance: Of the noise; None with one seed, 0 where it is no more than last bits of the values.
        rounding: A sum of squares up to this is no more than last bits of the values.
        total, of_rows, of_seeds, of_rest: Sums of squares.
    """

    def __init__(self, table: Floats) -> None:
        self.rows, self.seeds = table.shape
        centred = table - table.mean()
        rows, seeds = centred.mean(axis=1, keepdims=True), centred.mean(axis=0, keepdims=True)
        self.means, self.rest = rows[:, 0], centred - rows - seeds
        self.rounding = table.size * (16 * np.finfo(float).eps * float(np.abs(table).max())) ** 2
        self.total, self.of_rest = self._squares(centred), self._squares(self.rest)
        self.of_rows, self.of_seeds = self._squares(rows, self.seeds), self._squares(seeds, self.rows)
        self.df = (self.rows - 1) * (self.seeds - 1)
        self.variance = self.of_rest / self.df if self.df else None

    def _squares(self, deviations: Floats, times: int = 1) -> float:
        squares = times * float((deviations**2).sum())
        return squares if squares > self.rounding else 0.0

    def share(self, squares: float) -> float:
        """The share of all squares, 0 to 1."""
        return squares / self.total if self.total else 0.0


def strata_of(factors: tuple[int, ...], table: Floats, design: Whole) -> Floats | None:
    """(N, L): the values of the levels in each seed and each combination of the other factors.

    For two factors with two levels, the two are the differences at the first and at the second level of the other factor.
    None for other interactions.
    """
    sizes = (design.max(axis=0) + 1).tolist()
    if len(factors) == 2 and [sizes[factor] for factor in factors] != [2, 2]:
        return None
    others = [factor for factor in range(len(sizes)) if factor not in factors]
    ordered = np.lexsort(design[:, [*factors, *others][::-1]].T) if others else np.lexsort(design[:, list(factors)[::-1]].T)
    by_level = table[ordered].reshape(*(sizes[factor] for factor in factors), -1)
    if len(factors) == 2:
        by_level = by_level[1] - by_level[0]
    return np.asarray(by_level.T)


def least_p(strata: Floats) -> float:
    """The smallest p-value that exchanges within the strata can give: the same exchange in all strata changes nothing."""
    number, levels = strata.shape
    return float(math.factorial(levels) ** (1.0 - number))


def flip_signs(differences: Floats) -> tuple[float, tuple[float, float] | None]:
    """The two-sided p-value that a mean is zero, over all signs of the differences, and the 95% interval that inverts it.

    Exact up to 16 differences, then sampled. The ends of the interval are order statistics of the means of all subsets.

    Args:
        differences: (N,): independent, each distributed symmetrically about the mean.

    Returns:
        The p-value and the interval; None for an interval that would have no ends, with five differences or fewer.
    """
    chosen = _subsets(len(differences), DRAWS)
    sums = chosen @ differences
    # A subset whose sum is on the other side of zero is one whose signs, changed, move the mean away from zero.
    near = 1e-9 * float(np.abs(differences).sum())
    beyond = min(int((sums <= near).sum()), int((sums >= -near).sum()))
    p = min(1.0, 2 * (beyond + 1) / (len(chosen) + 1))
    cut = math.floor(ALPHA / 2 * (len(chosen) + 1) + 1e-9)
    if cut < 1:
        return p, None
    means = np.sort(sums / chosen.sum(axis=1))
    return p, (float(means[cut - 1]), float(means[-cut]))


def permute_residuals(noise: Noise, basis: Floats, squares: float) -> tuple[float, float]:
    """The p-value of an effect by permuted residuals, and the 95% point of the square root of its F statistic.

    Without noise F is infinite, and so it is in the orders that leave no noise either.

    Args:
        noise: Of the table.
        basis: (C, df): of the space of the effect, orthonormal.
        squares: The sum of squares of the effect.
    """
    df = basis.shape[1]
    residuals = noise.rest + (basis @ (basis.T @ noise.means))[:, None]
    orders = _orders(noise.rows, noise.seeds, DRAWS)
    means = np.take_along_axis(residuals.T[None], orders, axis=2).mean(axis=1)  # (draws, C)
    # Permuted within seeds, the residuals keep their sum of squares and the means of seeds, which are zero.
    of_rows = noise.seeds * (means**2).sum(axis=1)
    total = float((residuals**2).sum())
    rest = np.where(total - of_rows > 1e-12 * total, total - of_rows, 0.0)
    drawn = _ratios(noise.seeds * ((means @ basis) ** 2).sum(axis=1) / df, rest / noise.df)
    drawn[0] = _ratios(np.array(squares / df), np.array(noise.variance))  # the order that changes nothing
    p = float((drawn >= drawn[0] * (1 - 1e-9)).mean())
    kept = max(1, math.floor(ALPHA * len(drawn) + 1e-9))
    return p, float(np.sqrt(np.sort(drawn)[-kept]))


def _ratios(above: Floats, below: Floats) -> Floats:
    """The ratios of numbers that are not negative; infinite over zero, and zero of zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(above == 0, 0.0, above / below))


def shuffle(strata: Floats) -> float:
    """The p-value of a factor with three levels or more by shuffles of the levels within strata.

    The statistic is the sum of squares between the levels, which orders the shuffles as F does without interactions.

    Args:
        strata: (N, L), as from strata_of().
    """
    generator = np.random.default_rng(0)
    centred = strata - strata.mean(axis=1, keepdims=True)
    observed = float((centred.sum(axis=0) ** 2).sum())
    beyond = 0
    for _ in range(11):  # in parts, for little memory
        part = generator.permuted(np.broadcast_to(centred, ((DRAWS + 10) // 11, *centred.shape)), axis=2)
        beyond += int(((part.sum(axis=1) ** 2).sum(axis=1) >= observed * (1 - 1e-9)).sum())
    return (1 + beyond) / (11 * ((DRAWS + 10) // 11) + 1)


@lru_cache(maxsize=1)
def _orders(rows: int, seeds: int, draws: int) -> Whole:
    """(draws + 1, seeds, rows): an order of the rows for each seed; all orders if they are few. The first changes none."""
    if math.factorial(rows) ** seeds <= MOST_ORDERS:
        return np.array(list(product(permutations(range(rows)), repeat=seeds)))
    draws = max(199, min(draws, MOST_DRAWN // (rows * seeds)))
    drawn = np.broadcast_to(np.arange(rows), (draws + 1, seeds, rows))
    orders = np.random.default_rng(0).permuted(drawn, axis=2)
    orders[0] = np.arange(rows)
    return np.asarray(orders)


@lru_cache(maxsize=4)
def _subsets(number: int, draws: int) -> Floats:
    """(subsets, number): 1 for what is in a subset, which is never empty; all subsets if they are few, else sampled."""
    if number <= MOST_EXACT:
        return ((np.arange(1, 2**number)[:, None] >> np.arange(number)) & 1).astype(float)
    chosen = np.random.default_rng(0).integers(0, 2, (draws, number))
    chosen[~chosen.any(axis=1), 0] = 1
    return chosen.astype(float)


@lru_cache(maxsize=64)
def t_quantile(df: int) -> float:
    """The half width of a 95% interval of a normal mean, in standard errors."""
    from scipy.stats import t

    return float(t.ppf(1 - ALPHA / 2, df))
