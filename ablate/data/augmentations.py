"""The table of augmentation steps, and named lists of steps.

`augment` in a study file is a list of steps in order, such as [{crop: 4}, flip], or the name of such a list. The draws
for an image are a function of (seed, epoch) alone: each step draws for all images of an epoch, in order, on the CPU. A
package adds a step by an entry point in the group `ablate.augmentations`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union

from pydantic import Field, TypeAdapter, ValidationError

from ablate.errors import allowed
from ablate.registry import Kind, Registry, Settings

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MAX_STEPS = 20


class Index(NamedTuple):
    """For each pixel of an augmented image, the row and the column of the source pixel.

    Args:
        rows: int64 (B, H).
        columns: int64 (B, W).
    """

    rows: Tensor
    columns: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Augmentation(Kind):
    """One step of an augmentation. `check` also receives the side of the images in pixels, as the setting `side`.

    Args:
        draw: (number of images N, side in pixels, generator on the CPU, settings) -> the draws for each image, (N, ...).
        move: (index, draws of its B images) -> the index after this step; for steps that only move pixels.
        short: The field that a step written as {name: value} sets; "" if a step has no such form.
        usual: (side in pixels) -> the settings of a step that is written by its name alone.
        streamed: (side in pixels, settings) -> a torchvision transform that does the same with one streamed image; None if
            the step is not possible with streamed images.
        crops: Whether `streamed` also scales the image to its size.
    """

    draw: Callable[[int, int, torch.Generator, Settings], Tensor]
    move: Callable[[Index, Tensor], Index]
    short: str = ""
    usual: Callable[[int], Settings] = lambda side: {}
    streamed: Callable[[int, Settings], Any] | None = None
    crops: bool = False


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


def _draw_crop(n: int, side: int, generator: torch.Generator, settings: Settings) -> Tensor:
    """Shifts in pixels, int64 (N, 2), rows first, between -padding and padding."""
    import torch

    padding = settings["padding"]
    return torch.randint(-padding, padding + 1, (n, 2), generator=generator)


def _crop(index: Index, shifts: Tensor) -> Index:
    """The index of a crop from a reflection-padded image, which is never made: reflected pixels are read instead."""
    return Index(_shifted(index.rows, shifts[:, :1]), _shifted(index.columns, shifts[:, 1:]))


def _shifted(places: Tensor, shift: Tensor) -> Tensor:
    """Positions (B, L) read at l + shift; outside of 0..L-1 they are reflected without repeating the edge."""
    import torch

    size = places.shape[1]
    read = (torch.arange(size, device=places.device) + shift).abs()
    return places.gather(1, size - 1 - (size - 1 - read).abs())


def _check_crop(settings: Settings) -> str:
    """An error message if the padding is not smaller than the image; "" otherwise."""
    return "" if settings["padding"] < settings["side"] else f"padding needs to be below {settings['side']} pixels"


def _draw_flip(n: int, side: int, generator: torch.Generator, settings: Settings) -> Tensor:
    """Whether each image is flipped, bool (N,)."""
    import torch

    return torch.randint(0, 2, (n,), generator=generator).bool()


def _flip(index: Index, flips: Tensor) -> Index:
    """The index with the columns of flipped images in reverse order."""
    import torch

    return Index(index.rows, torch.where(flips[:, None], index.columns.flip(1), index.columns))


def _random_resized_crop(side: int, settings: Settings) -> Any:
    """A crop of 8% to 100% of the image's area and aspect ratio 3:4 to 4:3, scaled to side x side pixels.

    Source: torchvision's reference training for ImageNet.
    """
    from torchvision.transforms import RandomResizedCrop

    return RandomResizedCrop(side, (0.08, 1.0), (3 / 4, 4 / 3))


def _random_flip(side: int, settings: Settings) -> Any:
    from torchvision.transforms import RandomHorizontalFlip

    return RandomHorizontalFlip()


AUGMENTATIONS = Registry(
    "ablate.augmentations",
    Augmentation,
    Augmentation(
        name="crop",
        words="crops",
        fields={"padding": Annotated[int, Field(ge=1, le=1024, description="pixels, reflected")]},
        check=_check_crop,
        draw=_draw_crop,
        move=_crop,
        short="padding",
        usual=lambda side: {"padding": side // 8},  # 4 pixels for 32x32 images. Source: WRN, section 3
        streamed=_random_resized_crop,
        crops=True,
    ),
    Augmentation(name="flip", words="flips", draw=_draw_flip, move=_flip, streamed=_random_flip),
)

Steps = tuple[Step, ...]
Augment = Union[str, Steps]  # the name of a list in NAMED, or steps
NAMED: Mapping[str, tuple[Steps, str]] = {  # name of a list -> (its steps, its words in captions)
    "flip_crop": ((Step("crop"), Step("flip")), "flips and crops"),
    "flip": ((Step("flip"),), "flips"),
    "crop": ((Step("crop"),), "crops"),
    "none": ((), "no augmentation"),
}


def read_augmentation(value: Any, side: int) -> Augment:
    """The augmentation of a value in a study file: the name of a list in NAMED if there is one, else steps.

    Args:
        value: A name of NAMED, or a list of steps, each a name or {name: settings}.
        side: Of the images, in pixels.

    Raises:
        ValueError: The value is not an augmentation; the message says what was found and what is allowed.
    """
    if isinstance(value, str):
        if value not in NAMED:
            raise ValueError(f"found '{value}'; {allowed(value, NAMED)}, or a list of {', '.join(AUGMENTATIONS)}")
        return value
    if not isinstance(value, (list, tuple)) or len(value) > MAX_STEPS:
        wanted = f"{', '.join(NAMED)}, or a list of at most {MAX_STEPS} steps: {', '.join(AUGMENTATIONS)}"
        raise ValueError(f"found {value!r}; allowed: {wanted}")
    steps = tuple(_read_step(step, side) for step in value)
    return next((name for name, (known, _) in NAMED.items() if known == steps), steps)


def _read_step(value: Any, side: int) -> Step:
    """The step of a value in a study file; settings with their usual values are left out."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, given),) = value.items()
    elif isinstance(value, str):
        name, given = value, {}
    else:
        raise ValueError(f"found {value!r} as a step; allowed: a name, or one name with its settings such as {{crop: 4}}")
    if name not in AUGMENTATIONS:
        raise ValueError(f"found the step '{name}'; {allowed(str(name), AUGMENTATIONS)}")
    entry = AUGMENTATIONS[name]
    if not isinstance(given, dict):
        if not entry.short:
            raise ValueError(f"the step {name} has no setting; write it as {name}")
        given = {entry.short: given}
    for key in given:
        if key not in entry.fields:
            raise ValueError(f"the step {name}: unknown key '{key}'; {allowed(str(key), entry.fields)}")
    try:
        written = {key: TypeAdapter(entry.fields[key]).validate_python(each, strict=True) for key, each in given.items()}
    except ValidationError as error:
        found = error.errors()[0]
        raise ValueError(f"the step {name}: found {found['input']!r}; allowed: {found['msg'].lower()}") from None
    usual = {**entry.defaults, **entry.usual(side)}
    if wrong := entry.check({**usual, **written, "side": side}):
        raise ValueError(f"the step {name}: {wrong}")
    return Step(name, tuple(sorted((key, each) for key, each in written.items() if each != usual.get(key))))


