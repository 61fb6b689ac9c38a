"""Confusions, errors by class, agreement and missed images against plain counting."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from ablate.statistics.predictions import agreement, class_errors, confusion, missed_by_all, sampling_error, votes

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.integers(0, 4, 60)
ONE, OTHER = GENERATOR.integers(0, 4, (3, 60)), GENERATOR.integers(0, 4, (2, 60))


def test_confusions_are_those_of_each_seed_on_average() -> None:
    expected = sum(confusion_matrix(LABELS, of_seed, labels=range(5)) for of_seed in ONE) / 3
    found = confusion(LABELS, ONE, 5)
    assert np.array_equal(found, expected)
    errors = class_errors(found)
    assert np.isnan(errors[4])  # a class without images
    for label in range(4):
        assert errors[label] == pytest.approx(100 * (ONE[:, label == LABELS] != label).mean())


def test_agreement_is_that_of_all_pairs_of_trainings() -> None:
    found = agreement([ONE, OTHER], 4)
    across = np.mean([(a == b).mean() for a, b in product(ONE, OTHER)])
    within = np.mean([(ONE[i] == ONE[j]).mean() for i, j in ((0, 1), (0, 2), (1, 2))])
    assert found[0, 1] == found[1, 0] == pytest.approx(across) and found[0, 0] == pytest.approx(within)
    assert np.isnan(agreement([ONE[:1]], 4)[0, 0])
    assert votes(ONE, 4).sum() == 180 and votes(ONE, 4)[5, ONE[0, 5]] >= 1


def test_what_all_miss_and_the_error_of_the_sample() -> None:
    missed = missed_by_all(LABELS, [ONE, OTHER])
    assert missed.tolist() == [i for i in range(60) if all(of_seed[i] != LABELS[i] for of_seed in (*ONE, *OTHER))]
    alone = sampling_error(LABELS, ONE[:1])
    error = (ONE[0] != LABELS).mean()
    assert alone == pytest.approx(100 * (error * (1 - error) / 59) ** 0.5)
    assert sampling_error(LABELS, ONE) < alone  # several networks average out what one predicts by chance
