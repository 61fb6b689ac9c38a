"""The image files of a directory in ImageNet's layout."""

from __future__ import annotations

from pathlib import Path

from ablate.data.data_sets import source_of
from ablate.data.listing import ImageFiles, Listing, list_files, list_part, list_training_files


def list_images(root: Path, part: str) -> Listing:
    """The images of "train" or "val"."""
    parts = source_of("imagenet").parts
    assert parts is not None
    return list_part(parts(root, ["test" if part == "val" else part])[0], root, "imagenet")


def list_imagenet(root: Path) -> tuple[ImageFiles, str]:
    """All images and their digest."""
    return list_files("imagenet", source_of("imagenet"), root)


def list_training(root: Path) -> tuple[Listing, str]:
    """The training images and their digest."""
    return list_training_files("imagenet", source_of("imagenet"), root)
