"""The table of augmentation steps. augment.py applies them to images; augmentation_lists.py reads lists of them.

The draws for an image are a function of (seed, epoch) alone: each step draws for all images of an epoch, in order, on the
CPU. A package adds a step by an entry point in the group `ablate.augmentations`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from ablate.registry import Kind, Registry, Settings

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Part = Annotated[float, Field(ge=0, le=1)]
Strength = Annotated[float, Field(ge=0, le=10, description="strength s: a factor between 1 - s and 1 + s, at least 0")]
Area = Annotated[tuple[Part, Part], Field(description="smallest and largest area, as a part of the image")]
Ratio = Annotated[float, Field(gt=0, le=100)]
Ratios = Annotated[tuple[Ratio, Ratio], Field(description="smallest and largest ratio of width to height")]


class Index(NamedTuple):
    """For each pixel of an augmented image, the row and the column of the source pixel; -1 means the value 0.

    Args:
        rows: int64 (B, H).
        columns: int64 (B, W).
    """

    rows: Tensor
    columns: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Augmentation(Kind):
    """One step of an augmentation. It either moves pixels or changes their values, as `move` or `change` says.

    `check` also receives the side of the images in pixels, as the setting `side`. Steps that only move pixels and follow
    each other are one gather.

    Args:
        draw: (number of images N, side in pixels, generator on the CPU, settings) -> the draws for each image, (N, ...).
        move: (index, draws of its B images, settings) -> the index after this step.
        change: (images (B, H, W, C), which it may overwrite, draws of these images, what `fit` returned) -> images of the
            same shape and type.
        fit: (training images (N, H, W, C), settings) -> what `change` needs to know of them, on their device. For streamed
            images the first is None, and the result is for ImageNet.
        short: The fields that a step written as {name: value} sets; none if a step has no such form.
        usual: (side in pixels) -> the settings of a step that is written by its name alone.
        blank: (settings) -> whether `move` can leave pixels without a source.
        prepared: Whether the work of `change` depends on its draws, so that no CUDA graph can contain it: a batch is then
            augmented before the step that a graph repeats, and its draws stay on the CPU.
        colors: Whether the pixels must be numbers from 0 to 255, which excludes whitened images.
        channels: The numbers of channels that are possible.
        streamed: (side in pixels, settings) -> a torchvision transform that does the same with one streamed image. None:
            the step itself changes the image; a step that moves pixels is not possible.
        usual_streamed: Whether `streamed` only has the usual settings.
        crops: Whether `streamed` also scales the image to its size.
        boxes: (targets (B, 1 + M, 7) as in annotations.py, draws of these images, side in pixels) -> the targets after this
            step; None: it is not possible for images with boxes.
        explained: What the step does, for the documentation.
    """

    draw: Callable[[int, int, torch.Generator, Settings], Tensor]
    move: Callable[[Index, Tensor, Settings], Index] | None = None
    change: Callable[[Tensor, Tensor, Any], Tensor] | None = None
    fit: Callable[[Tensor | None, Settings], Tensor] | None = None
    short: tuple[str, ...] = ()
    usual: Callable[[int], Settings] = lambda side: {}
    blank: Callable[[Settings], bool] = lambda settings: False
    prepared: bool = False
    colors: bool = False
    channels: tuple[int, ...] = (1, 3)
    streamed: Callable[[int, Settings], Any] | None = None
    usual_streamed: bool = False
    crops: bool = False
    boxes: Callable[[Tensor, Tensor, int], Tensor] | None = None
    explained: str = ""


@dataclass(frozen=True)
class Step:
    """One step of a list.

    Args:
        name: In AUGMENTATIONS.
        written: (field, value) of each setting that differs from the usual one, in order of the fields' names.
    """

    name: str
    written: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{key}={value}" for key, value in self.written)])

    @property
    def pads_with_mean(self) -> bool:
        """Whether it is a crop of images padded with the mean, which is zero after normalization."""
        return dict(self.written).get("mode") == "mean"


def _draw_crop(n: int, side: int, generator: torch.Generator, settings: Settings) -> Tensor:
    """Shifts in pixels, int64 (N, 2), rows first, between -padding and padding."""
    import torch

    padding = settings["padding"]
    return torch.randint(-padding, padding + 1, (n, 2), generator=generator)


def _crop(index: Index, shifts: Tensor, settings: Settings) -> Index:
    """The index of a crop from a padded image, which is never made: the pixels that it repeats are read instead."""
    mode = settings["mode"]
    return Index(_shifted(index.rows, shifts[:, :1], mode), _shifted(index.columns, shifts[:, 1:], mode))


def _shifted(places: Tensor, shift: Tensor, mode: str) -> Tensor:
    """Positions (B, L) read at l + shift.

    Outside of 0..L-1 they are reflected without repeating the edge, or those of the edge, or -1 for zero and mean.
    """
    import torch

    size = places.shape[1]
    read = torch.arange(size, device=places.device) + shift
    if mode == "reflect":
        return places.gather(1, size - 1 - (size - 1 - read.abs()).abs())
    found = places.gather(1, read.clamp(0, size - 1))
    return found if mode == "edge" else torch.where((read >= 0) & (read < size), found, -1)


def _check_crop(settings: Settings) -> str:
    """An error message if the padding is not smaller than the image; "" otherwise."""
    return "" if settings["padding"] < settings["side"] else f"padding needs to be below {settings['side']} pixels"


def _draw_flip(n: int, side: int, generator: torch.Generator, settings: Settings) -> Tensor:
    """Whether each image is flipped, bool (N,)."""
    import torch

    return torch.randint(0, 2, (n,), generator=generator).bool()


def _flip(index: Index, flips: Tensor, settings: Settings) -> Index:
    """The index with the columns of flipped images in reverse order."""
    import torch

    return Index(index.rows, torch.where(flips[:, None], index.columns.flip(1), index.columns))


def _flip_boxes(targets: Tensor, flips: Tensor, side: int) -> Tensor:
    """The targets with the boxes of flipped images where their pixels are."""
    import torch

    flipped = targets.clone()
    flipped[:, 1:, 0], flipped[:, 1:, 2] = side - targets[:, 1:, 2], side - targets[:, 1:, 0]
    return torch.where(flips[:, None, None], flipped, targets)


def _unmoved(targets: Tensor, draws: Tensor, side: int) -> Tensor:
    """The targets as they are, for a step that moves no pixels."""
    return targets


def _check_increasing(settings: Settings) -> str:
    """An error message if a range of areas or ratios ends before it begins; "" otherwise."""
    for field in ("scale", "ratio"):
        low, high = settings[field]
        if low > high or (field == "scale" and high == 0):
            return f"{field}: found [{low:g}, {high:g}]; write the smaller number first, and a second number above 0"
    return ""


def _check_erase(settings: Settings) -> str:
    """An error message if the settings of an erased box contradict each other; "" otherwise."""
    size = settings["size"]
    if size is not None and (settings["scale"], settings["ratio"]) != (ERASED_AREA, ERASED_RATIO):
        return "scale and ratio are only valid without size"
    return "" if size is None or size <= 2 * settings["side"] else f"size needs to be at most {2 * settings['side']} pixels"


def _check_jitter(settings: Settings) -> str:
    """An error message if nothing is changed; "" otherwise."""
    named = ("brightness", "contrast", "saturation", "hue")
    return "" if any(settings[field] for field in named) else f"give one of {', '.join(named)} a value above 0"


def _operations() -> Any:
    """The module of the operations on colors, which needs torch."""
    from ablate.data import operations

    return operations


def _boxes() -> Any:
    """The module of the boxes in images, which needs torch."""
    from ablate.data import boxes

    return boxes


def _lighting() -> Any:
    """The module of the noise along principal components, which needs torch."""
    from ablate.data import lighting

    return lighting


def _transforms() -> Any:
    """torchvision's transforms of single images."""
    from torchvision import transforms

    return transforms