def steps_of(augmentation: Augment) -> Steps:
    """The steps of an augmentation, in order.

    Args:
        augmentation: The name of a list in NAMED, or steps.
    """
    return NAMED[augmentation][0] if isinstance(augmentation, str) else augmentation


def settings_of(step: Step, side: int) -> dict[str, Any]:
    """All settings of a step, by name.

    Args:
        step: One step.
        side: Of the images, in pixels.
    """
    entry = AUGMENTATIONS[step.name]
    return entry.settings({**entry.usual(side), **dict(step.written)})


def as_written(augmentation: Augment) -> Any:
    """An augmentation as a study file writes it: a name or a list.

    Args:
        augmentation: The name of a list in NAMED, or steps.
    """
    if isinstance(augmentation, str):
        return augmentation
    return [{step.name: dict(step.written)} if step.written else step.name for step in augmentation]


def describe_augmentation(augmentation: Augment) -> str:
    """An augmentation in the words of a caption: "flips and crops"; "crops (padding 2), flips".

    Args:
        augmentation: The name of a list in NAMED, or steps.
    """
    if isinstance(augmentation, str):
        return NAMED[augmentation][1]
    told = []
    for step in augmentation:
        settings = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in step.written)
        told.append(AUGMENTATIONS[step.name].words + (f" ({settings})" if settings else ""))
    return ", ".join(told)


def draw(augmentation: Augment, n: int, side: int, generator: torch.Generator) -> list[Tensor]:
    """The draws of each step for n images: one tensor (n, ...) for each step, on the CPU.

    Args:
        augmentation: The name of a list in NAMED, or steps.
        n: Number of images.
        side: Of the images, in pixels.
        generator: On the CPU.
    """
    return [AUGMENTATIONS[step.name].draw(n, side, generator, settings_of(step, side)) for step in steps_of(augmentation)]


def augment(images: Tensor, index: Tensor, augmentation: Augment, draws: list[Tensor]) -> Tensor:
    """The images at an index, augmented: one gather for any number of steps.

    Args:
        images: (N, H, W, C), of any type.
        index: int64 (B,), into the images.
        augmentation: The name of a list in NAMED, or steps.
        draws: The draws of each step for these B images, on the images' device; empty for no augmentation.

    Returns:
        (B, H, W, C), of the images' type.
    """
    import torch

    if not draws:
        return images[index]
    rows, columns = (torch.arange(size, device=images.device).expand(len(index), -1) for size in images.shape[1:3])
    moved = Index(rows, columns)
    for step, drawn in zip(steps_of(augmentation), draws):
        moved = AUGMENTATIONS[step.name].move(moved, drawn)
    return images[index[:, None, None], moved.rows[:, :, None], moved.columns[:, None, :]]


def can_be_streamed(step: Step) -> bool:
    """Whether a step is possible with streamed images, which are decoded when they are needed.

    Args:
        step: One step.
    """
    return AUGMENTATIONS[step.name].streamed is not None and not (AUGMENTATIONS[step.name].crops and step.written)


def transforms(augmentation: Augment, side: int) -> list[Any]:
    """The steps as torchvision transforms of one streamed image; without a crop among them, central_crop() is the first.

    Args:
        augmentation: The name of a list in NAMED, or steps.
        side: Of the result, in pixels.
    """
    entries = [(AUGMENTATIONS[step.name], settings_of(step, side)) for step in steps_of(augmentation)]
    found = [entry.streamed(side, settings) for entry, settings in entries if entry.streamed]
    return [*([] if any(entry.crops for entry, _ in entries) else central_crop(side)), *found]


def central_crop(side: int) -> list[Any]:
    """The transforms of an evaluated image: for side 224, the shorter side scaled to 256 pixels and the central 224 pixels.

    Args:
        side: Of the result, in pixels; the scaling is in proportion.

    Source:
        He et al., "Deep Residual Learning", section 3.4, and torchvision's reference weights.
    """
    from torchvision.transforms import CenterCrop, Resize

    return [Resize(round(256 / 224 * side)), CenterCrop(side)]
