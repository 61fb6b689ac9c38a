from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from forked import said_by_two
from sklearn.covariance import empirical_covariance

from ablate.data.location import Location
from ablate.data.sources import Images, stratified
from ablate.data.whitening import (
    CHUNK,
    CONTRAST_SCALE,
    FILTER_BIAS,
    fit_whitening,
    load_whitened,
    normalize_contrast,
    whiten,
)
from ablate.errors import DataError

WHITEN = """
import sys
from pathlib import Path
import numpy as np
from ablate.data.location import Location
from ablate.data.sources import Images
from ablate.data.whitening import load_whitened
draw = np.random.RandomState(0)
images, labels = draw.randint(0, 256, (60, 4, 4, 3), np.uint8), np.arange(60) % 3
here = Location(Path(), Path(sys.argv[1]))
print("ready", flush=True)
input()
load_whitened("some", Images(images, labels, images[:9], labels[:9]), "0" * 16, None, here, print)
"""


def some_images(n: int = 200, size: int = 4, seed: int = 0) -> np.ndarray:
    """Images whose neighbouring pixels are alike, so that there is something to whiten."""
    noise = np.random.RandomState(seed).randint(0, 256, (n, size + 1, size + 1, 3))
    return ((noise[:, 1:, 1:] + noise[:, :-1, 1:] + noise[:, 1:, :-1]) // 3).astype(np.uint8)


def some_parts(n: int = 200) -> Images:
    return Images(some_images(n), np.arange(n) % 4, some_images(20, seed=1), np.arange(20) % 4)


@pytest.fixture
def here(tmp_path: Path) -> Location:
    return Location(tmp_path, tmp_path / "cache")


def test_contrast_by_hand() -> None:
    """(0, 10, 20, 30) less its mean is (-15, -5, 5, 15), of norm sqrt(500); one colour is left at zero."""
    images = np.array([[0, 10, 20, 30], [7, 7, 7, 7]], np.uint8).reshape(2, 2, 2, 1)
    normal = normalize_contrast(images)
    assert normal.dtype == np.float64
    assert normal[0] == pytest.approx(np.array([-15, -5, 5, 15]) * 55 / np.sqrt(500), rel=1e-15)
    assert normal[1].tolist() == [0, 0, 0, 0]


def test_every_image_has_the_same_contrast() -> None:
    normal = normalize_contrast(some_images())
    assert np.abs(normal.mean(1)).max() < 1e-12
    assert np.linalg.norm(normal, axis=1) == pytest.approx(CONTRAST_SCALE, rel=1e-12)


def test_whitened_images_have_the_covariance_that_theory_gives() -> None:
    """In the eigenbasis of the covariance C it is diagonal, eigenvalue / (eigenvalue + bias): nearly one, or nearly 0."""
    images = some_images(2000)
    values, vectors = np.linalg.eigh(empirical_covariance(normalize_contrast(images)))
    whitened = whiten(images, fit_whitening(images)).reshape(2000, -1).astype(np.float64)
    assert np.abs(whitened.mean(0)).max() < 1e-5
    turned = vectors.T @ empirical_covariance(whitened) @ vectors
    assert np.abs(turned - np.diag(values / (values + FILTER_BIAS))).max() < 1e-5
    assert values[0] < 1e-9 and values[-1] > 100  # no image has contrast in the direction of its mean


def test_zca_turns_nothing() -> None:
    """The matrix is symmetric and positive, the power -1/2: whitened images stay as close to the images as they can."""
    images = some_images()
    matrix = fit_whitening(images).matrix
    assert np.array_equal(matrix, matrix.T) and np.linalg.eigvalsh(matrix).min() > 0
    covariance = empirical_covariance(normalize_contrast(images)) + FILTER_BIAS * np.eye(48)
    assert np.abs(matrix @ matrix @ covariance - np.eye(48)).max() < 1e-9


def test_more_images_than_a_chunk() -> None:
    images = some_images(2 * CHUNK + 7, size=2)
    fitted = fit_whitening(images)
    normal = normalize_contrast(images)
    assert fitted.mean == pytest.approx(normal.mean(0), abs=1e-12)
    expected = (normal - normal.mean(0)) @ fitted.matrix
    assert np.allclose(whiten(images, fitted).reshape(len(images), -1), expected, rtol=1e-6, atol=1e-6)


def test_the_same_bits_twice() -> None:
    first, second = fit_whitening(some_images()), fit_whitening(some_images())
    assert first.mean.tobytes() == second.mean.tobytes() and first.matrix.tobytes() == second.matrix.tobytes()


def test_the_fit_is_of_the_training_images_in_use_alone(here: Location) -> None:
    parts = some_parts()
    chosen = stratified(parts.train_labels, 40)
    made = load_whitened("some", parts, "1" * 16, 40, here)
    assert made.train_images.dtype == made.test_images.dtype == np.float32
    assert np.array_equal(made.train_labels, parts.train_labels[chosen])
    assert np.array_equal(made.train_images, whiten(parts.train_images[chosen], fit_whitening(parts.train_images[chosen])))
    # Other images outside the subset, and other test images, change nothing in the fit.
    train, test = parts.train_images.copy(), parts.test_images.copy()
    train[np.setdiff1d(np.arange(200), chosen)] = 0
    test[3] = 255 - test[3]
    other = load_whitened("some", parts._replace(train_images=train, test_images=test), "2" * 16, 40, here)
    assert np.array_equal(made.train_images, other.train_images)
    same = [np.array_equal(a, b) for a, b in zip(made.test_images, other.test_images)]
    assert same == [i != 3 for i in range(20)]


def test_another_subset_is_another_fit(here: Location) -> None:
    parts = some_parts()
    said: list[str] = []
    for size in (40, 80, None, 200, 40):  # 200 is all there are
        load_whitened("some", parts, "1" * 16, size, here, said.append)
    assert ["by 40 " in said[0], "by 80 " in said[1], "by 200 " in said[2], len(said)] == [True, True, True, 3]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip_a_pixel(data: bytes) -> bytes:
    at = data.index(b"NUMPY") + 200
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("damage", [cut, flip_a_pixel])
def test_a_damaged_file_is_made_anew(here: Location, damage: Callable[[bytes], bytes]) -> None:
    said: list[str] = []
    made = load_whitened("some", some_parts(), "1" * 16, None, here, said.append)
    (path,) = here.cache.glob("*/train_images.npy")
    intact = path.read_bytes()
    assert len(load_whitened("some", some_parts(), "1" * 16, None, here, said.append).train_labels) == 200
    assert len(said) == 1
    path.unlink()
    path.write_bytes(damage(intact))
    again = load_whitened("some", some_parts(), "1" * 16, None, here, said.append)
    assert len(said) == 2 and all(np.array_equal(a, b) for a, b in zip(made, again))


def test_two_processes_whiten_once(here: Location) -> None:
    said = said_by_two(WHITEN, str(here.cache))
    assert said.count("whitening some by 60 training images") == 1


def test_images_that_are_too_large_are_refused() -> None:
    with pytest.raises(DataError, match=r"zca for images of 65x65x3, a matrix of 12,675 .* allowed: up to 12,288"):
        fit_whitening(np.zeros((2, 65, 65, 3), np.uint8))