CROP_MODES = Literal["reflect", "zero", "mean", "edge"]
INTERPOLATIONS = Literal["bilinear", "bicubic"]
CROPPED_AREA, CROPPED_RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
ERASED_AREA, ERASED_RATIO = (0.02, 0.33), (0.3, 3.3)
AUGMENTATIONS = Registry(
    "ablate.augmentations",
    Augmentation,
    Augmentation(
        name="crop",
        words="crops",
        fields={
            "padding": Annotated[int, Field(ge=1, le=1024, description="pixels on each side")],
            "mode": Annotated[
                CROP_MODES,
                Field(
                    description="what the padding shows; zero: black; mean: zero once normalized; edge: the nearest pixel"
                ),
            ],
        },
        defaults={"mode": "reflect"},
        check=_check_crop,
        draw=_draw_crop,
        move=_crop,
        short=("padding",),
        usual=lambda side: {"padding": side // 8},  # 4 pixels for 32x32 images. Source: WRN, section 3
        fit=lambda *given: _boxes().fit_padding(*given),
        blank=lambda settings: settings["mode"] in ("zero", "mean"),
        streamed=lambda side, settings: _transforms().RandomResizedCrop(side, CROPPED_AREA, CROPPED_RATIO),
        usual_streamed=True,  # the crop of torchvision's reference training for ImageNet
        crops=True,
        explained="a crop of the padded image; of streamed images random_resized_crop",
    ),
    Augmentation(
        name="flip",
        words="flips",
        draw=_draw_flip,
        move=_flip,
        boxes=_flip_boxes,
        streamed=lambda side, settings: _transforms().RandomHorizontalFlip(),
        explained="left and right exchanged in half of the images",
    ),
    Augmentation(
        name="random_resized_crop",
        words="random resized crops",
        fields={
            "scale": Area,
            "ratio": Ratios,
            "interpolation": Annotated[INTERPOLATIONS, Field(description="bicubic: of streamed images alone")],
        },
        defaults={"scale": CROPPED_AREA, "ratio": CROPPED_RATIO, "interpolation": "bilinear"},
        check=_check_increasing,
        draw=lambda *asked: _boxes().draw_crops(*asked),
        change=lambda *given: _boxes().crop_and_scale(*given),
        short=("scale",),
        streamed=lambda side, settings: _transforms().RandomResizedCrop(
            side,
            settings["scale"],
            settings["ratio"],
            getattr(_transforms().InterpolationMode, settings["interpolation"].upper()),
        ),
        crops=True,
        explained="a box of random area and aspect ratio, scaled to the image's size",
    ),
    Augmentation(
        name="erase",
        words="erased boxes",
        fields={
            "size": Annotated[int | None, Field(ge=1, le=2048, description="side in pixels of a square (cutout)")],
            "probability": Annotated[
                float | None, Field(gt=0, le=1, description="how often an image loses a box; by default 0.5, with size 1")
            ],
            "scale": Area,
            "ratio": Ratios,
            "fill": Annotated[
                Literal["mean", "zero"], Field(description="what fills the box; mean: the mean of the training images")
            ],
        },
        defaults={"size": None, "probability": None, "scale": ERASED_AREA, "ratio": ERASED_RATIO, "fill": "mean"},
        check=lambda settings: _check_increasing(settings) or _check_erase(settings),
        draw=lambda *asked: _boxes().draw_erased(*asked),
        change=lambda *given: _boxes().erase(*given),
        fit=lambda *given: _boxes().fit_fill(*given),
        short=("size",),
        explained="random erasing; with size cutout: a square around a random pixel",
    ),
    Augmentation(
        name="color_jitter",
        words="color jitter",
        fields={
            "brightness": Strength,
            "contrast": Strength,
            "saturation": Strength,
            "hue": Annotated[float, Field(ge=0, le=0.5, description="the largest shift, as a part of the color circle")],
        },
        defaults={"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0},
        check=_check_jitter,
        draw=lambda *asked: _operations().draw_color_jitter(*asked),
        change=lambda *given: _operations().operate(*given),
        short=("brightness", "contrast", "saturation"),
        prepared=True,
        colors=True,
        streamed=lambda side, settings: _transforms().ColorJitter(**settings),
        boxes=_unmoved,
        explained="brightness, contrast, saturation and hue changed in a random order",
    ),
    Augmentation(
        name="lighting",
        words="PCA lighting",
        fields={
            "std": Annotated[float, Field(gt=0, le=10, description="the standard deviation of the noise; 0.1 in AlexNet")]
        },
        defaults={"std": 0.1},
        draw=lambda *asked: _lighting().draw_lighting(*asked),
        change=lambda *given: _lighting().light(*given),
        fit=lambda *given: _lighting().fit_components(*given),
        short=("std",),
        colors=True,
        channels=(3,),
        boxes=_unmoved,
        explained="noise along the principal components of the training images' colors",
    ),
    Augmentation(
        name="rand_augment",
        words="RandAugment",
        fields={
            "n": Annotated[int, Field(ge=1, le=10, description="operations per image")],
            "m": Annotated[int, Field(ge=0, le=30, description="the magnitude of each operation")],
        },
        defaults={"n": 2, "m": 9},
        draw=lambda *asked: _operations().draw_rand_augment(*asked),
        change=lambda *given: _operations().operate(*given),
        short=("m",),
        prepared=True,
        colors=True,
        streamed=lambda side, settings: _transforms().RandAugment(settings["n"], settings["m"]),
        explained="n random operations of magnitude m",
    ),
    Augmentation(
        name="trivial_augment",
        words="TrivialAugment",
        draw=lambda *asked: _operations().draw_trivial_augment(*asked),
        change=lambda *given: _operations().operate(*given),
        prepared=True,
        colors=True,
        streamed=lambda side, settings: _transforms().TrivialAugmentWide(),
        explained="one random operation of a random magnitude (the wide ranges)",
    ),
    Augmentation(
        name="auto_augment",
        words="AutoAugment",
        fields={
            "policy": Annotated[
                Literal["cifar10", "imagenet", "svhn"], Field(description="the data set on which the policy was found")
            ]
        },
        draw=lambda *asked: _operations().draw_auto_augment(*asked),
        change=lambda *given: _operations().operate(*given),
        short=("policy",),
        prepared=True,
        colors=True,
        streamed=lambda side, settings: _operations().auto_augment(settings["policy"]),
        explained="two operations of a policy that was found by a search",
    ),
)
