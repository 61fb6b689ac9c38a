"""The effects that a crossed design can estimate: main effects and two-way interactions, each a space of row contrasts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


class Term(NamedTuple):
    """An effect before it is tested: its factors, an orthonormal basis (C, df) of its space, and its aliases."""

    factors: tuple[int, ...]
    basis: Floats
    aliases: tuple[tuple[int, ...], ...] = ()
    partial: bool = False


def is_full(design: Whole) -> bool:
    """Whether every combination of levels is there, each once."""
    sizes = design.max(axis=0) + 1
    return bool(len(design) == math.prod(sizes.tolist()) == len({tuple(row) for row in design.tolist()}))


def is_fraction(design: Whole) -> bool:
    """Whether all factors have two levels, and their columns of signs are orthogonal to one another and to the mean."""
    signs = np.column_stack([np.ones(len(design), int), 2 * design - 1])
    return bool(set(np.unique(design)) == {0, 1} and (signs.T @ signs == len(design) * np.eye(signs.shape[1])).all())


def full_terms(design: Whole, wanted: Sequence[int]) -> list[Term]:
    """The main effects and the two-way interactions of some factors of a full design."""
    centred = {factor: _centred(design[:, factor]) for factor in wanted}
    terms = [Term((factor,), _unit(centred[factor])) for factor in wanted]
    for a, b in combinations(wanted, 2):
        products = np.einsum("ci,cj->cij", centred[a], centred[b]).reshape(len(design), -1)
        terms.append(Term((a, b), _unit(products)))
    return terms


def _centred(column: Whole) -> Floats:
    """(C, L - 1): orthogonal contrasts of the levels of a factor."""
    levels = int(column.max()) + 1
    contrasts = np.linalg.qr(np.column_stack([np.ones(levels), np.eye(levels)[:, 1:]]))[0][:, 1:]
    return np.asarray(contrasts[column])


def _unit(columns: Floats) -> Floats:
    """The columns with length one; they are orthogonal."""
    return np.asarray(columns / np.linalg.norm(columns, axis=0))


def fraction_terms(design: Whole, wanted: Sequence[int]) -> list[Term]:
    """The effects that a fraction can estimate, with what is mixed into each.

    An interaction that is mixed with a main effect is an alias of it, and no effect of its own; of interactions that are
    mixed with one another the first stands for all.
    """
    signs = 2 * design - 1
    pairs = {pair: signs[:, pair[0]] * signs[:, pair[1]] for pair in combinations(range(signs.shape[1]), 2)}
    columns: dict[tuple[int, ...], Whole] = {(factor,): signs[:, factor] for factor in range(signs.shape[1])}
    for pair, column in pairs.items():
        if not any(int(column @ other) for other in columns.values()):
            columns[pair] = column
    terms = []
    for factors, column in columns.items():
        mixed = {pair: abs(int(column @ other)) for pair, other in pairs.items() if pair != factors and column @ other}
        if set(factors) <= set(wanted):
            partial = all(common < len(design) for common in mixed.values()) and bool(mixed)
            terms.append(Term(factors, column[:, None] / math.sqrt(len(design)), tuple(mixed), partial))
    return terms
