"""Streamed images against torchvision's own crops, and against themselves with other processes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from listed import list_images
from original_formats import write_imagenet
from PIL import Image
from torch import Tensor
from torchvision.models import ResNet18_Weights
from torchvision.transforms import functional as F

from ablate.data import streaming
from ablate.data.augmentation_lists import Augment
from ablate.data.preprocessing import PREPROCESSING
from ablate.data.streaming import Decoded, Streamed, draw_seed, stream, take_files, times_before
from ablate.data.tensors import Normalization, normalize
from ablate.errors import DataError

CPU = torch.device("cpu")


def streamed(name: str) -> Normalization:
    made = PREPROCESSING[name].streamed
    assert made is not None
    return made(CPU)


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Streamed:
    write_imagenet(tmp_path)
    monkeypatch.setattr(streaming, "WORKERS", 0)
    return take_files(list_images(tmp_path, "train"), 32, CPU)


def read(part: Streamed, order: list[int], size: int = 5, augment: Augment = "none", draws: int = 0) -> list[Tensor]:
    """All images and all labels."""
    return [torch.cat(tensors) for tensors in zip(*stream(part, torch.tensor(order), size, augment, draws))]


def test_the_crop_for_testing_is_torchvisions(part: Streamed) -> None:
    """ResNet-18's published preprocessing at a seventh of its size: 256 / 7 and 224 / 7 pixels."""
    images, labels = read(part, list(range(36)))
    published = ResNet18_Weights.IMAGENET1K_V1.transforms(crop_size=32, resize_size=37)
    expected = torch.stack([published(Image.open(part.files.path(i)).convert("RGB")) for i in range(36)])
    normal = normalize(images, streamed("meanstd"))
    torch.testing.assert_close(normal, expected, rtol=0, atol=1e-5)
    assert labels.tolist() == [i // 6 for i in range(36)]
    assert images.dtype == torch.uint8 and images.shape == (36, 32, 32, 3)


def test_other_normalizations(part: Streamed) -> None:
    images = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)
    assert normalize(images, streamed("none")).flatten().tolist() == [0, 51, 255]
    assert normalize(images, streamed("scale")).flatten().tolist() == pytest.approx([0, 0.2, 1])


def test_a_crop_for_training_is_a_part_of_the_image_within_its_bounds(tmp_path: Path) -> None:
    """An image whose colours are its coordinates tells what was cut out of it."""
    rows, columns = np.mgrid[0:240, 0:240].astype(np.uint8)
    folder = tmp_path / "train" / "a"
    folder.mkdir(parents=True)
    Image.fromarray(np.stack([rows, columns, 0 * rows], -1)).save(folder / "0.png")
    images = Decoded(list_images(tmp_path, "train"), 24, "flip_crop")
    areas, ratios, flips = [], [], []
    for seed in range(400):
        image, _ = images[0, seed]
        corner, end = (image[at, at, :2].double() for at in (0, -1))
        sides = (end - corner) * 24 / 23  # between the centres of the outermost pixels
        areas.append(float(sides.abs().prod()) / 240**2)
        ratios.append(float(sides[1].abs() / sides[0]))
        flips.append(bool(sides[1] < 0))
    assert 0.06 < min(areas) < 0.15 and 0.85 < max(areas) < 1.1
    assert 0.65 < min(ratios) < 0.8 and 1.25 < max(ratios) < 1.5
    assert 0.4 < np.mean(flips) < 0.6 and 0.45 < np.mean(areas) < 0.6


@pytest.mark.parametrize("augment", ["flip", "crop", "none"])
def test_what_is_left_out_is_not_drawn(part: Streamed, augment: Augment) -> None:
    (plain, _), (drawn, _) = read(part, [3] * 12), read(part, [3, 4, 9, 14, 22, 30] * 2, augment=augment, draws=9)
    same = [torch.equal(image, plain[0]) for image in drawn]
    assert all(torch.equal(drawn[i], drawn[i + 6]) for i in range(6))  # by image, wherever it comes
    if augment == "none":
        assert same[0]
    if augment == "flip":
        flipped = [torch.equal(a, b.flip(1)) for a, b in zip(drawn, read(part, [3, 4, 9, 14, 22, 30])[0])]
        unflipped = [torch.equal(a, b) for a, b in zip(drawn, read(part, [3, 4, 9, 14, 22, 30])[0])]
        assert all(a != b for a, b in zip(flipped, unflipped)) and any(flipped) and any(unflipped)
    if augment == "crop":
        assert not any(same)


def test_a_crop_is_torchvisions_for_the_seed_of_the_image(part: Streamed) -> None:
    from torchvision.transforms import RandomHorizontalFlip, RandomResizedCrop

    images, _ = read(part, [8, 2], augment="flip_crop", draws=77)
    for made, index in zip(images, (8, 2)):
        torch.manual_seed(draw_seed(77, index))
        image = RandomResizedCrop(32)(Image.open(part.files.path(index)).convert("RGB"))
        assert torch.equal(made, F.pil_to_tensor(RandomHorizontalFlip()(image)).permute(1, 2, 0))


def test_neither_processes_nor_batches_change_a_bit(part: Streamed, monkeypatch: pytest.MonkeyPatch) -> None:
    order = torch.randperm(36, generator=torch.Generator().manual_seed(1)).tolist()
    here = read(part, order, augment="flip_crop", draws=5)
    monkeypatch.setattr(streaming, "WORKERS", 2)
    for size in (4, 36):
        elsewhere = read(part, order, size, "flip_crop", 5)
        assert all(torch.equal(a, b) for a, b in zip(here, elsewhere))
    assert not torch.equal(here[0], read(part, order, augment="flip_crop", draws=6)[0])


def test_torchs_own_generator_is_left_as_it_was(part: Streamed) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = torch.rand(1)
    read(part, [0, 1], augment="flip_crop")
    assert torch.equal(torch.cat([first, torch.rand(1)]), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_image_is_named(part: Streamed, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr(streaming, "WORKERS", workers)
    broken = Path(part.files.path(7))
    before = broken.stat()
    broken.write_bytes(bytes(before.st_size))
    os.utime(broken, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DataError) as caught:
        read(part, list(range(36)), augment="flip_crop")
    assert str(caught.value).startswith(f"{broken}: cannot be read as an image") and "\n" not in str(caught.value)


def test_a_subset_is_streamed_alone(part: Streamed) -> None:
    some = take_files(part.files.subset(np.arange(0, 36, 3)), 32, CPU)
    assert some.labels.bincount().tolist() == [2] * 6 and len(some.files.names) == 12
    assert read(some, list(range(12)))[1].tolist() == some.labels.tolist()


def test_how_often_an_image_was_taken_before() -> None:
    assert times_before(torch.tensor([4, 1, 4, 4, 0, 1])).tolist() == [0, 0, 1, 2, 0, 1]
    assert times_before(torch.arange(0)).tolist() == []
