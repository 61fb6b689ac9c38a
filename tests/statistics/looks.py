"""Makes ablate/statistics/looks.csv, the null distribution of `seeds: {until: decided}`, in about two minutes on one core.

python -m tests.statistics.looks > ablate/statistics/looks.csv
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from ablate.statistics.sequential import FIRST, MOST, _evidence, _signed_rank_counts

DRAWS = 1 << 23
CHUNK = 1 << 15
HIGHEST = 0.5  # of the p-values in the table
RATIO = 1.01  # of two p-values that follow each other, at least


def null_evidence(first: int, most: int, draws: int, seed: int = 17) -> NDArray[np.float64]:
    """The least n * q_n over the looks from first to most, of random sequences of symmetric differences, in rising order.

    Only raw bits are drawn, which NumPy promises not to change.

    Args:
        first: The first look.
        most: The last look.
        draws: The number of sequences.
        seed: Of the random bits.
    """
    bits, found = np.random.PCG64(seed), []
    for start in range(0, draws, CHUNK):
        chunk = min(CHUNK, draws - start)
        raw = bits.random_raw(chunk * most).reshape(chunk, most)
        sizes = (raw >> np.uint64(34)).astype(np.int32)
        differences = np.where(raw & np.uint64(1), sizes, -sizes)
        found.append(_evidence(_signed_rank_counts(differences, 0, 1), first)[:, -1])
    return np.sort(np.concatenate(found))


def steps(null: NDArray[np.float64]) -> list[tuple[float, float]]:
    """p-values and the largest evidence that has each, rising; of steps that are close only the last, so none is too small.

    Args:
        null: As returned by null_evidence().
    """
    values, counts = np.unique(null, return_counts=True)
    p_values = (np.cumsum(counts) + 1) / (null.size + 1)
    found: list[tuple[float, float]] = []
    low = 0.0  # the first p-value that the last step stands for
    for p, value in zip(p_values.tolist(), values.tolist()):
        if p > HIGHEST:
            break
        if found and p <= low * RATIO:
            found[-1] = p, value
        else:
            found.append((p, value))
            low = p
    return found


if __name__ == "__main__":
    print("p,evidence")
    for p, value in steps(null_evidence(FIRST, MOST, DRAWS)):
        print(f"{p!r},{value!r}", file=sys.stdout)
