from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from original_formats import EXTRACTS, write_cifar, write_svhn
from PIL import Image
from scipy.io import loadmat, savemat

from ablate.data.cache import load_images
from ablate.data.checks import check_labels, check_shape
from ablate.data.data_sets import DATA_SETS, source_of
from ablate.data.location import Location
from ablate.data.original_files import read_digits
from ablate.data.sources import stratified
from ablate.errors import DataError


@pytest.fixture
def here(tmp_path: Path) -> Location:
    return Location(tmp_path / "images", tmp_path / "cache")


def write_image(path: Path, size: tuple[int, int], value: int, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 0, 255 - value)).save(path)


def write_folder(root: Path, size: tuple[int, int] = (8, 8), classes: tuple[str, ...] = ("cat", "dog")) -> None:
    for part in ("train", "test"):
        for index, name in enumerate(classes):
            for i in range(3):
                write_image(root / part / name / f"{i}.png", size, 10 * index + i)


def test_digits_are_split_once_and_evenly() -> None:
    images = read_digits(Path(), 8)
    assert images.train_images.shape == (1297, 8, 8, 1) and images.test_images.shape == (500, 8, 8, 1)
    assert images.train_images.dtype == np.uint8 and images.train_images.max() == 255
    counts = np.bincount(images.test_labels)
    assert counts.min() >= 48 and counts.max() <= 51
    together = np.concatenate([images.train_images, images.test_images]).reshape(1797, -1)
    assert len(np.unique(together, axis=0)) == 1797
    assert hashlib.sha256(images.test_labels.tobytes()).hexdigest()[:8] == "608e9fdd"


def test_stratified_subsets_keep_shares_and_nest() -> None:
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    small, large = stratified(labels, 50), stratified(labels, 500)
    assert np.bincount(labels[small]).tolist() == [30, 15, 5]
    assert len(large) == len(set(large)) == 500
    assert set(small) <= set(large)
    assert np.bincount(labels[stratified(labels, 7)]).tolist() == [4, 2, 1]


def test_image_folder_reads_any_images(here: Location) -> None:
    write_folder(here.root)
    write_image(here.root / "train" / "dog" / "3.png", (20, 12), 200)
    write_image(here.root / "test" / "dog" / "3.png", (8, 8), 77, mode="L")
    images, _ = load_images("image_folder", 8, here)
    assert images.train_images.shape == (7, 8, 8, 3) and images.train_labels.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert images.train_images[:3, 0, 0].tolist() == [[0, 0, 255], [1, 0, 254], [2, 0, 253]]
    assert np.unique(images.train_images[6, ..., 0]).tolist() == [200]
    assert np.unique(images.test_images[6]).tolist() == [77]


def test_image_folder_names_the_file_it_cannot_read(here: Location) -> None:
    write_folder(here.root)
    (here.root / "test" / "cat" / "1.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"test/cat/1\.png"):
        load_images("image_folder", 8, here)


def test_image_folder_wants_the_same_classes(here: Location) -> None:
    write_folder(here.root)
    shutil.move(here.root / "test" / "dog", here.root / "test" / "fox")
    with pytest.raises(DataError, match="dog, fox"):
        load_images("image_folder", 8, here)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "svhn", "image_folder"])
def test_missing_images_say_what_where_and_how(here: Location, name: str) -> None:
    with pytest.raises(DataError) as caught:
        load_images(name, 32, here)
    message = str(caught.value)
    assert source_of(name).whole.looked_for in message and str(here.root) in message and "ABLATE_DATA" in message
    assert ("`download`" in message) == (name != "image_folder")


@pytest.mark.parametrize(("name", "batches"), [("CIFAR10", 5), ("CIFAR100", 1)])
def test_cifar_in_its_original_format(here: Location, monkeypatch: pytest.MonkeyPatch, name: str, batches: int) -> None:
    data, labels = write_cifar(here.root, name, monkeypatch)
    images, digest = load_images(name.lower(), 32, here)
    assert images.train_images.shape == (20 * batches, 32, 32, 3) and len(digest) == 16
    assert images.test_labels.tolist() == labels
    # The files hold each channel whole, one after the other.
    assert np.array_equal(images.test_images[4, :, :, 1].ravel(), data[4, 1024:2048])


def test_a_damaged_cifar_file_is_refused(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(here.root, "CIFAR10", monkeypatch)
    file = here.root / "cifar-10-batches-py" / "data_batch_3"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match="cifar-10-batches-py"):
        load_images("cifar10", 32, here)


