"""The joint null distributions of a family's comparisons: signs of whole keys, and references for unpaired seeds.

See family.py for what is tested, and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ablate.statistics.comparison import DRAWS
from ablate.statistics.description import Errors
from ablate.statistics.rank_tests import Floats, over_splits, studentized_rank_sums, subtracted

BLOCK = 2**18  # statistics at once
Pairs = Sequence[tuple[int, int]]


def difference_table(groups: Sequence[Errors], pairs: Pairs) -> Floats:
    """The differences of shape (keys, comparisons); NaN where a comparison lacks the key on a side, or both diverged.

    Args:
        groups, pairs: As in compare_family().
    """
    keys = {key: row for row, key in enumerate(dict.fromkeys(key for group in groups for key in group))}
    values = np.full((len(groups), len(keys)), np.nan)
    for of_group, group in zip(values, groups):
        of_group[[keys[key] for key in group]] = [*group.values()]
    ours, theirs = np.array(pairs).T
    shared = ~(np.isnan(values[ours]) | np.isnan(values[theirs])).all(axis=0)
    return np.asarray(subtracted(values[ours][:, shared], values[theirs][:, shared]).T)


def adjust_signed_ranks(signed: Floats, rearrangements: int) -> Floats:
    """The adjusted p-values of signed ranks over the signs of whole keys.

    Args:
        signed: Of shape (keys, comparisons).
        rearrangements: How many are counted at most; where there are more, so many are drawn, DRAWS at most.
    """
    exact = 2 ** (len(signed) - 1) <= rearrangements
    signs = sign_patterns(len(signed)) if exact else _random_signs(len(signed))[: min(DRAWS, rearrangements)]
    if 2 * np.abs(signed).sum(axis=0).max(initial=0.0) < 2**24:  # whole and half numbers, so half the digits are exact
        signed = signed.astype(np.float32)
    part = max(1, BLOCK // max(1, signed.shape[1]))
    blocks = (np.abs(signed.T @ signs[start : start + part].T) for start in range(0, len(signs), part))
    return step_down(np.abs(signed.sum(axis=0)), blocks, not exact)


@lru_cache(maxsize=8)
def sign_patterns(n: int) -> Floats:
    """All signs of n units, of shape (2^(n - 1), n); of two opposite patterns only one."""
    return np.asarray(1 - 2 * ((np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1), np.float32)


@lru_cache(maxsize=8)
def _random_signs(n: int) -> Floats:
    return np.asarray(1 - 2 * np.random.default_rng(0).integers(2, size=(DRAWS, n)), np.float32)


def step_down(observed: Floats, blocks: Iterable[Floats], random: bool = False) -> Floats:
    """The adjusted p-value of each comparison: the largest statistic of those that remain, stepping down.

    Args:
        observed: Of shape (..., comparisons), the larger the farther from no difference.
        blocks: The statistics of some rearrangements each, of shape (..., comparisons, rearrangements).
        random: Whether the rearrangements are random ones, to which the observed one is then added.
    """
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


def structure_of(sizes: Sequence[int], pairs: Pairs) -> Structure:
    """The structure of an unpaired family.

    Args:
        sizes: The seeds of each group.
        pairs: For each comparison the indices of its two groups.
    """
    numbers: dict[int, int] = {}
    numbered = tuple((numbers.setdefault(one, len(numbers)), numbers.setdefault(two, len(numbers))) for one, two in pairs)
    return Structure(tuple(sizes[i] for i in numbers), numbered)


@lru_cache(maxsize=16)
def _reference(structure: Structure, draws: int) -> tuple[list[Floats], Floats]:
    """For seeds that are all alike: sorted statistics for each comparison, and the tails of shape (comparisons, draws)."""
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
    return np.asarray((ordered.size - np.searchsorted(ordered, values)) / ordered.size, np.float32)


def adjust_rank_sums(structure: Structure, observed: Floats, rearrangements: int = DRAWS) -> Floats:
    """The adjusted p-values of observed statistics: the smallest tail of those that remain, so unequal n weigh the same.

    Args:
        structure: Of the family.
        observed: Studentized rank sums, of shape (comparisons,).
        rearrangements: How many are drawn, DRAWS at most.
    """
    ordered, tails = _reference(structure, min(DRAWS, rearrangements))
    own = np.array([_tails(*both) for both in zip(ordered, observed)])
    return step_down(-own, [-tails], random=True)
