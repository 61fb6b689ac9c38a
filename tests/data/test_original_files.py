from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from original_formats import (
    EXTRACTS,
    write_emnist,
    write_food101,
    write_jpeg,
    write_mnist,
    write_pets,
    write_stl10,
    write_svhn,
)

from ablate.data.archives import fetch_archives
from ablate.data.cache import load_images, load_part
from ablate.data.data_sets import DATA_SETS, IMAGENETTE
from ablate.data.location import Location
from ablate.data.original_files import parse_idx
from ablate.errors import DataError


@pytest.fixture
def here(tmp_path: Path) -> Location:
    return Location(tmp_path / "images", tmp_path / "cache")


@pytest.mark.parametrize(("name", "kind"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST"), ("kmnist", "KMNIST")])
def test_mnist_and_its_likes(here: Location, monkeypatch: pytest.MonkeyPatch, name: str, kind: str) -> None:
    written = write_mnist(here.root, kind, monkeypatch)
    images, _ = load_images(name, 28, here)
    assert np.array_equal(images.train_images[..., 0], written["train"][0]) and images.train_images.dtype == np.uint8
    assert np.array_equal(images.test_labels, written["t10k"][1]) and images.test_labels.dtype == np.int64
    for file in (here.root / kind / "raw").glob("t10k*"):
        file.unlink()
    alone, _ = load_part(name, "train", 28, here)
    assert np.array_equal(alone.images, images.train_images)


def test_a_file_that_is_not_mnists_own_is_not_read(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(here.root, "MNIST", monkeypatch)
    file = here.root / "MNIST" / "raw" / "train-labels-idx1-ubyte.gz"
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz: its MD5 is not"):
        load_images("mnist", 28, here)


@pytest.mark.parametrize("data", [b"", b"\0\0\x0d\1\0\0\0\1\0", b"\0\0\x08\1\0\0\0\5abc"])
def test_what_is_no_array_of_bytes_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not an array of bytes|buffer"):
        parse_idx(data)


@pytest.mark.parametrize("split", ["letters", "balanced"])
def test_emnist_is_turned_upright(here: Location, monkeypatch: pytest.MonkeyPatch, split: str) -> None:
    classes = DATA_SETS[f"emnist_{split}"].classes
    assert classes is not None
    written = write_emnist(here.root, split, monkeypatch, classes)
    images, _ = load_images(f"emnist_{split}", 28, here)
    assert np.array_equal(images.test_images[3, :, :, 0], written["test"][3].T)
    assert np.unique(images.train_labels).tolist() == list(range(classes))


def test_stl10_without_its_unlabelled_images(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    written = write_stl10(here.root, monkeypatch)
    images, _ = load_images("stl10", 96, here)
    assert images.train_images.shape == (20, 96, 96, 3)
    assert images.test_images[7, 10, 90, 1] == written["test"][7, 1, 90, 10]  # stored by channel and column
    assert images.train_labels.tolist() == [i % 10 for i in range(20)]


def test_svhn_without_extra(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    written = write_svhn(here.root, monkeypatch)
    (here.root / "extra_32x32.mat").unlink()
    images, _ = load_images("svhn_without_extra", 32, here)
    assert np.array_equal(images.train_images, written["train"].transpose(3, 0, 1, 2)) and len(images.test_images) == 20


def test_food101_by_its_lists(here: Location) -> None:
    write_food101(here.root)
    images, _ = load_images("food101", 16, here)
    assert images.train_labels.tolist() == [0, 0, 0, 1, 1, 1] and images.test_labels.tolist() == [0, 0, 1, 1]
    assert images.train_images[:, 8, 8, 0].tolist() == [50, 50, 50, 200, 200, 200]


@pytest.mark.parametrize("line", ["../../etc/passwd", "/etc/passwd"])
def test_a_list_leads_nowhere_else(here: Location, line: str) -> None:
    write_food101(here.root)
    (here.root / "food-101" / "meta" / "train.txt").write_text(f"apple_pie/0\n{line}\n")
    with pytest.raises(DataError, match=r"train\.txt:2: a path outside of"):
        load_images("food101", 16, here)


def test_pets_are_numbered_as_published(here: Location) -> None:
    write_pets(here.root)
    images, _ = load_images("pets", 16, here)
    assert images.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.train_images[:, 8, 8, 0].tolist() == [200, 200, 200, 50, 50, 50]
    (here.root / "oxford-iiit-pet" / "annotations" / "trainval.txt").write_text("Abyssinian_0 one\n")
    with pytest.raises(DataError, match=r"trainval\.txt:1: not as published"):
        load_images("pets", 16, here)


@pytest.mark.parametrize("name", IMAGENETTE)
def test_imagenette_in_the_folders_of_its_archive(here: Location, name: str) -> None:
    folder = here.root / IMAGENETTE[name][0]
    for value, label in ((50, "n01440764"), (200, "n02102040")):
        for part in ("train", "val"):
            write_jpeg(folder / part / label / "1.JPEG", value)
    images, _ = load_images(name, 16, here)
    assert images.train_labels.tolist() == images.test_labels.tolist() == [0, 1]


@EXTRACTS
def test_a_broken_archive_leaves_nothing_that_could_be_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "0.txt").write_text("whole")
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as file:
        file.add(tmp_path / "made", "made")
    packed = (tmp_path / "a.tgz").read_bytes()
    into = tmp_path / "into"
    into.mkdir()

    def write(data: bytes) -> None:
        monkeypatch.setattr(
            "torchvision.datasets.utils.download_url",
            lambda url, root, name, md5: (Path(root) / name).write_bytes(data),
        )

    write(packed[: len(packed) // 2])
    with pytest.raises((tarfile.TarError, EOFError)):
        fetch_archives([("http://nowhere/a.tgz", "")], into, into / "made")
    assert [path.name for path in into.iterdir()] == ["a.tgz"]
    write(packed)
    fetch_archives([("http://nowhere/a.tgz", "")], into, into / "made")
    assert (into / "made" / "0.txt").read_text() == "whole"
