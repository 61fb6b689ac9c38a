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
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ablate.statistics.comparison import DRAWS, PAIRED_FROM, Comparison, compare, direction, is_paired
from ablate.statistics.description import Errors

if TYPE_CHECKING:
    from ablate.statistics.rank_tests import Floats

REARRANGEMENTS = 2**17  # pairs of opposite signs of 18 units, which are all counted; where there are more, they are drawn
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
        groups, pairs, paired_from: As in compare_family().
        rearrangements: How many are counted at most. Where there are more, so many are drawn at random, at most 20,000,
            and the observed one is added to them: the level holds for any number, only the power falls a little with few.
    """
    import numpy as np

    from ablate.statistics import joint_tests
    from ablate.statistics.rank_tests import rank_sum_p, signed_rank_p_values, signed_ranks, studentized_rank_sums

    found = [1.0] * len(pairs)
    for paired, part in _parts(groups, pairs, paired_from):
        of_part = [pairs[i] for i in part]
        together: Sequence[float] | Floats
        alone: Sequence[float] | Floats
        if paired:
            differences = joint_tests.difference_table(groups, of_part)
            together = joint_tests.adjust_signed_ranks(signed_ranks(differences), rearrangements)
            alone = signed_rank_p_values(differences)
        else:
            values = [np.array([*group.values()], float) for group in groups]
            structure = joint_tests.structure_of([len(group) for group in groups], of_part)
            observed = np.array([studentized_rank_sums(values[ours], values[theirs]) for ours, theirs in of_part])
            together = joint_tests.adjust_rank_sums(structure, observed, rearrangements) if len(part) > 1 else [0.0]
            alone = [rank_sum_p(values[ours], values[theirs]) for ours, theirs in of_part]
        for i, *both in zip(part, together, alone):
            found[i] = float(min(1.0, max(both) * len(pairs) / len(part)))
    return found


def directions(groups: Sequence[Errors], pairs: Pairs, paired_from: int = PAIRED_FROM) -> list[int]:
    """For each comparison what direction() says of it.

    Args:
        groups, pairs, paired_from: As in compare_family().
    """
    import numpy as np

    from ablate.statistics.joint_tests import difference_table
    from ablate.statistics.rank_tests import signed_ranks

    found = [0] * len(pairs)
    for paired, part in _parts(groups, pairs, paired_from):
        of_part = [pairs[i] for i in part]
        if paired:
            ranks = signed_ranks(difference_table(groups, of_part).T[..., None])
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
        pairs, paired_from: As in compare_family().
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

            from ablate.statistics.joint_tests import adjust_rank_sums, structure_of
            from ablate.statistics.rank_tests import MOST_SPLITS

            sizes = [len(group) for group in groups]
            farthest = np.array([np.inf if min(sizes[ours], sizes[theirs]) > 1 else 0.5 for ours, theirs in of_part])
            together = adjust_rank_sums(structure_of(sizes, of_part), farthest) if len(part) > 1 else [0.0]
            splits = [math.comb(sizes[ours] + sizes[theirs], sizes[ours]) for ours, theirs in of_part]
            alone = [2 / each if each < MOST_SPLITS else 1 / (MOST_SPLITS + 1) for each in splits]
            least = [*map(max, together, alone)]
        for i, p in zip(part, least):
            found[i] = float(min(1.0, p * len(pairs) / len(part)))
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of a family adjusted for their number by Holm's method, in the order given."""
    found, largest = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        found[i] = largest
    return found


def _parts(groups: Sequence[Errors], pairs: Pairs, paired_from: int) -> list[tuple[bool, list[int]]]:
    """The paired and the unpaired comparisons, by their place; only the kinds that there are."""
    kinds = [is_paired(groups[ours], groups[theirs], paired_from) for ours, theirs in pairs]
    return [(kind, [i for i, of in enumerate(kinds) if of == kind]) for kind in (True, False) if kind in kinds]
