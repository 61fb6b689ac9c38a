"""Augmentation on the device against torchvision's transforms of single images, and the properties of every step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import ks_2samp
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from ablate.data.augment import OneImage, augment, draw, fit, transforms
from ablate.data.augmentation_lists import Augment, read_augmentation
from ablate.data.augmentations import AUGMENTATIONS, Step
from ablate.data.lighting import IMAGENET
from ablate.data.operations import BINS, NUMBER, OPERATIONS, magnitude
from ablate.data.original_files import read_digits

STEPS: dict[str, Any] = {
    "crop": [{"crop": {"padding": 3, "mode": "zero"}}],
    "flip": ["flip"],
    "random_resized_crop": ["random_resized_crop"],
    "erase": [{"erase": 6}],
    "color_jitter": [{"color_jitter": {"brightness": 0.4, "hue": 0.2}}],
    "lighting": ["lighting"],
    "rand_augment": ["rand_augment"],
    "trivial_augment": ["trivial_augment"],
    "auto_augment": [{"auto_augment": "cifar10"}],
}


def smooth_images(n: int, side: int = 16, channels: int = 3) -> Tensor:
    """Images with structure at the scale of a few pixels, uint8 (n, side, side, channels)."""
    coarse = torch.rand((n, channels, 5, 5), generator=torch.Generator().manual_seed(0))
    fine = F.interpolate(coarse, size=side, mode="bilinear")
    return (255 * fine).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def augmented(images: Tensor, written: Any, seed: int = 1) -> Tensor:
    """All images, augmented once each."""
    steps = read_augmentation(written, images.shape[1])
    draws = draw(steps, len(images), images.shape[1], torch.Generator().manual_seed(seed))
    return augment(images, torch.arange(len(images)), steps, draws, fit(steps, images))


def per_image(images: Tensor, transform: Callable[[Tensor], Tensor]) -> Tensor:
    torch.manual_seed(2)
    return torch.stack([transform(image.permute(2, 0, 1)).permute(1, 2, 0) for image in images])


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "Hue"])
@pytest.mark.parametrize("wide", [True, False])
def test_an_operation_is_torchvisions(name: str, wide: bool) -> None:
    """Each magnitude against the transform of one image; the greatest difference is one of rounding."""
    theirs, operation = v2.RandAugment(), OPERATIONS[name]
    images = smooth_images(BINS).permute(0, 3, 1, 2)
    for sign in (1, -1) if operation.signed else (1,):
        sizes = sign * magnitude(name, torch.arange(BINS), BINS, 16, wide)
        made = operation.change(images.clone(), sizes)
        for image, size, mine in zip(images, sizes.tolist(), made):
            wanted = theirs._apply_image_or_video_transform(image, name, size, InterpolationMode.NEAREST, theirs._fill)
            assert (wanted.int() - mine.int()).abs().max() <= 1


def test_a_hue_is_torchvisions() -> None:
    images, shifts = smooth_images(11).permute(0, 3, 1, 2), torch.linspace(-0.5, 0.5, 11)
    made = OPERATIONS["Hue"].change(images, shifts)
    for image, shift, mine in zip(images, shifts.tolist(), made):
        assert (v2.functional.adjust_hue(image, shift).int() - mine.int()).abs().max() <= 1


@pytest.mark.parametrize("wide, space", [(True, v2.TrivialAugmentWide), (False, v2.RandAugment)])
def test_magnitudes_are_torchvisions(wide: bool, space: Any) -> None:
    assert space._AUGMENTATION_SPACE.keys() == OPERATIONS.keys() - {"Invert", "Hue"}
    for name, (values, signed) in space._AUGMENTATION_SPACE.items():
        wanted = values(BINS, 24, 24)
        wanted = torch.zeros(BINS) if wanted is None else wanted.float()
        found = magnitude(name, torch.arange(BINS), BINS, 24, wide)
        assert torch.allclose(found, wanted.trunc() if name.startswith("Translate") else wanted)
        assert signed == OPERATIONS[name].signed


@pytest.mark.parametrize(
    "written, theirs",
    [
        (["trivial_augment"], v2.TrivialAugmentWide()),
        ([{"rand_augment": {"n": 2, "m": 9}}], v2.RandAugment(2, 9)),
        ([{"rand_augment": {"n": 1, "m": 25}}], v2.RandAugment(1, 25)),
        ([{"auto_augment": "cifar10"}], v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)),
        ([{"auto_augment": "svhn"}], v2.AutoAugment(v2.AutoAugmentPolicy.SVHN)),
        (
            [{"color_jitter": {"brightness": 0.4, "contrast": 0.8, "saturation": 0.4, "hue": 0.3}}],
            v2.ColorJitter(0.4, 0.8, 0.4, 0.3),
        ),
        (["random_resized_crop"], v2.RandomResizedCrop(16, antialias=True)),
        ([{"random_resized_crop": {"scale": [0.4, 0.6], "ratio": [1, 1]}}], v2.RandomResizedCrop(16, (0.4, 0.6), (1, 1))),
        ([{"crop": {"padding": 4, "mode": "zero"}}], v2.RandomCrop(16, 4)),
        ([{"crop": {"padding": 4, "mode": "edge"}}], v2.RandomCrop(16, 4, padding_mode="edge")),
        ([{"erase": {"fill": "zero"}}], v2.RandomErasing(0.5)),
        ([{"erase": {"scale": [0.2, 0.3], "probability": 1, "fill": "zero"}}], v2.RandomErasing(1, (0.2, 0.3))),
    ],
)
def test_the_distribution_is_torchvisions(written: Any, theirs: Any) -> None:
    """Over 2000 images, by Kolmogorov-Smirnov tests: change, mean, contrast, black pixels, color and edges of an image."""
    images = smooth_images(2000) // 2 + 60
    ours, other = augmented(images, written), per_image(images, theirs)
    before = images.double()
    for value in (
        lambda made: (made - before).abs().mean((1, 2, 3)),
        lambda made: made.mean((1, 2, 3)),
        lambda made: made.std((1, 2, 3)),
        lambda made: 100 * (made == 0).double().mean((1, 2, 3)),
        lambda made: (made[..., 0] - made[..., 1]).mean((1, 2)),
        lambda made: (made[:, :, 1:] - made[:, :, :-1]).abs().mean((1, 2, 3)),
    ):
        assert ks_2samp(value(ours.double()), value(other.double()), method="asymp").pvalue > 1e-4


@pytest.mark.parametrize("strength", [0.3, 0.6])
def test_the_distribution_test_can_fail(strength: float) -> None:
    with pytest.raises(AssertionError):
        test_the_distribution_is_torchvisions([{"color_jitter": {"contrast": strength}}], v2.ColorJitter(0, 0.45))


@pytest.mark.parametrize("policy", ["cifar10", "imagenet", "svhn"])
def test_auto_augment_draws_the_operations_of_its_policy(policy: str) -> None:
    """Each operation as often as the pairs and the probabilities of torchvision's policy say."""
    n = 20_000
    draws = draw((Step("auto_augment", (("policy", policy),)),), n, 32, torch.Generator().manual_seed(1))[0]
    found = torch.bincount(draws[:, :, 0].long().flatten(), minlength=len(NUMBER)) / n
    wanted = torch.zeros(len(NUMBER))
    policies = v2.AutoAugment(v2.AutoAugmentPolicy(policy))._policies
    for name, probability, _ in (each for pair in policies for each in pair):
        wanted[NUMBER[name]] += probability / len(policies)
    assert torch.allclose(found[1:], wanted[1:], atol=0.02)
    signs = draws[:, :, 1][draws[:, :, 0] == NUMBER["Rotate"]].sign()
    assert len(signs) > 500 and abs(signs.mean()) < 4 / len(signs) ** 0.5


