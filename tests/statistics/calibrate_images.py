"""How often the tests over images (ablate/statistics/images.py) are wrong, and how often they find what is there.

    python -m tests.statistics.calibrate_images                 the table of reports/README.md, in some minutes
    python -m tests.statistics.calibrate_images --studies 100   faster, coarser

An image has a difficulty, the same for all variants, and one for each variant; a training shifts all its images. Whether an
image is predicted wrongly is then chance. A study has k variants and a baseline. "False": studies with one false verdict or
more where the variants are alike; "found": the share of variants that are worse by the shift and are found so.
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, stdtr

from ablate.statistics import images as over_images
from ablate.statistics.comparison import ALPHA
from ablate.statistics.family import compare_family
from ablate.statistics.images import compare_on_images

Bools = npt.NDArray[np.bool_]
STUDIES = 400
DRAWS = 799  # of signs: enough for a level of 5%


class Scenario(NamedTuple):
    """A kind of study; the error is about 7%.

    Args:
        title: In the table.
        seeds: Of each variant.
        images: Of the test set.
        k: Comparisons with the baseline.
        trainings: Standard deviation of a training's shift, in logits: 0.02 is about 0.1 points of error.
        correlation: Of the shifts of two variants at one seed.
        variants: Standard deviation of the difficulty that an image has for one variant, in logits.
        common: Whether all variants have the same seeds.
    """

    title: str
    seeds: int
    images: int = 1000
    k: int = 5
    trainings: float = 0.0
    correlation: float = 0.0
    variants: float = 0.5
    common: bool = True


SHIFT = 0.3  # logits of a variant that is worse: about 1.2 points
SCENARIOS = (
    *(Scenario(f"{n} seeds, trainings alike", n) for n in (3, 5, 10)),
    *(Scenario(f"{n} seeds, trainings differ by 0.1 points", n, trainings=0.02) for n in (3, 5, 10)),
    *(Scenario(f"{n} seeds, trainings differ by 0.5 points", n, trainings=0.1) for n in (3, 5, 10)),
    Scenario("3 seeds, in the same way in all variants", 3, trainings=0.1, correlation=1.0),
    Scenario("3 seeds, images alike for all variants", 3, trainings=0.02, variants=0.0),
    Scenario("5 seeds, images very unlike", 5, trainings=0.02, variants=2.0),
    Scenario("5 seeds, 1 comparison", 5, k=1, trainings=0.02),
    Scenario("5 seeds, 17 comparisons", 5, k=17, trainings=0.02),
    Scenario("3 seeds, 200 images", 3, images=200, trainings=0.02),
    Scenario("3 seeds, 10,000 images", 3, images=10_000, k=2, trainings=0.02),
    Scenario("5 seeds, 10,000 images", 5, images=10_000, k=2, trainings=0.02),
    Scenario("1 seed", 1, trainings=0.02),
    Scenario("5 seeds, none common", 5, trainings=0.02, common=False),
)


def simulate(scenario: Scenario, generator: np.random.Generator, shift: float) -> list[dict[int, Bools]]:
    """Whether each image is predicted wrongly, by seed, for the baseline and k variants that are worse by the shift."""
    difficulty = generator.normal(-5, 2.4, scenario.images)
    seeds = generator.normal(0, scenario.trainings, scenario.seeds)
    found = []
    for variant in range(scenario.k + 1):
        images = difficulty + generator.normal(0, scenario.variants, scenario.images) + shift * (variant > 0)
        own = generator.normal(0, scenario.trainings, scenario.seeds)
        shifts = scenario.correlation**0.5 * seeds + (1 - scenario.correlation) ** 0.5 * own
        wrong = generator.random((scenario.seeds, scenario.images)) < expit(images + shifts[:, None])
        first = 0 if scenario.common else variant * scenario.seeds
        found.append({first + seed: wrong[seed] for seed in range(scenario.seeds)})
    return found


def verdicts(variants: list[dict[int, Bools]]) -> npt.NDArray[np.bool_]:
    """Whether each test finds a difference, of shape (3, k): these networks, new trainings, and the seeds' test."""
    pairs = [(i, 0) for i in range(1, len(variants))]
    found = compare_on_images(variants, pairs)
    errors = [{seed: 100 * float(wrong.mean()) for seed, wrong in variant.items()} for variant in variants]
    return np.array(
        [
            [one.networks.p_family < ALPHA for one in found],
            [one.trainings is not None and one.trainings.p_family < ALPHA for one in found],
            [one.p_value < ALPHA for one in compare_family(errors, pairs)],
        ]
    )


def rates(scenario: Scenario, studies: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The shares of studies with a false verdict, and of differences that are found, of the three tests."""
    generator = np.random.default_rng(0)
    false = np.mean([verdicts(simulate(scenario, generator, 0.0)).any(axis=1) for _ in range(studies)], axis=0)
    found = np.mean([verdicts(simulate(scenario, generator, SHIFT)).mean(axis=1) for _ in range(studies)], axis=0)
    return false, found


def coverage(scenario: Scenario, studies: int) -> tuple[float, float]:
    """How often the intervals of both tests contain zero where the variants are alike."""
    generator, inside = np.random.default_rng(1), []
    for _ in range(studies):
        (one,) = compare_on_images(simulate(scenario._replace(k=1), generator, 0.0), [(1, 0)])
        both = [test.interval for test in (one.networks, one.trainings) if test]
        inside.append([interval.low <= 0 <= interval.high for interval in both])
    found = np.mean(inside, axis=0)
    return float(found[0]), float(found[-1])


def normal_rate(seeds: int, of_seeds: float, of_images: float, draws: int = 100_000) -> float:
    """How often the test of new trainings errs at 5%, with so many images that their mean squares are known.

    Args:
        seeds: Common seeds.
        of_seeds: The true mean square of the seeds; that of single predictions is 1.
        of_images: What the images add to the variance of the mean, in the same unit.
        draws: Studies.
    """
    generator = np.random.default_rng(0)
    between = of_seeds * generator.chisquare(seeds - 1, draws) / (seeds - 1)
    mean = generator.standard_normal(draws) * np.sqrt(of_seeds + of_images)
    first = np.maximum(between, 1.0)
    freedom = np.where(between <= 1, 1e6, (seeds - 1) * ((first + of_images) / first) ** 2)
    return float((2 * stdtr(freedom, -np.abs(mean) / np.sqrt(first + of_images)) < ALPHA).mean())


def main() -> None:
    """Print the table."""
    over_images.DRAWS = DRAWS
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=STUDIES)
    studies = parser.parse_args().studies
    print("| Studies | False: these networks | new trainings | seeds' verdict | Found: these networks | new trainings |"
          " seeds' verdict | Covers: these networks | new trainings |")  # fmt: skip
    print("| --- |" + " --: |" * 8)
    for scenario in SCENARIOS:
        fewer = studies if scenario.images <= 1000 and scenario.k <= 5 else studies // 2
        false, found = rates(scenario, fewer)
        cells = [f"{share:.1%}" for share in (*false, *found, *coverage(scenario, fewer))]
        if scenario.seeds == 1 or not scenario.common:
            cells[1] = cells[4] = cells[7] = ""
        print(f"| {scenario.title} | {' | '.join(cells)} |", flush=True)
    for seeds in (2, 3, 5, 10):
        worst = max(normal_rate(seeds, one, other) for one in (1, 1.5, 2, 4, 10, 100) for other in (0, 0.5, 2, 5))
        print(f"{seeds} seeds: new trainings are found different in at most {worst:.1%} of comparisons")


if __name__ == "__main__":
    main()
