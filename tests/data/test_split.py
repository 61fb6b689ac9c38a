from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.data.split import split
from ablate.errors import DataError

LABELS = np.array([0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 0])  # seven of class 0, five of class 1


@st.composite
def many_labels(draw: st.DrawFn) -> np.ndarray:
    """Two to six classes of 7 to 60 images each, in any order."""
    counts = draw(st.lists(st.integers(7, 60), min_size=2, max_size=6))
    return np.random.RandomState(draw(st.integers(0, 99))).permutation(np.repeat(np.arange(len(counts)), counts))


@settings(max_examples=60, deadline=None)
@given(many_labels(), st.integers(2, 7), st.integers(0, 2**31 - 1))
def test_folds_are_all_images_once_and_alike(labels: np.ndarray, folds: int, seed: int) -> None:
    classes = labels.max() + 1
    parts = [split(labels, classes, seed, folds=folds, fold=fold) for fold in range(folds)]
    everything = np.arange(len(labels))
    for train, held_out in parts:
        assert np.array_equal(np.sort(np.concatenate([train, held_out])), everything)
        assert (np.diff(train) > 0).all() and (np.diff(held_out) > 0).all()
    assert np.array_equal(np.sort(np.concatenate([held_out for _, held_out in parts])), everything)
    assert np.ptp([len(held_out) for _, held_out in parts]) <= 1
    counts = np.array([np.bincount(labels[held_out], minlength=classes) for _, held_out in parts])
    assert np.ptp(counts, axis=0).max() <= 1 and counts.min() > 0


@settings(max_examples=60, deadline=None)
@given(many_labels(), st.floats(0.2, 0.8), st.integers(0, 2**31 - 1))
def test_a_part_is_as_large_as_asked_and_keeps_shares(labels: np.ndarray, share: float, seed: int) -> None:
    classes, size = labels.max() + 1, round(share * len(labels))
    train, held_out = split(labels, classes, seed, images=size)
    assert len(held_out) == size and np.array_equal(np.sort(np.concatenate([train, held_out])), np.arange(len(labels)))
    shares = np.bincount(labels, minlength=classes) * size / len(labels)
    assert np.abs(np.bincount(labels[held_out], minlength=classes) - shares).max() < 1


def test_the_parts_are_these_and_stay_these() -> None:
    """By hand from RandomState(0).permutation(12), [6 11 4 10 2 8 1 7 9 3 0 5]: class 0, then class 1, dealt in turn."""
    order = np.random.RandomState(0).permutation(12).tolist()
    assert order == [6, 11, 4, 10, 2, 8, 1, 7, 9, 3, 0, 5]
    dealt = [6, 11, 4, 10, 8, 1, 0, 2, 7, 9, 3, 5]
    assert dealt == [i for label in (0, 1) for i in order if LABELS[i] == label]
    held_out = [split(LABELS, 2, 0, folds=3, fold=fold)[1].tolist() for fold in range(3)]
    assert held_out == [[0, 6, 9, 10], [2, 3, 8, 11], [1, 4, 5, 7]]
    train, five = split(LABELS, 2, 0, images=5)  # 5 of 12: 2.92 and 2.08, so the first 3 of class 0 and 2 of class 1
    assert five.tolist() == [2, 4, 6, 7, 11] and train.tolist() == [0, 1, 3, 5, 8, 9, 10]


def test_another_seed_is_another_split() -> None:
    assert split(LABELS, 2, 1, folds=3, fold=0)[1].tolist() != split(LABELS, 2, 0, folds=3, fold=0)[1].tolist()
    assert split(LABELS, 2, 1, images=5)[1].tolist() != split(LABELS, 2, 0, images=5)[1].tolist()


@pytest.mark.parametrize(
    ("classes", "how", "said"),
    [
        (2, {"folds": 6, "fold": 0}, "found 6 folds; class 1 has 5 training images; allowed: no more folds than any class"),
        (3, {"folds": 2, "fold": 0}, "found 2 folds; class 2 has 0 training images"),
        (2, {"images": 12}, "found holdout 12, which takes 7 of the 7 training images of class 0; allowed: at least one"),
        (2, {"images": 900}, "found holdout 900, which takes 7 of the 7 training images of class 0"),
        (2, {"images": 1}, "found holdout 1, which takes 0 of the 5 training images of class 1"),
        (3, {"images": 5}, "found holdout 5, which takes 0 of the 0 training images of class 2"),
    ],
)
def test_every_class_must_be_in_both_parts(classes: int, how: dict[str, int], said: str) -> None:
    with pytest.raises(DataError, match=re.escape(f"validation: {said}")) as caught:
        split(LABELS, classes, 0, **how)
    assert "\n" not in str(caught.value)


def test_as_many_folds_as_the_smallest_class_has_images() -> None:
    folds = [split(LABELS, 2, 0, folds=5, fold=fold)[1] for fold in range(5)]
    assert [(LABELS[held_out] == 1).sum() for held_out in folds] == [1] * 5