def test_a_cutout_is_a_square_around_any_pixel() -> None:
    images = torch.full((4000, 9, 9, 1), 7, dtype=torch.uint8)
    images[0] = 207  # the mean is 7.05
    made = augmented(images, [{"erase": {"size": 3, "fill": "zero"}}])
    erased = (made == 0)[..., 0]
    assert set(erased.sum((1, 2)).tolist()) == {4, 6, 9}  # in a corner, at an edge, inside
    assert torch.allclose(erased.double().mean(0)[1:-1, 1:-1], torch.tensor(9 / 81, dtype=torch.float64), atol=0.02)
    assert augmented(images, [{"erase": 3}])[1:].eq(7).all()  # filled with the mean
    half = augmented(images, [{"erase": {"size": 3, "probability": 0.5, "fill": "zero"}}])
    assert 0.46 < half.eq(0).any(3).any(2).any(1).double().mean() < 0.54


def test_erased_pixels_have_the_mean_of_the_training_images() -> None:
    images = smooth_images(50)
    (mean,) = fit((Step("erase"),), images)
    assert torch.equal(mean, images.reshape(-1, 3).double().mean(0).round().to(torch.uint8))
    whitened = torch.randn((20, 8, 8, 3))
    (mean,) = fit((Step("erase"),), whitened)
    assert mean.dtype == torch.float32 and torch.allclose(mean, whitened.mean((0, 1, 2)), atol=1e-6)


