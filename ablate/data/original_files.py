"""Data sets in the files that their authors published, which are read only if they are the published ones."""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ablate.data.archives import extract_archive, fetch_archives
from ablate.data.sources import Images, Labelled, Reading, Source, stratified
from ablate.errors import DataError

DIGITS_TEST = 500
SVHN_TEST = "test_32x32.mat"


def read_digits(root: Path, image_size: int) -> Images:
    """scikit-learn's 1,797 handwritten digits, 8x8 pixels, 17 grey levels. A fixed stratified split has 500 test images."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    test = stratified(labels, DIGITS_TEST)
    train = np.setdiff1d(np.arange(len(labels)), test)
    return Images(images[train], labels[train], images[test], labels[test])


def cifar(name: str) -> Source:
    """The source of CIFAR-10 or CIFAR-100: torchvision, which checks the MD5 of every file.

    Args:
        name: "CIFAR10" or "CIFAR100".
    """
    folder, batches = {"CIFAR10": ("cifar-10-batches-py", "data_batch_*"), "CIFAR100": ("cifar-100-python", "train")}[name]

    def kind(training_only: bool) -> Any:
        import torchvision.datasets

        kind = getattr(torchvision.datasets, name)
        # torchvision opens every file in its lists to check it; without a test list it opens no test file
        return type(name, (kind,), {"test_list": []}) if training_only else kind

    def download(root: Path, training_only: bool) -> None:
        from torchvision.datasets.utils import check_integrity, download_url

        published = kind(training_only)
        files = [*published.train_list, *published.test_list, (published.meta["filename"], published.meta["md5"])]

        def wrong() -> list[str]:
            return [file for file, md5 in files if not check_integrity(str(root / folder / file), md5)]

        if wrong():
            download_url(published.url, str(root), published.filename, published.tgz_md5)
            extract_archive(root / published.filename, root)
        if names := wrong():
            raise DataError(f"{published.filename} lacks {', '.join(names)}")

    def read(root: Path, train: bool, training_only: bool = False) -> Labelled:
        try:
            part = kind(training_only)(str(root), train=train)
        except RuntimeError:
            raise DataError(f"{root / folder}: files are missing or damaged; fetch them again with `download`") from None
        return Labelled(part.data, np.asarray(part.targets, np.int64))

    def files(root: Path, pattern: str = "*") -> list[Path]:
        return sorted(path for path in (root / folder).glob(pattern) if path.is_file())

    return Source(
        Reading(files, lambda root, image_size: Images(*read(root, True), *read(root, False)), folder),
        Reading(lambda root: files(root, batches), lambda root, image_size: read(root, True, training_only=True), folder),
        download,
    )


def _download(files: list[tuple[str, str, str]], into: Path) -> None:
    """Download files, given as (address, name, MD5)."""
    from torchvision.datasets.utils import download_url

    for url, name, md5 in files:
        download_url(url, str(into), name, md5)


def _check(name: str, path: Path, md5: str) -> None:
    """Check that a file is the published one, before it is parsed.

    Raises:
        DataError: The file is missing, or has another MD5.
    """
    from torchvision.datasets.utils import check_integrity

    if not path.is_file():
        raise DataError(f"{name}: {path.name} is missing in {path.parent.absolute()}; fetch it with `download`")
    if not check_integrity(str(path), md5):
        raise DataError(f"{path}: its MD5 is not the one that the authors' file has; fetch it again with `download`")


def _in_files(
    paths: Callable[..., list[Path]],
    read: Callable[[Path, str], Labelled],
    looked_for: tuple[str, str],
    download: Callable[[Path, bool], object],
) -> Source:
    """The source of a data set with files of its own for the training and for the test images.

    Args:
        paths: (root, parts...) -> the files of these parts, whether they exist or not; a part is "train" or "test".
        read: (root, part) -> the images of a part.
        looked_for: What an error message says is missing: of all images, of the training images.
        download: As in Source.
    """

    def present(*parts: str) -> Callable[[Path], list[Path]]:
        return lambda root: [path for path in paths(root, *parts) if path.is_file()]

    return Source(
        Reading(
            present("train", "test"),
            lambda root, image_size: Images(*read(root, "train"), *read(root, "test")),
            looked_for[0],
        ),
        Reading(present("train"), lambda root, image_size: read(root, "train"), looked_for[1]),
        download,
    )


def svhn(name: str, training: tuple[str, ...]) -> Source:
    """The source of Street View House Numbers, cropped. The files label the digit 0 as 10.

    Args:
        name: Of the data set, for messages.
        training: The files of the training images, in order: train_32x32.mat, with or without extra_32x32.mat.
    """
    files = {"train": training, "test": (SVHN_TEST,)}

    def paths(root: Path, *parts: str) -> list[Path]:
        return [root / file for part in parts for file in files[part]]

    def read_file(path: Path) -> Labelled:
        from scipy.io import loadmat
        from torchvision.datasets import SVHN

        _check(name, path, next(md5 for _, known, md5 in SVHN.split_list.values() if known == path.name))
        content = loadmat(path, variable_names=["X", "y"])
        images, digits = content["X"], content["y"]
        return Labelled(np.ascontiguousarray(images.transpose(3, 0, 1, 2)), digits[:, 0].astype(np.int64) % 10)

    def read(root: Path, part: str) -> Labelled:
        return Labelled(*(np.concatenate(both) for both in zip(*map(read_file, paths(root, part)))))

    def download(root: Path, training_only: bool) -> None:
        from torchvision.datasets import SVHN

        wanted = training if training_only else (*training, SVHN_TEST)
        _download([entry for entry in SVHN.split_list.values() if entry[1] in wanted], root)

    return _in_files(paths, read, (", ".join((*training, SVHN_TEST)), ", ".join(training)), download)


def parse_idx(data: bytes) -> np.ndarray[Any, Any]:
    """The array of a file in MNIST's format: two zeros, the type, the number of dimensions, the dimensions, the values.

    Args:
        data: The whole content of the file, not compressed.

    Raises:
        ValueError: It is no array of bytes, or has another length than its header says.
    """
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise ValueError("not an array of bytes in MNIST's format")
    shape = struct.unpack_from(f">{data[3]}I", data, 4)
    return np.frombuffer(data, np.uint8, math.prod(shape), 4 + 4 * data[3]).reshape(shape)


def _labelled(images: bytes, labels: bytes) -> Labelled:
    """Grey images and labels of MNIST's format, compressed by gzip."""
    return Labelled(parse_idx(gzip.decompress(images))[..., None], parse_idx(gzip.decompress(labels)).astype(np.int64))


