"""What each factor of a crossed design does: main effects, two-way interactions, shares of the variance.

A table of values has one row for each combination of levels and one column for each seed; all seeds are complete. A seed
adds the same to all rows, which is a block in the language of designs. The noise is what is left after the row's and the
seed's means.

Two tests, chosen by the design and never by the values:

- "strata": for a main effect, and for an interaction of two factors with two levels. Labels are exchanged within each seed
  and within each combination of levels of the other factors; for two levels these are the signs of the differences, and for
  an interaction those of the differences of differences, from which main effects cancel. The test is exact if a factor does
  nothing, whatever the others do; for two levels also where noise differs between the rows, if it is symmetric.
  Interactions of the tested factor make it conservative. The interval inverts it.
- "residuals": where these exchanges are too few to reach the significance level in the family, and for all other effects.
  The residuals without the effect are permuted among the rows within each seed, and the statistic is F (Freedman and Lane).
  It is approximate, and has the usual weakness of an F test where one row is much noisier than the others.

P-values are corrected over the family of all effects of the table by Holm's method. In a balanced design the effects are
uncorrelated, so that the joint distribution of the largest statistic would gain next to nothing over it.

Sources: Fisher, 1935 (signs of differences); Hartigan, 1969 (the interval from means of subsets); Freedman and Lane, 1983;
Anderson and ter Braak, 2003 (which permutations are valid in designs of several factors); Holm, 1979; Olejnik and Algina,
2003 (shares of the variance).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ablate.statistics.comparison import ALPHA
from ablate.statistics.effect_terms import Term, fraction_terms, full_terms, is_fraction, is_full
from ablate.statistics.effect_tests import Noise, flip_signs, least_p, permute_residuals, shuffle, strata_of, t_quantile
from ablate.statistics.family import holm

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

FEWEST_SUBSETS = 6  # differences from which on their signs give a 95% interval


class Change(NamedTuple):
    """The difference that a level of a factor makes against the first level, averaged over all other choices.

    Args:
        level: The number of the level, from 1.
        estimate: The mean of the level minus that of the first level.
        interval: The 95% interval of the difference; None if the table is too small for one.
    """

    level: int
    estimate: float
    interval: tuple[float, float] | None


class Effect(NamedTuple):
    """A main effect or a two-way interaction.

    Args:
        factors: The numbers of the factors: one, or two of an interaction.
        df: The degrees of freedom.
        changes: Of a main effect, one for each level but the first. Of an interaction of two factors with two levels, the
            difference of differences: the effect of the first at the second level of the other, minus that at its first.
            Empty for other interactions.
        p_value: Two-sided, without correction; None if the table is too small for any test.
        adjusted_p: After Holm's correction for all effects of the table.
        test: "strata" (exact) or "residuals" (approximate).
        eta_squared: Its share of all squares, 0 to 1.
        omega_squared: The same without what noise alone would give it; None without an estimate of the noise.
        aliases: Other effects that the design cannot tell from this one, by the numbers of their factors.
        partial: Whether all aliases are mixed into it in part only.
    """

    factors: tuple[int, ...]
    df: int
    changes: tuple[Change, ...]
    p_value: float | None
    adjusted_p: float | None
    test: Literal["strata", "residuals"]
    eta_squared: float
    omega_squared: float | None
    aliases: tuple[tuple[int, ...], ...] = ()
    partial: bool = False


class LevelMean(NamedTuple):
    """The mean of a level over all other choices and all seeds.

    Args:
        mean: The mean.
        interval: The 95% interval of its distance from the mean of all, laid around the mean: what a seed adds to all rows
            alike is not in it. Noise is taken to be normal. None without an estimate of the noise.
        by_seed: The mean of each seed.
    """

    mean: float
    interval: tuple[float, float] | None
    by_seed: tuple[float, ...]


class Effects(NamedTuple):
    """All effects of a table of values.

    Args:
        effects: Main effects in the order of the factors, then interactions.
        levels: The mean of each level, by factor.
        cells: (L1, L2): the mean of each pair of levels, by the numbers of two factors.
        other: The share of the variance of all that rows differ in beyond the effects, 0 to 1.
        seeds: The share of the seeds.
        noise: The share of the rest.
        sd: The standard deviation of the noise; None with one seed.
        df: The degrees of freedom of the noise.
    """

    effects: tuple[Effect, ...]
    levels: tuple[tuple[LevelMean, ...], ...]
    cells: dict[tuple[int, int], Floats]
    other: float
    seeds: float
    noise: float
    sd: float | None
    df: int


def find_effects(values: npt.ArrayLike, levels: npt.ArrayLike, tested: Sequence[int] | None = None) -> Effects:
    """The effects of the factors of a crossed design.

    Args:
        values: (C, S): the value of each combination of levels and each seed; finite.
        levels: (C, F): the number of the level of each factor, from 0. Either all combinations are there, each once; or the
            factors have two levels, and each level of one is as often with each of any other (an orthogonal fraction).
        tested: The numbers of the factors whose effects are wanted, which are the family of the correction; None: all.

    Raises:
        ValueError: The design is neither full nor an orthogonal fraction with two levels.
    """
    table, design = np.asarray(values, float), np.asarray(levels, int)
    wanted = range(design.shape[1]) if tested is None else tested
    full = is_full(design)
    if not full and not is_fraction(design):
        raise ValueError("the combinations are neither complete nor an orthogonal fraction with two levels")
    noise = Noise(table)
    terms = full_terms(design, wanted) if full else fraction_terms(design, wanted)
    found = [_effect(term, table, design, noise, full, ALPHA / len(terms)) for term in terms]
    tests = [effect.p_value for effect in found if effect.p_value is not None]
    adjusted = iter(holm(tests))
    effects = tuple(one if one.p_value is None else one._replace(adjusted_p=next(adjusted)) for one in found)
    return Effects(
        effects=effects,
        levels=tuple(_level_means(table, design[:, factor], noise) for factor in range(design.shape[1])),
        cells={(a, b): _cell_means(table, design, a, b) for a, b in combinations(range(design.shape[1]), 2)},
        other=max(0.0, noise.share(noise.of_rows) - math.fsum(effect.eta_squared for effect in effects)),
        seeds=noise.share(noise.of_seeds),
        noise=noise.share(noise.of_rest),
        sd=None if noise.variance is None else math.sqrt(noise.variance),
        df=noise.df,
    )


def _effect(term: Term, table: Floats, design: Whole, noise: Noise, full: bool, level: float) -> Effect:
    """An effect, tested by the exact test if that can reach the level, else by that of residuals."""
    df = term.basis.shape[1]
    squares = noise.seeds * float(((term.basis.T @ noise.means) ** 2).sum())
    squares = squares if squares > noise.rounding else 0.0
    strata = strata_of(term.factors, table, design) if full else None
    test: Literal["strata", "residuals"] = "residuals"
    p: float | None = None
    interval = None
    if strata is not None and least_p(strata) <= level:
        test = "strata"
        p, interval = flip_signs(strata[:, 1] - strata[:, 0]) if strata.shape[1] == 2 else (shuffle(strata), None)
    elif noise.variance is not None:
        p, quantile = permute_residuals(noise, term.basis, squares)
        if df == 1 and noise.variance and math.isfinite(quantile):
            estimate, error = _estimate(term, table, design), math.sqrt(4 * noise.variance / table.size)
            width = quantile * (len(term.factors) * error)
            interval = (estimate - width, estimate + width)
    p = 1.0 if p is not None and squares == 0 else p  # not of last bits
    omega = None if noise.variance is None else (squares - df * noise.variance) / ((noise.total + noise.variance) or 1.0)
    return Effect(
        term.factors, df, _changes(term, table, design, noise, interval), p, None, test,
        noise.share(squares), omega, term.aliases, term.partial,
    )  # fmt: skip


def _estimate(term: Term, table: Floats, design: Whole) -> float:
    """The difference of an effect with one degree of freedom."""
    signs = np.prod(2 * design[:, list(term.factors)] - 1, axis=1)
    means = table.mean(axis=1)
    return float(len(term.factors) * (means[signs > 0].mean() - means[signs < 0].mean()))


def _changes(
    term: Term, table: Floats, design: Whole, noise: Noise, interval: tuple[float, float] | None
) -> tuple[Change, ...]:
    """The differences of an effect; the interval is that of an effect with one degree of freedom."""
    if term.basis.shape[1] == 1:
        return (Change(1, _estimate(term, table, design), interval),)
    if len(term.factors) > 1:
        return ()
    strata = strata_of(term.factors, table, design)
    assert strata is not None
    found = []
    for level in range(1, strata.shape[1]):
        differences = strata[:, level] - strata[:, 0]
        if len(differences) >= FEWEST_SUBSETS:
            of_level = flip_signs(differences)[1]
        else:
            of_level = _normal_interval(float(differences.mean()), 2 / len(differences), noise)
        found.append(Change(level, float(differences.mean()), of_level))
    return tuple(found)


def _normal_interval(centre: float, factor: float, noise: Noise) -> tuple[float, float] | None:
    """The 95% interval of an estimate whose variance is a multiple of that of the noise; None without noise."""
    if not noise.variance:
        return None
    width = t_quantile(noise.df) * math.sqrt(factor * noise.variance)
    return centre - width, centre + width


def _level_means(table: Floats, column: Whole, noise: Noise) -> tuple[LevelMean, ...]:
    found = []
    for level in range(int(column.max()) + 1):
        rows = table[column == level]
        of_distance = (1 / len(rows) - 1 / noise.rows) / noise.seeds
        mean = float(rows.mean())
        found.append(LevelMean(mean, _normal_interval(mean, of_distance, noise), tuple(rows.mean(axis=0).tolist())))
    return tuple(found)


def _cell_means(table: Floats, design: Whole, a: int, b: int) -> Floats:
    """(La, Lb): the mean of each pair of levels."""
    shape = design[:, a].max() + 1, design[:, b].max() + 1
    means = [[table[(design[:, a] == i) & (design[:, b] == j)].mean() for j in range(shape[1])] for i in range(shape[0])]
    return np.array(means)
