"""Lists of augmentation steps: how a study file writes them, their names, what captions say, which images they fit.

`augment` in a study file is a list of steps in order, such as [{crop: 4}, flip], or the name of such a list. A step may be
a reader's own, as {python: module:callable, args: {...}}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union

from pydantic import TypeAdapter, ValidationError

from ablate.data.augmentations import AUGMENTATIONS, Augmentation, Step
from ablate.errors import NotationError, allowed, describe, foreign_letter
from ablate.own_code import OwnCode, own_code_error, read_own_code

MAX_STEPS = 20
OFFERED = ("images", "generator")  # the arguments that a reader's own step receives besides its args

Steps = tuple[Union[Step, OwnCode], ...]
Augment = Union[str, Steps]  # the name of a list in NAMED, or steps
NAMED: Mapping[str, tuple[Steps, str]] = {  # name of a list -> (its steps, its words in captions)
    "flip_crop": ((Step("crop"), Step("flip")), "flips and crops"),
    "flip_crop_zero": ((Step("crop", (("mode", "mean"),)), Step("flip")), "flips and crops of images padded with zeros"),
    "flip": ((Step("flip"),), "flips"),
    "crop": ((Step("crop"),), "crops"),
    "none": ((), "no augmentation"),
}


def read_augmentation(value: Any, side: int) -> Augment:
    """The augmentation of a value in a study file: the name of a list in NAMED if there is one, else steps.

    Args:
        value: A name of NAMED, or a list of steps, each a name, {name: settings}, or own code from with_code().
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
        raise ValueError(f"found {describe(value)}; allowed: {wanted}")
    steps = tuple(_read_step(step, side) for step in value)
    return next((name for name, (known, _) in NAMED.items() if known == steps), steps)


def with_code(value: Any, folders: tuple[Path, ...]) -> Any:
    """The value with the digest of the source of each own step, so that read_augmentation() needs no files.

    Args:
        value: As written in a study file, valid or not.
        folders: Searched for the modules before Python's path, in order.

    Raises:
        NotationError: An own step cannot be imported, or its signature does not fit.
    """
    if not isinstance(value, (list, tuple)):
        return value
    found = []
    for step in value:
        if isinstance(step, dict) and "python" in step:
            if wrong := own_code_error(step):
                raise NotationError(wrong.lstrip(".: "))
            own = read_own_code(step, folders)
            own.check(*OFFERED, needed=OFFERED[:1])
            step = own.identity()
        found.append(step)
    return found


def _read_step(value: Any, side: int) -> Step | OwnCode:
    """The step of a value in a study file; settings with their usual values are left out."""
    if isinstance(value, dict) and "python" in value:
        if "code" not in value:  # in a published protocol, of which nothing is run
            raise ValueError(f"found {describe(value)} as a step; allowed: a name, or one name with its settings")
        return OwnCode(value["python"], json.dumps(value.get("args", {}), sort_keys=True), value["code"])
    if isinstance(value, dict) and len(value) == 1:
        ((name, given),) = value.items()
    elif isinstance(value, str):
        name, given = value, {}
    else:
        raise ValueError(
            f"found {describe(value)} as a step; allowed: a name, one name with its settings such as {{crop: 4}}, "
            "or {python: module:callable}"
        )
    if name not in AUGMENTATIONS:
        raise ValueError(f"found the step '{name}'; {allowed(str(name), (*AUGMENTATIONS, 'python'))}")
    entry = AUGMENTATIONS[name]
    if not isinstance(given, dict):
        if not entry.short:
            raise ValueError(f"the step {name} has no setting; write it as {name}")
        given = dict.fromkeys(entry.short, given)
    for key in given:
        if key not in entry.fields:
            raise ValueError(f"the step {name}: unknown key '{key}'; {allowed(str(key), entry.fields)}")
    try:
        written = {
            key: TypeAdapter(entry.fields[key]).validate_json(json.dumps(each), strict=True) for key, each in given.items()
        }
    except ValidationError as error:
        found = error.errors()[0]
        known = f"{describe(found['input'])}{foreign_letter(found['input'])}"
        raise ValueError(f"the step {name}: found {known}; allowed: {found['msg'].lower()}") from None
    usual = {**entry.defaults, **entry.usual(side)}
    if missing := [key for key in entry.fields if key not in written and key not in usual]:
        raise ValueError(f"the step {name} needs {missing[0]}; write it as {{{name}: {{{missing[0]}: ...}}}}")
    if wrong := entry.check({**usual, **written, "side": side}):
        raise ValueError(f"the step {name}: {wrong}")
    return Step(name, tuple(sorted((key, each) for key, each in written.items() if each != usual.get(key))))


