from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.data.arrays import Stored, _read
from ablate.data.cache import infer_facts, load_images, load_part
from ablate.data.location import Location
from ablate.data.read_options import DrawnTest, Facts, ReadOptions
from ablate.errors import DataError

DRAW = np.random.RandomState(0)
IMAGES = DRAW.randint(0, 256, (30, 8, 8, 3), np.uint8)
LABELS = (np.arange(30) % 3).astype(np.uint8)
GOOD = {"train_images": IMAGES, "train_labels": LABELS, "test_images": IMAGES[:9], "test_labels": LABELS[:9]}


@pytest.fixture
def here(tmp_path: Path) -> Location:
    (tmp_path / "images").mkdir()
    return Location(tmp_path / "images", tmp_path / "cache")


def write(root: Path, packed: bool = True, **arrays: Any) -> None:
    if packed:
        np.savez(root / "mine.npz", **arrays)
    else:
        for name, array in arrays.items():
            np.save(root / f"{name}.npy", array)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("names", [GOOD, ("x_train", "y_train", "x_test", "y_test")], ids=["medmnist", "keras"])
def test_arrays_by_path(here: Location, packed: bool, names: Any) -> None:
    write(here.root, packed, **dict(zip(names, GOOD.values())))
    images, digest = load_images("arrays", 8, here)
    assert np.array_equal(images.train_images, IMAGES) and np.array_equal(images.test_labels, LABELS[:9])
    assert infer_facts("arrays", here, ReadOptions()) == Facts(3, 8, 3, "8x8", (30, 9))
    if packed:
        assert load_images("arrays", 8, here._replace(root=here.root / "mine.npz", cache=here.cache / "b"))[1] == digest


def test_grey_images_labels_in_a_column_and_validation_images(here: Location) -> None:
    grey = {**GOOD, "train_images": IMAGES[..., 0], "test_images": IMAGES[:9, ..., 0]}
    write(here.root, **grey, val_images=IMAGES[9:15, ..., 1], val_labels=LABELS[9:15, None])
    images, _ = load_images("arrays", 8, here)
    assert images.train_images.shape == (30, 8, 8, 1)
    validation, _ = load_part("arrays", "val", 8, here)
    assert np.array_equal(validation.images[..., 0], IMAGES[9:15, ..., 1]) and validation.labels.ndim == 1
    assert infer_facts("arrays", here, ReadOptions()).channels == 1


def test_other_sizes_are_changed_only_where_that_is_stated(here: Location) -> None:
    wide = {**GOOD, "train_images": IMAGES[:, :6], "test_images": IMAGES[:9, :6]}
    write(here.root, **wide)
    assert infer_facts("arrays", here, ReadOptions()).image_size is None
    with pytest.raises(DataError, match=r"images of 8x6 pixels, the study says 6x6; set data\.resize"):
        load_images("arrays", 6, here)
    cropped, _ = load_images("arrays", 6, here, options=ReadOptions(resize="crop"))
    assert np.array_equal(cropped.train_images, IMAGES[:, :6, 1:7])
    assert load_images("arrays", 5, here, options=ReadOptions(resize="pad"))[0].test_images.shape == (9, 5, 5, 3)


def test_a_split_needs_no_test_arrays(here: Location) -> None:
    write(here.root, train_images=IMAGES, train_labels=LABELS)
    options = ReadOptions(split=DrawnTest(6))
    images, _ = load_images("arrays", 8, here, options=options)
    assert np.bincount(images.test_labels).tolist() == [2, 2, 2] and len(images.train_labels) == 24
    assert np.array_equal(load_part("arrays", "train", 8, here, options=options)[0].images, images.train_images)
    with pytest.raises(DataError, match=r"arrays: a \.npz file, .* not found"):
        load_images("arrays", 8, here)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"train_images": IMAGES / 255}, "images are float64 of shape 30 x 8 x 8 x 3; allowed: uint8"),
        ({"train_images": IMAGES.transpose(0, 3, 1, 2)}, "shape 30 x 3 x 8 x 8"),
        ({"train_labels": LABELS[:5]}, "30 images and 5 labels"),
        ({"train_labels": LABELS.astype(float)}, "labels are float64 of shape 30"),
        ({"train_labels": LABELS.astype(int) - 1}, "found the label -1"),
        ({"train_labels": np.array([{}] * 30)}, "train_labels: holds Python objects"),
        ({"train_images": np.asfortranarray(IMAGES)}, "is stored by columns"),
    ],
)
def test_arrays_of_another_kind_are_refused(here: Location, wrong: dict[str, Any], said: str) -> None:
    write(here.root, **{**GOOD, **wrong})
    with pytest.raises(DataError, match=said):
        load_images("arrays", 8, here)


def npy(shape: str, data: bytes = b"") -> bytes:
    """A .npy file that claims a shape."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (npy("(1000000, 1000, 1000, 3)"), "allowed: 137,438,953,472"),
        (npy("(1000000, 100, 100, 3)"), "another length than its header says"),
        (npy("(1,)", bytes(100)), "another length than its header says"),
        (b"\x80\x04K\x01.", "cannot be read as an array"),
    ],
)
def test_a_file_cannot_claim_what_it_has_not(tmp_path: Path, content: bytes, said: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("train_images.npy", content)
    (tmp_path / "b.npy").write_bytes(content)
    for stored in (Stored(tmp_path / "a.npz", "train_images.npy"), Stored(tmp_path / "b.npy")):
        with pytest.raises(DataError, match=said):
            _read(stored)


def test_a_damaged_npz_is_named(here: Location) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **GOOD)
    (here.root / "mine.npz").write_bytes(buffer.getvalue()[:3000])
    with pytest.raises(DataError, match=r"mine\.npz: damaged"):
        load_images("arrays", 8, here)


@pytest.mark.parametrize("labels", [np.array(["a"] * 4), np.zeros(4, [("a", int)]), np.zeros(4), np.zeros(0, int)])
def test_what_no_label_is_says_nothing_of_the_classes(tmp_path: Path, labels: np.ndarray[Any, Any]) -> None:
    images = np.zeros((4, 8, 8), np.uint8)
    np.savez(tmp_path / "a.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    with pytest.raises(DataError, match=r"labels are .*; allowed: one whole number from 0 for each image"):
        infer_facts("arrays", Location(tmp_path, tmp_path / "cache"), ReadOptions())
