"""What a verdict on tuned variants is about: studies of variants that are all alike, each tuned by a search of its own.

python -m tests.statistics.tuned_simulation [--studies N]

Every variant has the same candidates of the same true qualities, with the standard deviation that is named, in standard
deviations of a training. Each search sees one held-out error of each candidate and takes the lowest. Then
`seeds: {from: 4, to: 20, until: decided}` compares the chosen ones by other seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from ablate.statistics.sequential import Rule, decide

RULE = Rule(4, 20, 0.05)


def called_different(studies: int, spread: float, candidates: int, comparisons: int, same: bool, tries: int = 1) -> float:
    """The share of studies in which any of the variants, which are alike, is called different from the baseline.

    Args:
        studies: How many are simulated.
        spread: The standard deviation of the qualities of candidates.
        candidates: Of each search.
        comparisons: Of a study.
        same: Whether all variants have the same candidates; else each has draws of its own.
        tries: The seeds of a candidate, by whose mean the search chooses.
    """
    rng = np.random.default_rng(0)
    shape = studies, comparisons + 1, candidates
    quality = np.broadcast_to(spread * rng.standard_normal((studies, 1, candidates) if same else shape), shape)
    seen = quality + rng.standard_normal(shape) / tries**0.5
    chosen = np.take_along_axis(quality, seen.argmin(-1)[..., None], -1)
    errors = chosen + rng.standard_normal((studies, comparisons + 1, RULE.most))
    verdict = decide(RULE, errors[:, 1:] - errors[:, :1], [0] * comparisons).verdict
    return float((verdict == 1).any(1).mean())


def rows(studies: int) -> Iterator[str]:
    """The rows of the table in reports/README.md.

    Args:
        studies: How many are simulated of each.
    """
    for candidates in (8, 32):
        for spread in (0.0, 0.5, 1.0, 3.0):
            shares = (called_different(studies, spread, candidates, 5, same) for same in (True, False))
            yield f"| {candidates} | {spread:g} | {' | '.join(f'{share:.1%}' for share in shares)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    print("| Candidates | They differ by, SD | The same for all | Each its own |\n| --: | --: | --: | --: |")
    studies = parser.parse_args().studies
    for row in rows(studies):
        print(row, flush=True)
    print("8 candidates that differ by 1 SD, the same for all, by seeds of a candidate:")
    for tries in (1, 2, 5, 10):
        print(f"{tries}: {called_different(studies, 1.0, 8, 5, True, tries):.0%}")
