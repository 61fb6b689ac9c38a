"""The training images alone: the same as those of the whole, and nothing of the test images is opened for them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listed import list_imagenet, list_training
from original_formats import write_cifar, write_imagenet, write_svhn
from PIL import Image

from ablate.data.cache import known_digest, load_images, load_part
from ablate.data.data_sets import DATA_SETS, source_of
from ablate.data.location import Location
from ablate.data.sources import Labelled, Reading
from ablate.errors import DataError

TEST_FILES = {"image_folder": "test", "svhn": "test_32x32.mat", "cifar10": "cifar-10-batches-py/test_batch"}
TEST_FILES |= {"cifar100": "cifar-100-python/test", "imagenet": "val"}
SIZES = {"image_folder": 8, "digits": 8}

_watching: list[list[str]] = []  # the files that opened() tells of, while it does


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes, os.PathLike)):
        _watching[-1].append(os.fsdecode(arguments[0]))


@lru_cache
def _install() -> None:
    sys.addaudithook(_watch)  # once: nothing takes it away again


@contextmanager
def opened() -> Iterator[list[str]]:
    """Every file that is opened and folder that is listed in the block, whichever library does it."""
    _install()
    _watching.append([])
    try:
        yield _watching[-1]
    finally:
        _watching.pop()


@pytest.fixture
def here(tmp_path: Path) -> Location:
    return Location(tmp_path / "images", tmp_path / "cache")


def write(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few images of a data set in its own format."""
    if name.startswith("cifar"):
        write_cifar(root, name.upper(), monkeypatch)
    elif name == "svhn":
        write_svhn(root, monkeypatch)
    elif name == "imagenet":
        write_imagenet(root)
    elif name == "image_folder":
        for part, label, i in ((part, label, i) for part in ("train", "test") for label in "ab" for i in range(3)):
            path = root / part / label / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (10 * i, len(part), ord(label))).save(path)


def assert_equal(one: Labelled, other: Labelled) -> None:
    assert all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one, other))


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def spoil(path: Path) -> None:
    """Every file is garbage, and there is one more."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    for file in [*files, files[0].with_name("more.png")]:
        file.write_bytes(b"neither an image nor an array")


@pytest.mark.parametrize("name", ["digits", "image_folder", "svhn", "cifar10", "cifar100"])
def test_they_are_those_of_the_whole(here: Location, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    write(here.root, name, monkeypatch)
    whole, of_all = load_images(name, SIZES.get(name, 32), here)
    alone, digest = load_part(name, "train", SIZES.get(name, 32), here)
    assert_equal(alone, Labelled(whole.train_images, whole.train_labels))
    assert digest != of_all and len(digest) == 16
    assert_equal(alone, load_part(name, "train", SIZES.get(name, 32), here)[0])  # from the cache
    assert load_images(name, SIZES.get(name, 32), here)[1] == of_all
    assert len(list(here.cache.glob("*/sha256"))) == 2


@pytest.mark.parametrize("change", [remove, spoil])
@pytest.mark.parametrize("name", ["image_folder", "svhn", "cifar10", "cifar100"])
def test_test_files_change_nothing(
    here: Location, monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Path], None]
) -> None:
    write(here.root, name, monkeypatch)
    images, digest = load_part(name, "train", SIZES.get(name, 32), here)
    change(here.root / TEST_FILES[name])
    for place in (here, here._replace(cache=here.cache.with_name("another"))):
        again, digest_again = load_part(name, "train", SIZES.get(name, 32), place)
        assert_equal(again, images)
        assert digest_again == digest == known_digest(name, place, training_only=True)
    with pytest.raises(DataError):
        load_images(name, SIZES.get(name, 32), here)


@pytest.mark.parametrize("change", [remove, spoil])
def test_imagenets_validation_images_change_nothing(here: Location, change: Callable[[Path], None]) -> None:
    write_imagenet(here.root)
    listing, digest = list_training(here.root)
    whole, of_all = list_imagenet(here.root)
    assert listing.names.tolist() == whole.train.names.tolist() and digest != of_all
    change(here.root / "val")
    assert list_training(here.root)[1] == digest == known_digest("imagenet", here, training_only=True)


@pytest.mark.parametrize("name", ["image_folder", "svhn", "cifar10", "cifar100", "imagenet"])
def test_no_test_file_is_opened(here: Location, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    write(here.root, name, monkeypatch)
    forbidden = str(here.root / TEST_FILES[name])
    with opened() as files:
        for _ in range(2):  # decoded, then from the cache
            list_training(here.root) if name == "imagenet" else load_part(name, "train", SIZES.get(name, 32), here)
    assert any(file.startswith(str(here.root)) for file in files)
    assert not [file for file in files if file.startswith(forbidden)]
    with opened() as files:
        list_imagenet(here.root) if name == "imagenet" else load_images(name, SIZES.get(name, 32), here)
    assert [file for file in files if file.startswith(forbidden)]  # it would have been seen


def test_the_cache_holds_training_images_only(here: Location) -> None:
    alone, _ = load_part("digits", "train", 8, here)
    (path,) = here.cache.glob("digits-train-*-v2")
    assert {file.name for file in path.iterdir()} == {"images.npy", "labels.npy", "sha256"}
    assert len(np.load(path / "labels.npy")) == len(alone.labels) == 1297


@pytest.mark.parametrize(
    ("name", "said"),
    [("image_folder", "train/<class>/* not found in "), ("svhn", "train_32x32.mat, extra_32x32.mat not found in ")],
)
def test_missing_training_images_are_said(here: Location, name: str, said: str) -> None:
    with pytest.raises(DataError, match=f"^{name}: ") as caught:
        load_part(name, "train", 32, here)
    assert said in str(caught.value)


def test_svhns_test_file_is_not_fetched_either(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(url: str, root: str, file: str, md5: str) -> None:
        asked.append(file)
        write_svhn(Path(root), monkeypatch)

    monkeypatch.setattr("torchvision.datasets.utils.download_url", fetch)
    load_part("svhn", "train", 32, here._replace(download=True))
    assert sorted(asked) == ["extra_32x32.mat", "train_32x32.mat"]


def test_cifar_is_not_fetched_for_want_of_its_test_file(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(here.root, "CIFAR10", monkeypatch)
    remove(here.root / TEST_FILES["cifar10"])
    monkeypatch.setattr("torchvision.datasets.utils.download_url", lambda *args, **kwargs: 1 / 0)
    assert len(load_part("cifar10", "train", 32, here._replace(download=True))[0].labels) == 100


def test_a_reader_of_test_images_is_never_asked(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*where: Any) -> Any:
        raise AssertionError(f"the test images were asked for: {where}")

    write(here.root, "image_folder", monkeypatch)
    source = source_of("image_folder")._replace(whole=Reading(never, never, "test/<class>/*"))
    monkeypatch.setitem(
        DATA_SETS.built_in, "image_folder", replace(DATA_SETS["image_folder"], source=lambda options: source)
    )
    assert len(load_part("image_folder", "train", 8, here)[0].labels) == 6
    with pytest.raises(AssertionError, match="were asked for"):
        load_images("image_folder", 8, here)
