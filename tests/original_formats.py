"""A few images in the files of the data sets themselves, as small as they can be."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torchvision
from PIL import Image
from scipy.io import savemat


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
