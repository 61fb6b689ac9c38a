"""Augmentation: the draws of an epoch, and a batch of images after its steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ablate.data.augmentation_lists import Augment, settings_of, steps_of
from ablate.data.augmentations import AUGMENTATIONS, Index, Step
from ablate.errors import NotationError
from ablate.own_code import OwnCode, seeded_draws
from ablate.registry import Settings


def draw(augmentation: Augment, n: int, side: int, generator: torch.Generator) -> list[Tensor]:
    """The draws of each step for n images: one tensor (n, ...) for each step, on the CPU; an empty one for an own step.

    Args:
        augmentation: The name of a list in NAMED, or steps.
        n: Number of images.
        side: Of the images, in pixels.
        generator: On the CPU.
    """
    return [
        AUGMENTATIONS[step.name].draw(n, side, generator, settings_of(step, side))
        if isinstance(step, Step)
        else torch.empty(n, 0)
        for step in steps_of(augmentation)
    ]


def is_prepared(augmentation: Augment) -> bool:
    """Whether the work of a step depends on its draws, as a reader's own does, so that no CUDA graph can contain it."""
    return any(not isinstance(step, Step) or AUGMENTATIONS[step.name].prepared for step in steps_of(augmentation))


def fit(augmentation: Augment, images: Tensor | None) -> list[Any]:
    """What each step needs besides its draws: of the training images, or a reader's callable; None for nothing.

    Args:
        augmentation: The name of a list in NAMED, or steps.
        images: The training images (N, H, W, C); None for streamed images.

    Raises:
        NotationError: A reader's callable cannot be loaded.
    """
    found: list[Any] = []
    for step in steps_of(augmentation):
        if isinstance(step, OwnCode):
            found.append(step.bind())
        else:
            fitted = AUGMENTATIONS[step.name].fit
            found.append(fitted(images, settings_of(step, 0 if images is None else images.shape[1])) if fitted else None)
    return found


def augment(
    images: Tensor,
    index: Tensor,
    augmentation: Augment,
    draws: Sequence[Tensor],
    fitted: Sequence[Any] = (),
    generator: torch.Generator | None = None,
) -> Tensor:
    """The images at an index, augmented. Steps that only move pixels and follow each other are one gather.

    Args:
        images: (N, H, W, C), of any type.
        index: int64 (B,), into the images.
        augmentation: The name of a list in NAMED, or steps.
        draws: The draws of each step for these B images.
        fitted: From fit(); needed by steps that change values.
        generator: On the CPU, for a reader's own steps; needed by these alone.

    Returns:
        (B, H, W, C), of the images' type; float32 after a crop with the padding "mean".

    Raises:
        NotationError: A reader's own step raises an error, or returns something else than such images.
    """
    batch = _Gather(images, index)
    for i, (step, drawn) in enumerate(zip(steps_of(augmentation), draws)):
        if isinstance(step, OwnCode):
            assert generator is not None
            batch = _Gather(run_own_step(step, fitted[i], batch.pixels(), generator))
            continue
        entry, settings = AUGMENTATIONS[step.name], settings_of(step, images.shape[1])
        if not entry.prepared:
            drawn = drawn.to(images.device)
        if entry.move:
            batch.moved = entry.move(batch.moved or batch.unmoved(), drawn, settings)
            batch.blank |= entry.blank(settings)
            batch.padding = fitted[i] if entry.fit and fitted else batch.padding
        else:
            assert entry.change is not None
            batch = _Gather(entry.change(batch.pixels(), drawn, fitted[i]))
    return batch.pixels()


def augment_boxes(targets: Tensor, augmentation: Augment, draws: Sequence[Tensor], side: int) -> Tensor:
    """The targets of images that augment() has augmented with the same draws.

    Args:
        targets: float32 (B, 1 + M, 7), as in annotations.py.
        augmentation, draws: As in augment(); each step can move boxes.
        side: Of the images, in pixels.
    """
    for step, drawn in zip(steps_of(augmentation), draws):
        assert isinstance(step, Step)
        move = AUGMENTATIONS[step.name].boxes
        assert move is not None, f"{step.name} moves no boxes"
        targets = move(targets, drawn.to(targets.device), side)
    return targets


def augment_with_boxes(image: Any, target: Any, augmentation: Augment) -> tuple[Tensor, Tensor]:
    """(a streamed image uint8 (H, W, C) after its steps, its target); it draws from torch's default generator.

    Args:
        image: uint8 (H, W, C), square.
        target: float32 (1 + M, 7).
        augmentation: The name of a list in NAMED, or steps; each can move boxes.
    """
    pixels, targets, side = torch.from_numpy(np.array(image))[None], torch.from_numpy(np.array(target))[None], len(image)
    draws = draw(augmentation, 1, side, torch.default_generator)
    made = augment(pixels, torch.zeros(1, dtype=torch.int64), augmentation, draws, fit(augmentation, None))
    return made[0], augment_boxes(targets, augmentation, draws, side)[0]