def test_lighting_is_noise_along_the_principal_components() -> None:
    images = (smooth_images(200) // 2) + 60
    (components,) = fit((Step("lighting"),), images)
    covariance = np.cov(images.reshape(-1, 3).numpy().T / 255, bias=True)
    values = torch.tensor(np.linalg.eigvalsh(covariance), dtype=torch.float32)
    assert torch.allclose(components.norm(dim=0), 255 * values, rtol=1e-4)
    many = torch.full((20_000, 2, 2, 3), 128, dtype=torch.uint8)
    steps = read_augmentation([{"lighting": 1.0}], 2)
    draws = draw(steps, len(many), 2, torch.Generator().manual_seed(1))
    made = augment(many, torch.arange(len(many)), steps, draws, [components]).double()
    assert torch.equal(made[:, :1, :1].expand_as(made), made)  # one color for the whole image
    noise = made[:, 0, 0] - 128
    wanted = (components @ components.T).double()
    assert torch.allclose(noise.T @ noise / len(noise), wanted, atol=0.05 * wanted.max() + 0.1)
    assert pytest.approx(float(fit((Step("lighting"),), None)[0][:, 0].norm()), rel=1e-3) == 0.2175 * 255
    assert len(IMAGENET) == 3


@pytest.mark.parametrize("mode, padding", [("reflect", "reflect"), ("zero", "constant"), ("edge", "replicate")])
def test_a_crop_is_one_of_the_padded_image(mode: str, padding: str) -> None:
    images = smooth_images(30)
    steps = read_augmentation([{"crop": {"padding": 3, "mode": mode}}, "flip"], 16)
    shifts, flips = draw(steps, 30, 16, torch.Generator().manual_seed(3))
    made = augment(images, torch.arange(30), steps, [shifts, flips])
    for image, (down, right), flip, mine in zip(images, shifts.tolist(), flips, made):
        padded = F.pad(image.permute(2, 0, 1)[None].float(), (3,) * 4, mode=padding)[0].permute(1, 2, 0)
        wanted = padded[3 + down : 19 + down, 3 + right : 19 + right]
        assert torch.equal(mine.float(), wanted.flip(1) if flip else wanted)


@pytest.mark.parametrize("written", STEPS.values(), ids=STEPS)
def test_an_images_draws_are_its_own(written: Any) -> None:
    """A batch of some images is augmented as among all; other seeds give other images; the source stays as it is."""
    images, steps = smooth_images(64), read_augmentation(written, 16)
    kept = images.clone()
    draws, fitted = draw(steps, 64, 16, torch.Generator().manual_seed(5)), fit(steps, images)
    whole = augment(images, torch.arange(64), steps, draws, fitted)
    rows = torch.tensor([40, 3, 17])
    some = augment(images, rows, steps, [drawn[rows] for drawn in draws], fitted)
    assert torch.equal(whole[rows], some)
    assert torch.equal(whole, augmented(images, written, seed=5))
    assert not torch.equal(whole, augmented(images, written, seed=6))
    assert whole.dtype == torch.uint8 and whole.shape == images.shape and torch.equal(images, kept)
    assert len(augment(images, rows[:0], steps, [drawn[:0] for drawn in draws], fitted)) == 0


def test_every_step_is_tested() -> None:
    assert STEPS.keys() == AUGMENTATIONS.keys()


@pytest.mark.parametrize("name", [name for name in STEPS if 1 in AUGMENTATIONS[name].channels])
def test_one_channel(name: str) -> None:
    digits = torch.from_numpy(read_digits(Path(), 8).train_images[:200])
    made = augmented(digits, STEPS[name] if name != "color_jitter" else [{"color_jitter": 0.5}])
    assert made.shape == digits.shape and not torch.equal(made, digits)


@pytest.mark.parametrize("name", [name for name in STEPS if not AUGMENTATIONS[name].colors])
def test_whitened_images(name: str) -> None:
    """float32 images stay so, and are augmented with the same draws as others."""
    images = smooth_images(40)
    made, whitened = augmented(images, STEPS[name]), augmented(images / 64 - 2, STEPS[name])
    assert whitened.dtype == torch.float32
    blank = (made == 0).all(3) if name in ("crop", "erase") else torch.zeros(1, dtype=torch.bool)
    difference = (whitened - (made / 64 - 2)).abs().amax(3)
    assert difference[~blank.expand_as(difference)].max() < 0.02
    assert name != "crop" or bool((whitened[blank] == 0).all())


def test_the_order_of_steps_matters() -> None:
    images = smooth_images(50)
    one = augmented(images, ["random_resized_crop", {"erase": 8}])
    other = augmented(images, [{"erase": 8}, "random_resized_crop"])
    assert not torch.equal(one, other)
    mean = fit((Step("erase"),), images)[0]
    sizes = (one == mean).all(3).sum((1, 2))  # after the crop the square has its size; before it, the crop scales it
    assert sizes.max() <= 64 < (other == mean).all(3).sum((1, 2)).max()


def test_moves_between_changes_are_gathered() -> None:
    """[flip, erase, crop] is the flip, then the box, then the crop of that."""
    images = smooth_images(20)
    steps: Augment = read_augmentation(["flip", {"erase": 5}, {"crop": 2}], 16)
    draws, fitted = draw(steps, 20, 16, torch.Generator().manual_seed(9)), fit(steps, images)
    made = augment(images, torch.arange(20), steps, draws, fitted)
    for name, i in (("flip", 0), ("erase", 1), ("crop", 2)):
        one = (Step(name, (("size", 5),) if name == "erase" else ()),)
        images = augment(images, torch.arange(20), one, [draws[i]], [fitted[i]])
    assert torch.equal(made, images)


def test_a_step_without_a_torchvision_transform_changes_one_streamed_image() -> None:
    image = v2.functional.to_pil_image(smooth_images(1)[0].permute(2, 0, 1))
    torch.manual_seed(4)
    made = OneImage("erase", AUGMENTATIONS["erase"].settings({"size": 6, "probability": 1.0}))(image)
    changed = (np.array(made) != np.array(image)).any(2)
    assert made.size == image.size and 0 < changed.sum() <= 36
    assert {tuple(pixel) for pixel in np.array(made)[changed]} == {(124, 116, 104)}
    named = [type(each).__name__ for each in transforms(read_augmentation(["flip", "lighting", "trivial_augment"], 16), 16)]
    assert named == ["Resize", "CenterCrop", "RandomHorizontalFlip", "OneImage", "TrivialAugmentWide"]
