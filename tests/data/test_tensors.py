from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ablate.data.augment import augment, draw
from ablate.data.augmentations import Step
from ablate.data.preprocessing import PREPROCESSING
from ablate.data.tensors import CHUNK, normalize, to_tensors


def some_images(n: int = 12, size: int = 32, channels: int = 3) -> Tensor:
    return torch.randint(0, 256, (n, size, size, channels), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def augment_plainly(image: Tensor, pad: int, shift: tuple[int, int], flip: bool) -> Tensor:
    """One image (H, W, C) padded by reflection, cropped, flipped, the slow way."""
    size = image.shape[0]
    padded = F.pad(image.permute(2, 0, 1).float()[None], (pad,) * 4, mode="reflect")[0]
    top, left = pad + shift[0], pad + shift[1]
    crop = padded[:, top : top + size, left : left + size]
    return (crop.flip(2) if flip else crop).permute(1, 2, 0).to(torch.uint8)


@pytest.mark.parametrize("kind", ["flip_crop", "flip", "crop", "none"])
@pytest.mark.parametrize("size", [8, 32])
def test_a_gather_is_padding_cropping_and_flipping(kind: str, size: int) -> None:
    images, index = some_images(size=size), torch.tensor([3, 3, 0, 11, 7, 5])
    draws = draw(kind, len(index), size, torch.Generator().manual_seed(2))
    batch = augment(images, index, kind, draws)
    drawn = dict(zip([step for step in ("crop", "flip") if step in kind], draws))
    for i, source in enumerate(index):
        shift = tuple(drawn["crop"][i].tolist()) if "crop" in drawn else (0, 0)
        flip = "flip" in drawn and bool(drawn["flip"][i])
        assert torch.equal(batch[i], augment_plainly(images[source], size // 8, shift, flip))


def test_every_shift_to_the_edge() -> None:
    images = some_images(1)
    shifts = torch.cartesian_prod(torch.arange(-4, 5), torch.arange(-4, 5))
    batch = augment(images, torch.zeros(81, dtype=torch.long), "crop", [shifts])
    for made, shift in zip(batch, shifts.tolist()):
        assert torch.equal(made, augment_plainly(images[0], 4, tuple(shift), False))


def test_draws_cover_their_range_and_follow_their_generator() -> None:
    first, second = (draw("flip_crop", 5000, 32, torch.Generator().manual_seed(7)) for _ in range(2))
    assert all(map(torch.equal, first, second))
    shifts, flips = first
    assert shifts.unique().tolist() == list(range(-4, 5))
    assert 0.45 < flips.float().mean() < 0.55
    assert draw("none", 5, 32, torch.Generator()) == []


def test_steps_are_taken_in_their_order() -> None:
    """Flipped first, then cropped: pixel c of the result is pixel c + shift of the flipped image."""
    images, steps = some_images(3), (Step("flip"), Step("crop", (("padding", 2),)))
    flips, shifts = draw(steps, 3, 32, torch.Generator().manual_seed(5))
    assert shifts.abs().max() <= 2
    batch = augment(images, torch.arange(3), steps, [flips, shifts])
    for made, image, flip, shift in zip(batch, images, flips, shifts.tolist()):
        flipped = image.flip(1) if flip else image
        assert torch.equal(made, augment_plainly(flipped, 2, tuple(shift), False))


@pytest.mark.parametrize("n", [12, CHUNK, 2 * CHUNK + 1])
def test_meanstd_is_of_each_channel_over_all_pixels(n: int) -> None:
    images = some_images(n, size=8)
    mean, std = PREPROCESSING["meanstd"].fit(images)
    pixels = images.reshape(-1, 3).double()
    assert torch.allclose(mean.double(), pixels.mean(0), rtol=1e-6)
    assert torch.allclose(std.double(), pixels.std(0, unbiased=False), rtol=1e-6)
    normal = normalize(images, PREPROCESSING["meanstd"].fit(images))
    assert normal.shape == (n, 3, 8, 8) and normal.is_contiguous(memory_format=torch.channels_last)
    assert normal.mean((0, 2, 3)).abs().max() < 1e-5


def test_a_constant_channel_does_not_divide_by_zero() -> None:
    images = torch.full((4, 8, 8, 1), 9, dtype=torch.uint8)
    assert normalize(images, PREPROCESSING["meanstd"].fit(images)).abs().max() == 0


def test_scale_and_none() -> None:
    images = some_images()
    assert torch.equal(normalize(images, PREPROCESSING["scale"].fit(images)), (images.float() / 255).permute(0, 3, 1, 2))
    assert torch.equal(normalize(images, PREPROCESSING["none"].fit(images)), images.float().permute(0, 3, 1, 2))


def test_a_part_is_on_the_device_as_it_came() -> None:
    images, labels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3, 1), np.arange(2)
    part = to_tensors(images.transpose(0, 2, 1, 3), labels, torch.device("cpu"))
    assert part.images[1, :, :, 0].tolist() == [[9, 12, 15], [10, 13, 16], [11, 14, 17]]
    assert part.images.is_contiguous() and part.labels.tolist() == [0, 1]