def augmented_type(augmentation: Augment, images: Tensor) -> torch.dtype:
    """The type of the images that augment() returns: theirs, or float32 after a crop with the padding "mean".

    Args:
        augmentation: The name of a list in NAMED, or steps.
        images: (N, H, W, C).
    """
    steps = [step for step in steps_of(augmentation) if isinstance(step, Step)]
    return torch.float32 if any(step.pads_with_mean for step in steps) else images.dtype


class _Gather:
    """A batch of images that is gathered when its pixels are needed.

    Args:
        images: (N, H, W, C).
        index: int64 (B,), into the images; None: all of them, and no copy is made.
    """

    def __init__(self, images: Tensor, index: Tensor | None = None) -> None:
        self.images, self.index = images, index
        self.moved: Index | None = None
        self.blank = False  # whether pixels of `moved` can be -1
        self.padding: Tensor | None = None  # the value of these, float32 (C,); None: 0

    def unmoved(self) -> Index:
        """The index of the images as they are."""
        n = len(self.images if self.index is None else self.index)
        return Index(*(torch.arange(size, device=self.images.device).expand(n, -1) for size in self.images.shape[1:3]))

    def pixels(self) -> Tensor:
        """The images (B, H, W, C)."""
        if self.moved is None:
            return self.images if self.index is None else self.images[self.index]
        height, width, channels = self.images.shape[1:]
        rows, columns = self.moved.rows[:, :, None], self.moved.columns[:, None, :]
        index = torch.arange(len(self.images), device=self.images.device) if self.index is None else self.index
        pixels = (index[:, None, None] * height + rows.clamp(min=0)) * width + columns.clamp(min=0)
        found = self.images.reshape(-1, channels).index_select(0, pixels.flatten()).view(-1, height, width, channels)
        if not self.blank:
            return found
        inside = ((rows >= 0) & (columns >= 0))[..., None]
        return found * inside if self.padding is None else torch.where(inside, found.float(), self.padding)


def run_own_step(step: OwnCode, function: Callable[..., Any], images: Tensor, generator: torch.Generator) -> Tensor:
    """The images (B, H, W, C) after a reader's own step, which sees them as (B, C, H, W).

    A step that draws from the global generators of Python, NumPy or torch gets draws of its own, and changes no other draw.

    Args:
        step: Named in errors.
        function: From step.bind(); it receives `images` and `generator`.
        images: uint8 (B, H, W, C).
        generator: On the CPU.

    Raises:
        NotationError: The step raises an error, or returns something else than images of this shape and type.
    """
    given = images.permute(0, 3, 1, 2)
    seed = int(torch.randint(2**62, (), generator=generator))
    with seeded_draws(seed), torch.random.fork_rng([images.device] if images.device.type == "cuda" else []):
        torch.manual_seed(seed)
        made = function(images=given, generator=generator)
    if not isinstance(made, Tensor) or (made.shape, made.dtype, made.device) != (given.shape, given.dtype, given.device):
        found = _describe_tensor(made) if isinstance(made, Tensor) else type(made).__name__
        raise NotationError(f"{step.python} returned {found}; allowed: {_describe_tensor(given)}")
    return made.permute(0, 2, 3, 1)


def _describe_tensor(tensor: Tensor) -> str:
    """Such as "uint8 (2, 3, 32, 32) on cpu"."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)} on {tensor.device}"


class OneImage:
    """A step that changes values, as a transform of one streamed image.

    It draws from torch's default generator, as torchvision's transforms do.

    Args:
        name: In AUGMENTATIONS.
        settings: Of the step.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.name, self.settings = name, settings
        fitted = AUGMENTATIONS[name].fit
        self.fitted = fitted(None, settings) if fitted else None

    def __call__(self, image: Any) -> Any:
        entry, pixels = AUGMENTATIONS[self.name], torch.from_numpy(np.array(image))[None]
        draws = entry.draw(1, pixels.shape[1], torch.default_generator, self.settings)
        assert entry.change is not None
        return Image.fromarray(entry.change(pixels, draws, self.fitted)[0].numpy())


def transforms(augmentation: Augment, side: int) -> list[Any]:
    """The steps as transforms of one streamed image; without a crop among them, a central crop is the first.

    A reader's own steps are not among them: they see whole batches.

    Args:
        augmentation: The name of a list in NAMED, or steps.
        side: Of the result, in pixels.
    """
    steps = [step for step in steps_of(augmentation) if isinstance(step, Step)]
    entries = [(AUGMENTATIONS[step.name], settings_of(step, side)) for step in steps]
    found = [
        entry.streamed(side, settings) if entry.streamed else OneImage(entry.name, settings) for entry, settings in entries
    ]
    return [*([] if any(entry.crops for entry, _ in entries) else _central_crop(side)), *found]


def _central_crop(side: int) -> list[Any]:
    """The transforms of an evaluated image: for side 224, the shorter side scaled to 256 pixels and the central 224 pixels.

    Source: He et al., "Deep Residual Learning", section 3.4, and torchvision's reference weights.
    """
    from torchvision.transforms import CenterCrop, Resize

    return [Resize(round(256 / 224 * side)), CenterCrop(side)]
