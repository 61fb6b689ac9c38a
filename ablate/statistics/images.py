"""Comparisons of variants over the images that their networks were tested on, seeds and images crossed.

The seeds' verdict (ablate/statistics/family.py) speaks of new trainings, tested on these images. Two tests here speak of
new images. The value of an image is the difference of two variants there: 1 where the variant's network is wrong and the
baseline's is right, -1 where it is the other way round, 0 else.

- `networks`: these trained networks on new images. Images are the sample, networks are fixed. The sign of an image's mean
  difference over the seeds is exchanged for all comparisons of a family together, and the largest standardized sum is
  compared, stepping down. With one network a side and one comparison that is McNemar's test (Dietterich, 1998). It tells
  small differences apart, as there are thousands of images. It says nothing of the networks that other seeds would give.
- `trainings`: new trainings on new images. Seeds and images are both a sample, as readers and patients are where doctors
  read the same pictures under two conditions. The variance of the mean is a sum of what seeds, images and both together
  add, from the mean squares of a table of seeds by images; Student's t has the degrees of freedom of Hillis (Obuchowski and
  Rockette, 1995; Hillis, 2007). Where seeds differ no more than single predictions do by chance, that chance is taken in
  their place, which thousands of images tell far better than few seeds, and the degrees of freedom are those of the images
  (sometimes-pooling: Bancroft, 1964). A family is corrected by Holm's method (1979).

Owen's pigeonhole bootstrap (2007) estimates the same variance by resampling seeds and images; three seeds are too few to
resample. Two are too few for this test as well: it would err in up to 13% of studies. Bouthillier et al. (2021) say why
both are a sample. Rates of error: `python -m tests.statistics.calibrate_images`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from ablate.statistics.description import LEVEL, Interval
from ablate.statistics.family import REARRANGEMENTS, Pairs, holm
from ablate.statistics.joint_tests import sign_patterns, step_down
from ablate.statistics.rank_tests import Floats

Wrong = Mapping[Any, npt.NDArray[np.bool_]]  # of a variant, by seed: whether each image is predicted wrongly, (images,)

DRAWS = 9_999  # rearrangements of signs; the smallest p-value is 0.0001
CHUNK = 4_000_000  # signs that are drawn at once
FEWEST_SEEDS = 3  # for a statement on new trainings


class ImageTest(NamedTuple):
    """A difference as a statement on a population.

    Args:
        interval: Of the difference in points, for this comparison alone, 95%.
        p_value: Two-sided, of this comparison alone.
        p_family: Adjusted for the family.
    """

    interval: Interval
    p_value: float
    p_family: float


class ImageComparison(NamedTuple):
    """A variant compared with its baseline over the images.

    Args:
        images: How many there are.
        seeds: The seeds of the variant and of its baseline; if two or more are common, these alone.
        common: Whether the seeds are common.
        difference: Of the mean errors, the variant minus the baseline, in points of percent.
        disagree: The share of predictions of which one is right and the other wrong, at one seed if they are common.
        networks: These networks on new images.
        trainings: New trainings on new images; None with fewer than FEWEST_SEEDS common seeds.
        family: The comparisons of the family.
    """

    images: int
    seeds: tuple[int, int]
    common: bool
    difference: float
    disagree: float
    networks: ImageTest
    trainings: ImageTest | None
    family: int


def compare_on_images(variants: Sequence[Wrong], pairs: Pairs) -> list[ImageComparison]:
    """The comparisons of a family over its images, in order.

    Args:
        variants: For each variant whether each image is predicted wrongly, by seed; at least one seed, all of the same
            images in the same order, at least two of them.
        pairs: For each comparison the index of the variant and that of its baseline in `variants`.

    Raises:
        ValueError: The numbers of images differ.
    """
    if len({wrong.shape for variant in variants for wrong in variant.values()}) > 1:
        raise ValueError("variants are compared on the same images")
    sides = [_sides(variants[ours], variants[theirs]) for ours, theirs in pairs]
    columns = [_sums(*both) for both in sides]  # whole numbers, so that sums tie where they are equal
    signs = _sign_p(np.stack(columns, axis=1))
    crossed = [_crossed(ours, theirs) if common and len(ours) >= FEWEST_SEEDS else None for ours, theirs, common in sides]
    adjusted = iter(holm([one[1] for one in crossed if one]))
    found = []
    for (ours, theirs, common), column, alone, adjusted_p, of_trainings in zip(sides, columns, *signs, crossed):
        scale = len(ours) * len(theirs) if not common else len(ours)
        networks = ImageTest(_normal_interval(100 * column / scale), float(alone), float(adjusted_p))
        trainings = ImageTest(*of_trainings, next(adjusted)) if of_trainings else None
        difference, disagree = 100 * float(column.mean()) / scale, _disagreement(ours, theirs, common)
        seeds = len(ours), len(theirs)
        found.append(ImageComparison(column.size, seeds, common, difference, disagree, networks, trainings, len(pairs)))
    return found


def _sides(ours: Wrong, theirs: Wrong) -> tuple[Floats, Floats, bool]:
    """Both sides of shape (seeds, images), and whether these are common seeds in the same order."""
    common = [seed for seed in ours if seed in theirs]
    if len(common) > 1:
        return np.stack([ours[seed] for seed in common]), np.stack([theirs[seed] for seed in common]), True
    return np.stack([*ours.values()]), np.stack([*theirs.values()]), False


def _sums(ours: Floats, theirs: Floats, common: bool) -> Floats:
    """For each image the difference of the sums over seeds, times the seeds of the other side where these differ."""
    one, other = ours.sum(0, dtype=np.float64), theirs.sum(0, dtype=np.float64)
    return np.asarray(one - other if common else one * len(theirs) - other * len(ours))


def _disagreement(ours: Floats, theirs: Floats, common: bool) -> float:
    if common:
        return float((ours != theirs).mean())
    one, other = ours.mean(0), theirs.mean(0)
    return float((one * (1 - other) + other * (1 - one)).mean())


def _sign_p(differences: Floats) -> tuple[Floats, Floats]:
    """The p-values of columns of differences, (images, comparisons), alone and adjusted, by exchange of signs."""
    kept = differences[(differences != 0).any(axis=1)]
    if not len(kept):
        return np.ones(differences.shape[1]), np.ones(differences.shape[1])
    size = np.sqrt((kept**2).sum(axis=0))
    size[size == 0] = 1.0  # a column without any difference: its sum is always zero
    exact = 2 ** (len(kept) - 1) <= REARRANGEMENTS
    rearranged = np.abs(sign_patterns(len(kept)) @ kept if exact else _drawn_sums(kept)) / size
    observed = np.abs(kept.sum(axis=0)) / size
    alone = ((rearranged >= observed).sum(axis=0) + (not exact)) / (len(rearranged) + (not exact))
    return alone, step_down(observed, [rearranged.T], not exact)


def _drawn_sums(differences: Floats) -> Floats:
    """The sums of each column under random signs of the rows, of shape (DRAWS, comparisons); always the same."""
    generator, exact = np.random.default_rng(0), differences.astype(np.float32)  # whole numbers below 2^24
    at_once = max(1, CHUNK // len(exact))
    found = []
    for start in range(0, DRAWS, at_once):
        size = min(at_once, DRAWS - start), len(exact)
        bits = np.unpackbits(np.frombuffer(generator.bytes(-(-size[0] * size[1] // 8)), np.uint8), count=size[0] * size[1])
        found.append(2 * (bits.reshape(size).astype(np.float32) @ exact))
    return np.asarray(np.concatenate(found).astype(np.float64) - differences.sum(axis=0))


def _normal_interval(differences: Floats) -> Interval:
    """The interval of the mean difference of an image, the images being a sample of thousands."""
    mean, spread = float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(differences.size)
    far = float(stdtrit(differences.size - 1, (1 + LEVEL) / 2)) * spread
    return Interval(mean - far, mean + far, LEVEL)


def _crossed(ours: Floats, theirs: Floats) -> tuple[Interval, float]:
    """The interval in points and the p-value of a table of seeds by images, both being a sample."""
    differences = ours.astype(float) - theirs
    seeds, images = differences.shape
    mean, of_seeds, of_images = differences.mean(), differences.mean(1), differences.mean(0)
    between_seeds = images * of_seeds.var(ddof=1)
    between_images = seeds * of_images.var(ddof=1)
    rest = differences - of_seeds[:, None] - of_images + mean
    alone = (rest**2).sum() / ((seeds - 1) * (images - 1))
    first = max(between_seeds, alone)
    whole = first + max(0.0, between_images - alone)
    if whole == 0:
        return Interval(100 * float(mean), 100 * float(mean), LEVEL), 1.0 if mean == 0 else 0.0
    freedom = images - 1 if between_seeds <= alone else (seeds - 1) * (whole / first) ** 2
    error = math.sqrt(whole / (seeds * images))
    far = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
    p_value = 2 * float(stdtr(freedom, -abs(float(mean)) / error))
    return Interval(100 * (float(mean) - far), 100 * (float(mean) + far), LEVEL), p_value