def steps_of(augmentation: Augment) -> Steps:
    """The steps of an augmentation, in order."""
    return NAMED[augmentation][0] if isinstance(augmentation, str) else augmentation


def own_steps(augmentation: Augment) -> tuple[OwnCode, ...]:
    """The reader's own steps of an augmentation, in order."""
    return tuple(step for step in steps_of(augmentation) if isinstance(step, OwnCode))


def settings_of(step: Step, side: int) -> dict[str, Any]:
    """All settings of a step, by name.

    Args:
        step: One step.
        side: Of the images, in pixels.
    """
    entry = AUGMENTATIONS[step.name]
    return entry.settings({**entry.usual(side), **dict(step.written)})


def as_written(augmentation: Augment, code: bool = False) -> Any:
    """An augmentation as a study file writes it: a name or a list.

    Args:
        augmentation: The name of a list in NAMED, or steps.
        code: Whether own steps have the digest of their source too, as from with_code().
    """
    if isinstance(augmentation, str):
        return augmentation
    return [_step_as_written(step, code) for step in augmentation]


def _step_as_written(step: Step | OwnCode, code: bool) -> Any:
    if isinstance(step, OwnCode):
        return step.identity() if code else step.written
    return {step.name: dict(step.written)} if step.written else step.name


def describe_augmentation(augmentation: Augment) -> str:
    """An augmentation in the words of a caption: "flips and crops"; "crops (padding 2), flips"."""
    if isinstance(augmentation, str):
        return NAMED[augmentation][1]
    told = []
    for step in augmentation:
        if isinstance(step, OwnCode):
            told.append(str(step))
            continue
        settings = ", ".join(f"{key.replace('_', ' ')} {_plain(value)}" for key, value in step.written)
        told.append(AUGMENTATIONS[step.name].words + (f" ({settings})" if settings else ""))
    return ", ".join(told)


def _plain(value: Any) -> str:
    """A setting's value in words: 0.1; "0.2 to 1"."""
    if isinstance(value, tuple):
        return " to ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def augmentation_error(augmentation: Augment, channels: int, whitened: bool, streamed: bool) -> str:
    """Why the steps are not possible with some images; "" if they are.

    Args:
        augmentation: The name of a list in NAMED, or steps.
        channels: Of the images.
        whitened: Whether the images are whitened before they are augmented.
        streamed: Whether the images are decoded when they are needed.
    """
    steps = steps_of(augmentation)
    for i, step in enumerate(steps):
        entry = AUGMENTATIONS[step.name] if isinstance(step, Step) else None
        if whitened and (entry is None or entry.colors):
            possible = ", ".join(name for name, each in AUGMENTATIONS.items() if not each.colors)
            return f"found {step}; allowed for whitened images: {possible}"
        padded = any(isinstance(other, Step) and other.pads_with_mean for other in steps[:i])
        if padded and (entry is None or not entry.move):
            return f"found {step} after a crop with the padding mean; put the crop after it"
        if whitened and isinstance(step, Step) and step.pads_with_mean:
            return f"found {step}; allowed for whitened images: the padding zero"
        if not streamed and isinstance(step, Step) and dict(step.written).get("interpolation") == "bicubic":
            return f"found {step}; bicubic is for streamed images (data.stream: true)"
        if entry and channels not in entry.channels:
            return f"found {step}, which needs {' or '.join(map(str, entry.channels))} channels; the images have {channels}"
        if streamed and (wrong := _unstreamed(steps[:i], step, entry)):
            return f"found {step}; allowed for streamed images: {wrong}"
    return ""


def _is_streamed(entry: Augmentation) -> bool:
    """Whether a step is possible with streamed images."""
    return bool(entry.streamed or entry.change)


def _unstreamed(before: Steps, step: Step | OwnCode, entry: Augmentation | None) -> str:
    """What is allowed instead of a step of streamed images after others; "" if the step is possible."""
    if entry is None:
        return ""
    if any(isinstance(other, OwnCode) for other in before):
        return "steps of your own last"
    if not _is_streamed(entry) or (isinstance(step, Step) and entry.usual_streamed and step.written):
        return ", ".join(
            f"{name} without settings" if each.usual_streamed else name
            for name, each in AUGMENTATIONS.items()
            if _is_streamed(each)
        )
    if entry.crops and any(AUGMENTATIONS[other.name].change for other in before if isinstance(other, Step)):
        return "crops before steps that change pixels"
    return ""