def pack_cifar(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10's archive, as it is downloaded, in the place of its files."""
    write_cifar(root, "CIFAR10", monkeypatch)
    archive = root / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(root / "cifar-10-batches-py", "cifar-10-batches-py")
    shutil.rmtree(root / "cifar-10-batches-py")
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    monkeypatch.setattr("torchvision.datasets.CIFAR10.tgz_md5", md5)
    return archive


@EXTRACTS
@pytest.mark.parametrize("lost", [None, "data_batch_3", "batches.meta"])
def test_cifar_is_extracted_where_a_file_is_missing(
    here: Location, monkeypatch: pytest.MonkeyPatch, lost: str | None
) -> None:
    archive = pack_cifar(here.root, monkeypatch)
    downloading = here._replace(download=True)
    images, digest = load_images("cifar10", 32, downloading)
    assert images.train_images.shape == (100, 32, 32, 3)
    if lost:
        (here.root / "cifar-10-batches-py" / lost).unlink()
    else:
        archive.unlink()  # not wanted again
    assert load_images("cifar10", 32, downloading)[1] == digest


def test_no_archive_is_extracted_without_the_filter(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    pack_cifar(here.root, monkeypatch)
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz cannot be extracted safely by this Python.*3\.11\.4"):
        load_images("cifar10", 32, here._replace(download=True))
    assert [path.name for path in here.root.glob("[!.]*")] == ["cifar-10-python.tar.gz"]


def test_svhn_in_its_original_format(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    written = write_svhn(here.root, monkeypatch)
    images, digest = load_images("svhn", 32, here)
    assert images.train_images.shape == (64, 32, 32, 3) and images.train_images.dtype == np.uint8 and len(digest) == 16
    assert np.array_equal(images.train_images[3], written["train"][..., 3])
    assert np.array_equal(images.train_images[40], written["extra"][..., 0])  # extra comes after train
    assert np.array_equal(images.test_images[7], written["test"][..., 7])
    assert images.train_labels[:12].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]  # 10 is the digit 0
    assert images.test_labels.dtype == np.int64


def test_svhn_needs_its_extra_images(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(here.root, monkeypatch)
    (here.root / "extra_32x32.mat").unlink()
    with pytest.raises(DataError, match=r"svhn: extra_32x32\.mat is missing in .*`download`"):
        load_images("svhn", 32, here)


@pytest.mark.parametrize("name", ["train_32x32.mat", "extra_32x32.mat", "test_32x32.mat"])
def test_a_file_that_is_not_svhns_own_is_not_parsed(here: Location, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    write_svhn(here.root, monkeypatch)
    file = here.root / name
    savemat(file, {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones((4, 1), np.uint8)})
    parsed = []
    monkeypatch.setattr("scipy.io.loadmat", lambda path, **options: parsed.append(path) or loadmat(path, **options))
    with pytest.raises(DataError) as caught:
        load_images("svhn", 32, here)
    message = str(caught.value)
    assert message.startswith(f"{file}: its MD5 is not ") and "\n" not in message
    assert file not in parsed


def test_svhn_is_fetched_by_its_md5_sums(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def fetch(url: str, root: str, file: str, md5: str) -> None:
        asked[file] = (url, md5)
        write_svhn(Path(root), monkeypatch)

    monkeypatch.setattr("torchvision.datasets.utils.download_url", fetch)
    load_images("svhn", 32, here._replace(download=True))
    url, md5 = asked["extra_32x32.mat"]
    assert url.endswith("/extra_32x32.mat") and md5 == "a93ce644f1a588dc4d68dda5feec44a7" and len(asked) == 3


def test_download_is_asked_only_when_wanted(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    source = source_of("cifar10")._replace(download=lambda *wanted: asked.append(wanted))
    monkeypatch.setitem(DATA_SETS.built_in, "cifar10", replace(DATA_SETS["cifar10"], source=lambda: source))
    for wanted in (False, True):
        with pytest.raises(DataError):
            load_images("cifar10", 32, here._replace(download=wanted))
        assert asked == [(here.root, False)] * wanted


def test_labels_that_start_at_1_are_named() -> None:
    labels = np.arange(1, 6)
    with pytest.raises(DataError, match="labels: found 1 to 5; allowed: whole numbers from 0"):
        check_labels(labels, labels, 6, None)
    check_labels(labels - 1, labels - 1, 5, None)
    with pytest.raises(DataError, match="labels of test images: found 5; allowed: those of the training images, 0 to 4"):
        check_labels(labels - 1, labels, 5, None)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ((12, (1, 8, 8), None, None), "data.classes: the study says 12"),
        ((10, (3, 8, 8), None, None), "8x8x1; the study says 8x8x3"),
        ((10, (1, 8, 8), 11, None), "data.train_size: found 11; there are 10"),
        ((10, (1, 8, 8), None, 11), "data.test_size: found 11; there are 10"),
    ],
)
def test_images_must_be_what_the_study_declares(declared: tuple, said: str) -> None:
    array, labels = np.zeros((10, 8, 8, 1), np.uint8), np.arange(10)

    def check(classes: int, shape: tuple[int, int, int], train_size: int | None, test_size: int | None) -> None:
        check_shape(array, shape)
        check_labels(labels, labels, classes, train_size, test_size)

    check(10, (1, 8, 8), 10, None)
    with pytest.raises(DataError, match=re.escape(said)):
        check(*declared)