def mnist(kind: str) -> Source:
    """The source of MNIST, Fashion-MNIST or KMNIST, in their four compressed files.

    Args:
        kind: torchvision's name: "MNIST", "FashionMNIST" or "KMNIST"; the files are in DIR/<kind>/raw.
    """
    stems = {"train": "train", "test": "t10k"}
    names = {part: [f"{stem}-images-idx3-ubyte.gz", f"{stem}-labels-idx1-ubyte.gz"] for part, stem in stems.items()}

    def paths(root: Path, *parts: str) -> list[Path]:
        return [root / kind / "raw" / name for part in parts for name in names[part]]

    def read(root: Path, part: str) -> Labelled:
        import torchvision.datasets

        published = dict(getattr(torchvision.datasets, kind).resources)
        for path in paths(root, part):
            _check(kind, path, published[path.name])
        images, labels = paths(root, part)
        return _labelled(images.read_bytes(), labels.read_bytes())

    def download(root: Path, training_only: bool) -> None:
        import torchvision.datasets

        published = getattr(torchvision.datasets, kind)
        wanted = names["train"] if training_only else [*names["train"], *names["test"]]
        files = [(published.mirrors[0] + file, file, md5) for file, md5 in published.resources if file in wanted]
        _download(files, root / kind / "raw")

    return _in_files(paths, read, (f"{kind}/raw/*.gz", f"{kind}/raw/train-*.gz"), download)


def emnist(split: str) -> Source:
    """The source of a split of EMNIST, in the one archive that has all splits. Images are stored with x and y exchanged.

    Args:
        split: "balanced", "letters", "digits", "byclass", "bymerge" or "mnist"; the labels of letters begin with 1.
    """
    archive = Path("EMNIST", "raw", "gzip.zip")

    def read(root: Path, part: str) -> Labelled:
        from torchvision.datasets import EMNIST

        _check(f"emnist_{split}", root / archive, EMNIST.md5)
        stem = f"gzip/emnist-{split}-{part}"
        with zipfile.ZipFile(root / archive) as file:
            images, labels = _labelled(*map(file.read, (f"{stem}-images-idx3-ubyte.gz", f"{stem}-labels-idx1-ubyte.gz")))
        return Labelled(np.ascontiguousarray(images.transpose(0, 2, 1, 3)), labels - (split == "letters"))

    def download(root: Path, training_only: bool) -> None:
        from torchvision.datasets import EMNIST

        _download([(EMNIST.url, archive.name, EMNIST.md5)], (root / archive).parent)

    return _in_files(lambda root, *parts: [root / archive], read, (str(archive), str(archive)), download)


def stl10() -> Source:
    """The source of STL-10 without its unlabelled images. Images are stored by channel and column."""
    folder = "stl10_binary"

    def paths(root: Path, *parts: str) -> list[Path]:
        return [root / folder / f"{part}_{what}.bin" for part in parts for what in ("X", "y")]

    def read(root: Path, part: str) -> Labelled:
        from torchvision.datasets import STL10

        known = dict([*STL10.train_list, *STL10.test_list])
        for path in paths(root, part):
            _check("stl10", path, known[path.name])
        images, labels = (np.fromfile(path, np.uint8) for path in paths(root, part))
        return Labelled(
            np.ascontiguousarray(images.reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)), labels.astype(np.int64) - 1
        )

    def download(root: Path, training_only: bool) -> None:
        from torchvision.datasets import STL10

        fetch_archives([(STL10.url, STL10.tgz_md5)], root, root / folder)

    return _in_files(paths, read, (f"{folder}/*.bin", f"{folder}/train_*.bin"), download)


DIGITS = Source(  # one file has all images, so for the training images alone the test images are read and discarded
    Reading(lambda root: [], read_digits, ""),
    Reading(lambda root: [], lambda root, image_size: Labelled(*read_digits(root, image_size)[:2]), ""),
    package="scikit-learn",
)
