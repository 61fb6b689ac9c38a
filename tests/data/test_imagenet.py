from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from listed import list_imagenet, list_images
from original_formats import write_imagenet
from torchvision.datasets import ImageFolder

from ablate.data.cache import known_digest
from ablate.data.location import Location
from ablate.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_imagenet(tmp_path)
    return tmp_path


def test_images_and_labels_are_those_of_torchvision(root: Path) -> None:
    (root / "train" / "n00000001" / "notes.txt").write_text("no image by its name")
    (root / "train" / "README.md").write_text("no class")
    inner = root / "train" / "n00000001" / "more"
    inner.mkdir()
    (root / "train" / "n00000001" / "n00000001_4.JPEG").rename(inner / "4.jpg")
    listing, reference = list_images(root, "train"), ImageFolder(str(root / "train"))
    assert [listing.path(i) for i in range(len(listing.labels))] == [path for path, _ in reference.samples]
    assert listing.labels.tolist() == reference.targets and list(listing.classes) == reference.classes
    assert listing.sizes.tolist() == [Path(path).stat().st_size for path, _ in reference.samples]


def test_a_subset_keeps_all_classes(root: Path) -> None:
    listing = list_images(root, "val")
    some = listing.subset(np.array([0, 7]))
    assert some.labels.tolist() == [0, 1] and some.classes == listing.classes
    assert some.path(1) == listing.path(7)


def test_the_digest_follows_names_and_sizes(root: Path) -> None:
    files, digest = list_imagenet(root)
    assert len(files.train_labels) == len(files.test_labels) == 36 and len(digest) == 16
    place = Location(root, root / "cache")
    assert known_digest("imagenet", place) == digest == list_imagenet(root)[1]
    image = root / "val" / "n00000002" / "n00000002_1.JPEG"
    image.write_bytes(image.read_bytes() + b"\0")
    longer = list_imagenet(root)[1]
    image.rename(image.with_name("other.JPEG"))
    assert len({digest, longer, list_imagenet(root)[1]}) == 3
    assert not place.cache.exists()  # nothing was decoded or kept


def test_what_is_missing_is_said(root: Path) -> None:
    (root / "val" / "n00000003" / "notes.txt").write_text("")
    for image in (root / "val" / "n00000003").glob("*.JPEG"):
        image.unlink()
    with pytest.raises(DataError, match=r"no image in .*n00000003; allowed: \.jpg"):
        list_imagenet(root)
    shutil.rmtree(root / "val" / "n00000003")
    with pytest.raises(DataError, match="train and val have different classes: n00000003 only in one"):
        list_imagenet(root)
    shutil.rmtree(root / "val")
    with pytest.raises(DataError, match=r"val/<class>/\* not found in .*ABLATE_DATA"):
        list_imagenet(root)
    assert known_digest("imagenet", Location(root, root)) is None
