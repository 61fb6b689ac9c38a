"""A few images in the files of the data sets themselves, as small as they can be."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torchvision
from PIL import Image
from scipy.io import savemat

# For tests that extract an archive, which ablate refuses where tarfile cannot do it safely, as with Debian 12's Python.
EXTRACTS = pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="tarfile has no data filter")


def write_cifar(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch, images: int = 20, classes: int = 10
) -> tuple[np.ndarray, list[int]]:
    """Pickled batches of so many images each, with torchvision told their MD5 sums; the test images and labels."""
    kind = getattr(torchvision.datasets, name)
    folder = root / kind.base_folder
    folder.mkdir(parents=True)
    key = {"CIFAR10": "labels", "CIFAR100": "fine_labels"}[name]
    draw = np.random.RandomState(0)
    test = None
    lists: dict[str, list[list[str]]] = {"train_list": [], "test_list": []}
    for which, entries in lists.items():
        for file, _ in getattr(kind, which):
            data, labels = draw.randint(0, 256, (images, 3072), np.uint8), [i % classes for i in range(images)]
            content = pickle.dumps({"data": data, key: labels})
            (folder / file).write_bytes(content)
            entries.append([file, hashlib.md5(content).hexdigest()])
            test = (data, labels)
        monkeypatch.setattr(kind, which, entries)
    meta = pickle.dumps({kind.meta["key"]: [f"class {i}" for i in range(classes)]})
    (folder / kind.meta["filename"]).write_bytes(meta)
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": hashlib.md5(meta).hexdigest()})
    assert test is not None
    return test


def write_svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """MATLAB files of version 5, compressed as the published ones, with torchvision told their MD5 sums.

    X (32, 32, 3, N) of each by its name.
    """
    root.mkdir(parents=True, exist_ok=True)
    draw = np.random.RandomState(0)
    written, published = {}, {}
    for part, n in (("train", 40), ("extra", 24), ("test", 20)):
        images = draw.randint(0, 256, (32, 32, 3, n), np.uint8)
        digits = (1 + np.arange(n) % 10).astype(np.uint8)[:, None]
        url, file, _ = torchvision.datasets.SVHN.split_list[part]
        savemat(root / file, {"X": images, "y": digits}, do_compression=True)
        published[part] = [url, file, hashlib.md5((root / file).read_bytes()).hexdigest()]
        written[part] = images
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", published)
    return written


def write_imagenet(root: Path, classes: int = 6, images: int = 6) -> None:
    """train/<class>/* and val/<class>/*, JPEG of several sizes, one of them grey, each class of its own brightness."""
    draw = np.random.RandomState(0)
    for part in ("train", "val"):
        for label in range(classes):
            folder = root / part / f"n{label:08d}"
            folder.mkdir(parents=True)
            for i in range(images):
                pixels = (draw.randint(0, 128, (5, 5, 3)) + 20 * label).astype(np.uint8)
                image = Image.fromarray(pixels).resize((48 + 7 * i, 60 - 5 * i), Image.Resampling.BICUBIC)
                image.convert("L" if i == 2 else "RGB").save(folder / f"{folder.name}_{i}.JPEG")


def idx(array: np.ndarray) -> bytes:
    """An array in MNIST's format, compressed."""
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


def write_mnist(root: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The four files of MNIST, FashionMNIST or KMNIST, with torchvision told their MD5 sums; images and labels by part."""
    folder = root / kind / "raw"
    folder.mkdir(parents=True)
    draw = np.random.RandomState(0)
    written, published = {}, []
    for part, n in (("train", 40), ("t10k", 20)):
        images, labels = draw.randint(0, 256, (n, 28, 28), np.uint8), (np.arange(n) % 10).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte.gz", images), (f"{part}-labels-idx1-ubyte.gz", labels)):
            (folder / name).write_bytes(idx(array))
            published.append((name, hashlib.md5((folder / name).read_bytes()).hexdigest()))
        written[part] = (images, labels)
    monkeypatch.setattr(getattr(torchvision.datasets, kind), "resources", published)
    return written


def write_emnist(root: Path, split: str, monkeypatch: pytest.MonkeyPatch, classes: int) -> dict[str, np.ndarray]:
    """The archive of EMNIST with one split, whose labels begin with 1 for letters; the images by part."""
    archive = root / "EMNIST" / "raw" / "gzip.zip"
    archive.parent.mkdir(parents=True)
    draw = np.random.RandomState(0)
    written = {}
    with zipfile.ZipFile(archive, "w") as file:
        for part, n in (("train", 2 * classes), ("test", classes)):
            written[part] = draw.randint(0, 256, (n, 28, 28), np.uint8)
            labels = (np.arange(n) % classes + (split == "letters")).astype(np.uint8)
            file.writestr(f"gzip/emnist-{split}-{part}-images-idx3-ubyte.gz", idx(written[part]))
            file.writestr(f"gzip/emnist-{split}-{part}-labels-idx1-ubyte.gz", idx(labels))
    monkeypatch.setattr(torchvision.datasets.EMNIST, "md5", hashlib.md5(archive.read_bytes()).hexdigest())
    return written


def write_stl10(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """The labelled files of STL-10, with torchvision told their MD5 sums; the images as they are stored, by part."""
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    draw = np.random.RandomState(0)
    written = {}
    for part in ("train", "test"):
        images, labels = draw.randint(0, 256, (20, 3, 96, 96), np.uint8), (1 + np.arange(20) % 10).astype(np.uint8)
        published = []
        for name, array in ((f"{part}_X.bin", images), (f"{part}_y.bin", labels)):
            (folder / name).write_bytes(array.tobytes())
            published.append([name, hashlib.md5(array.tobytes()).hexdigest()])
        monkeypatch.setattr(torchvision.datasets.STL10, f"{part}_list", published)
        written[part] = images
    return written


def write_jpeg(path: Path, value: int, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> None:
    """An image of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, value, value)).save(path)


def write_food101(root: Path) -> None:
    """Three images of each of two classes for training, two for testing, each class of its own brightness."""
    folder = root / "food-101"
    (folder / "meta").mkdir(parents=True)
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for value, name in ((50, "apple_pie"), (200, "waffles")):
        for i in range(5):
            write_jpeg(folder / "images" / name / f"{i}.jpg", value)
            lists["train" if i < 3 else "test"].append(f"{name}/{i}")
    for part, lines in lists.items():
        (folder / "meta" / f"{part}.txt").write_text("\n".join(reversed(lines)) + "\n")


def write_pets(root: Path) -> None:
    """Images of two breeds, of which the first in the alphabet has the second number."""
    folder = root / "oxford-iiit-pet"
    (folder / "annotations").mkdir(parents=True)
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    for number, value, name in ((2, 50, "Abyssinian"), (1, 200, "american_bulldog")):
        for i in range(4):
            write_jpeg(folder / "images" / f"{name}_{i}.jpg", value)
            lists["trainval" if i < 3 else "test"].append(f"{name}_{i} {number} 1 {number}")
    for part, lines in lists.items():
        (folder / "annotations" / f"{part}.txt").write_text("\n".join(lines) + "\n")
