"""Several comparisons at once: a family, in which the chance of one false verdict or more is at most alpha.

Each adjusted p-value is found by closed testing with the largest statistic, stepping down (Marcus, Peritz and Gabriel,
1976; Westfall and Young, 1993). The null distribution is a joint one, so comparisons that share a baseline, or seeds, are
not corrected as if they were strangers, as by Bonferroni and Holm.

- Paired comparisons: one sign a seed for all variants together is exchanged, which keeps what the variants share. All
  absolute differences of the family are ranked together, and the statistic of a variant is its sum of signed ranks; with
  one comparison that is Wilcoxon's test. If each variant were ranked alone, six seeds could tell none of eight variants:
  each one that is at its extreme in some rearrangement adds 2/2^n. Ranked together, the smallest possible p-value is
  2/2^n, whatever the number of comparisons. That is exact for differences that are jointly symmetric, if all hypotheses
  are true. If only some are, the ranks of the others could tell something of the signs, so those cases were simulated.
- Unpaired comparisons: the joint distribution of the studentized rank sums of seeds that are all alike (Steel, 1959, made
  for unequal spread). It depends on the numbers of seeds only, and that of some comparisons is the margin of that of all,
  so stepping down is the closed test, also with several baselines and unequal numbers of seeds.

An adjusted p-value is never below that of the comparison alone. A family with both kinds is split into two, and the
p-values of each are divided by its share of the comparisons (Bonferroni with weights). Seeds that some variants lack are no
problem in a paired family: each variant counts the seeds that it shares with its baseline.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ablate.statistics.comparison import (
    MOST_SPLITS,
    PAIRED_FROM,
    Comparison,
    compare,
    direction,
    is_paired,
    over_splits,
    rank_sum_p,
    signed_rank_p_values,
    signed_ranks,
    studentized_rank_sums,
    subtracted,
)
from ablate.statistics.description import Errors

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating[Any]]

REARRANGEMENTS = 2**17  # pairs of opposite signs of 18 units, which are all counted; where there are more, they are drawn
DRAWS = 20_000
BLOCK = 2**18  # statistics at once
Pairs = Sequence[tuple[int, int]]


class Adjusted(NamedTuple):
    """A comparison within its family.

    Args:
        comparison: Of the variant with its baseline, alone.
        p_value: Adjusted for the family.
        floor: The smallest adjusted p-value that is possible in the family with these seeds.
        family: The number of comparisons in the family.
    """

    comparison: Comparison
    p_value: float
    floor: float
    family: int


def compare_family(groups: Sequence[Errors], pairs: Pairs, paired_from: int = PAIRED_FROM) -> list[Adjusted]:
    """The comparisons of a family, in order.

    Args:
        groups: The errors of each variant, each of at least one seed.
        pairs: For each comparison the index of the variant and that of its baseline in `groups`.
        paired_from: The fewest common keys that are compared in pairs; 1 for keys of folds.
    """
    alone = [compare(groups[ours], groups[theirs], paired_from) for ours, theirs in pairs]
    adjusted = adjusted_p_values(groups, pairs, paired_from)
    floors = smallest_p_values([group.keys() for group in groups], pairs, paired_from)
    return [Adjusted(*each, len(pairs)) for each in zip(alone, adjusted, floors)]


def adjusted_p_values(
    groups: Sequence[Errors], pairs: Pairs, paired_from: int = PAIRED_FROM, rearrangements: int = REARRANGEMENTS
) -> list[float]:
    """The adjusted p-value of each comparison of a family.

    Args:
        groups: The errors of each variant, each of at least one seed.
        pairs: For each comparison the index of the variant and that of its baseline in `groups`.
        paired_from: The fewest common keys that are compared in pairs; 1 for keys of folds.
        rearrangements: How many are counted at most. Where there are more, so many are drawn at random, at most 20,000,
            and the observed one is added to them: the level holds for any number, only the power falls a little with few.
    """
    import numpy as np

    found = [1.0] * len(pairs)
    for paired, part in _parts(groups, pairs, paired_from):
        of_part = [pairs[i] for i in part]
        together: Sequence[float] | Floats
        alone: Sequence[float] | Floats
        if paired:
            differences = _signed_matrix(groups, of_part)
            together = _signed_steps(signed_ranks(differences), rearrangements)
            alone = signed_rank_p_values(differences)
        else:
            values = [np.array([*group.values()], float) for group in groups]
            structure = _structure([len(group) for group in groups], of_part)
            observed = [studentized_rank_sums(values[ours], values[theirs]) for ours, theirs in of_part]
            together = _against_reference(structure, np.array(observed), rearrangements) if len(part) > 1 else [0.0]
            alone = [rank_sum_p(values[ours], values[theirs]) for ours, theirs in of_part]
        for i, *both in zip(part, together, alone):
            found[i] = float(min(1.0, max(both) * len(pairs) / len(part)))
    return found


def directions(groups: Sequence[Errors], pairs: Pairs, paired_from: int = PAIRED_FROM) -> list[int]:
    """For each comparison what direction() says of it.

    Args:
        groups: The errors of each variant, each of at least one seed.
        pairs: For each comparison the index of the variant and that of its baseline in `groups`.
        paired_from: The fewest common keys that are compared in pairs; 1 for keys of folds.
    """
    import numpy as np

    found = [0] * len(pairs)
    for paired, part in _parts(groups, pairs, paired_from):
        of_part = [pairs[i] for i in part]
        if paired:
            ranks = signed_ranks(_signed_matrix(groups, of_part).T[..., None])
            signs = np.sign(ranks.sum(axis=(1, 2))).astype(int).tolist()
        else:
            signs = [direction(groups[ours], groups[theirs], paired_from) for ours, theirs in of_part]
        for i, sign in zip(part, signs):
            found[i] = sign
    return found


def smallest_p_values(keys: Sequence[Collection[Any]], pairs: Pairs, paired_from: int = PAIRED_FROM) -> list[float]:
    """The smallest adjusted p-value that is possible for each comparison, whatever the errors will be.

    Args:
        keys: The keys of each variant: its seeds, or (fold, seed).
        pairs: For each comparison the index of the variant and that of its baseline in `keys`.
        paired_from: The fewest common keys that are compared in pairs; 1 for keys of folds.
    """
    groups = [dict.fromkeys(of_variant, 0.0) for of_variant in keys]
    found = [1.0] * len(pairs)
    for paired, part in _parts(groups, pairs, paired_from):
        of_part = [pairs[i] for i in part]
        if paired:
            common = [groups[ours].keys() & groups[theirs].keys() for ours, theirs in of_part]
            exact = 2 ** (len(set().union(*common)) - 1) <= REARRANGEMENTS
            drawn = 0.0 if exact else 1 / (DRAWS + 1)
            least = [max(2.0 ** (1 - len(keys)), drawn) for keys in common]
        else:
            import numpy as np

            sizes = [len(group) for group in groups]
            farthest = [np.inf if min(sizes[ours], sizes[theirs]) > 1 else 0.5 for ours, theirs in of_part]
            together = _against_reference(_structure(sizes, of_part), np.array(farthest)) if len(part) > 1 else [0.0]
            splits = [math.comb(sizes[ours] + sizes[theirs], sizes[ours]) for ours, theirs in of_part]
            alone = [2 / each if each < MOST_SPLITS else 1 / (MOST_SPLITS + 1) for each in splits]
            least = [*map(max, together, alone)]
        for i, p in zip(part, least):
            found[i] = float(min(1.0, p * len(pairs) / len(part)))
    return found


def _parts(groups: Sequence[Errors], pairs: Pairs, paired_from: int) -> list[tuple[bool, list[int]]]:
    """The paired and the unpaired comparisons, by their place; only the kinds that there are."""
    kinds = [is_paired(groups[ours], groups[theirs], paired_from) for ours, theirs in pairs]
    return [(kind, [i for i, of in enumerate(kinds) if of == kind]) for kind in (True, False) if kind in kinds]


def _signed_matrix(groups: Sequence[Errors], pairs: Pairs) -> Floats:
    """The differences of shape (keys, comparisons); NaN where a comparison lacks the key on a side."""
    import numpy as np

    keys = {key: row for row, key in enumerate(dict.fromkeys(key for group in groups for key in group))}
    values = np.full((len(groups), len(keys)), np.nan)
    for of_group, group in zip(values, groups):
        of_group[[keys[key] for key in group]] = [*group.values()]
    ours, theirs = np.array(pairs).T
    found = subtracted(values[ours], values[theirs]).T
    return np.asarray(found[~np.isnan(found).all(axis=1)])


def _signed_steps(signed: Floats, rearrangements: int) -> Floats:
    """The adjusted p-values of signed ranks of shape (keys, comparisons) over the signs of whole keys."""
    import numpy as np

    signs, random = _signs(len(signed), rearrangements)
    if 2 * np.abs(signed).sum(axis=0).max(initial=0.0) < 2**24:  # whole and half numbers, so half the digits are exact
        signed = signed.astype(np.float32)
    part = max(1, BLOCK // max(1, signed.shape[1]))
    blocks = (np.abs(signed.T @ signs[start : start + part].T) for start in range(0, len(signs), part))
    return step_down(np.abs(signed.sum(axis=0)), blocks, random)


def _signs(n: int, rearrangements: int) -> tuple[Floats, bool]:
    """Signs of n units, and whether they are random."""
    exact = 2 ** (n - 1) <= rearrangements
    return (sign_patterns(n), False) if exact else (_random_signs(n)[: min(DRAWS, rearrangements)], True)


@lru_cache(maxsize=8)
def sign_patterns(n: int) -> Floats:
    """All signs of n units, of shape (2^(n - 1), n); of two opposite patterns only one.

    Args:
        n: The number of units.
    """
    import numpy as np

    return np.asarray(1 - 2 * ((np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1), np.float32)


@lru_cache(maxsize=8)
def _random_signs(n: int) -> Floats:
    import numpy as np

    return np.asarray(1 - 2 * np.random.default_rng(0).integers(2, size=(DRAWS, n)), np.float32)


def step_down(observed: Floats, blocks: Iterable[Floats], random: bool = False) -> Floats:
    """The adjusted p-value of each comparison: the largest statistic of those that remain, stepping down.

    Args:
        observed: Of shape (..., comparisons), the larger the farther from no difference.
        blocks: The statistics of some rearrangements each, of shape (..., comparisons, rearrangements).
        random: Whether the rearrangements are random ones, to which the observed one is then added.
    """
    import numpy as np

    order = np.argsort(-observed, axis=-1, kind="stable")
    ordered = np.take_along_axis(observed, order, axis=-1)[..., None]
    beyond, number = np.full(observed.shape, int(random)), int(random)
    for block in blocks:
        largest = block[order] if order.ndim == 1 else np.take_along_axis(block, order[..., None], axis=-2)
        for row in range(largest.shape[-2] - 2, -1, -1):  # of these that remain; maximum.accumulate is ten times as slow
            np.maximum(largest[..., row, :], largest[..., row + 1, :], out=largest[..., row, :])
        beyond += (largest >= ordered).sum(axis=-1)
        number += block.shape[-1]
    p_values = np.maximum.accumulate(beyond / number, axis=-1)
    found = np.empty_like(p_values)
    np.put_along_axis(found, order, p_values, axis=-1)
    return found


class Structure(NamedTuple):
    """The numbers of seeds of an unpaired family. Groups are numbered in the order in which pairs name them.

    Args:
        sizes: The seeds of each group.
        pairs: For each comparison the numbers of its two groups.
    """

    sizes: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]


def _structure(sizes: Sequence[int], pairs: Pairs) -> Structure:
    numbers: dict[int, int] = {}
    numbered = tuple((numbers.setdefault(one, len(numbers)), numbers.setdefault(two, len(numbers))) for one, two in pairs)
    return Structure(tuple(sizes[i] for i in numbers), numbered)


@lru_cache(maxsize=16)
def _reference(structure: Structure, draws: int) -> tuple[list[Floats], Floats]:
    """For seeds that are all alike: sorted statistics for each comparison, and the tails of shape (comparisons, draws)."""
    import numpy as np

    generator = np.random.default_rng(0)
    sizes = [tuple(sorted((structure.sizes[ours], structure.sizes[theirs]))) for ours, theirs in structure.pairs]
    # Over all splits where these are few: probabilities that are equal are then equal to the last bit.
    ordered = [over_splits(tuple(map(float, range(sum(size)))), size[0]) for size in sizes]
    tails = np.empty((len(ordered), draws), np.float32)
    last = {group: i for i, pair in enumerate(structure.pairs) for group in pair}  # the last comparison of each group
    drawn: dict[int, Floats] = {}  # of the groups that are still needed: 2,000 groups would take 800 MB
    begun = 0
    for i, pair in enumerate(structure.pairs):
        for group in range(begun, max(begun, *(one + 1 for one in pair))):  # in the order of their numbers
            drawn[group] = generator.random((structure.sizes[group], draws), dtype=np.float32)
            begun = group + 1
        tails[i] = _tails(ordered[i], studentized_rank_sums(*(drawn[group] for group in pair)))
        for group in set(pair):
            if last[group] == i:
                del drawn[group]
    return ordered, tails


def _tails(ordered: Floats, values: Floats) -> Floats:
    """The share of the sorted statistics that are at least each value, in 4 bytes each, as there are many."""
    import numpy as np

    return np.asarray((ordered.size - np.searchsorted(ordered, values)) / ordered.size, np.float32)


def _against_reference(structure: Structure, observed: Floats, rearrangements: int = REARRANGEMENTS) -> Floats:
    """The adjusted p-values of observed statistics: the smallest tail of those that remain, so unequal n weigh the same."""
    import numpy as np

    ordered, tails = _reference(structure, min(DRAWS, rearrangements))
    own = np.array([_tails(*both) for both in zip(ordered, observed)])
    return step_down(-own, [-tails], random=True)
