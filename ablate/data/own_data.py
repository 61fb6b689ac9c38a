"""Images that a reader's own code returns: `data: {python: module:function, args: {...}}`.

The function returns a mapping with "train" and "test", and "validation" if there is such a part. Each is a pair (images,
labels) of arrays, images uint8 of N x H x W x C or N x H x W, or a map-style data set of torch or Hugging Face, whose items
are (image, label) or a mapping with one image and one label. With a stated split, "train" has all images, or the function
returns that part alone.

What it returned is kept in the cache of decoded images, under a digest of the values. A plan calls the
function once for each code and arguments, and a run calls it once more, so that data that changed is noticed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ablate.data.array_cache import digest_arrays, kept, share
from ablate.data.arrays import OTHER, as_array, at_size, check_part, facts_of_arrays, split_part
from ablate.data.decoding import MODES, channels_of, to_eight_bits
from ablate.data.location import Location
from ablate.data.read_options import ColumnNames, Facts, ReadOptions
from ablate.data.sources import Arrays, Images, Labelled
from ablate.errors import DataError, RecordError
from ablate.files import read_file, real_directory, write_atomically
from ablate.own_code import OwnCode
from ablate.own_modules import own_errors

VERSION = 2  # of what is made of the values; after a change the function is called again
OFFERED = ("root",)  # parameters that a function receives if it has them
DIGEST = re.compile("[0-9a-f]{16}")
PARTS = ("train", "test", "validation")  # the last also by another name of OTHER


class Known(NamedTuple):
    """What is known of images that own code returned.

    Args:
        whole: Digest of training and test images, 16 hexadecimal digits.
        training: Digest of the training images.
        validation: Digest of the validation images; "" if there are none.
        facts: What the images say of themselves.
    """

    whole: str
    training: str
    validation: str
    facts: Facts

    def of(self, part: str) -> str:
        """The digest of the images that are asked for; "" if there are none.

        Args:
            part: "" for training and test images, "train", or any other name for the validation images.
        """
        return {"": self.whole, "train": self.training}.get(part, self.validation)


def load_own(
    kind: type[Arrays],
    part: str,
    image_size: int,
    location: Location,
    options: ReadOptions,
    announce: Callable[[str], None],
    again: bool = False,
) -> tuple[Arrays, str]:
    """(the images that own code returns, their digest as 16 hexadecimal digits).

    Args:
        kind: Images for training and test images, Labelled for one part.
        part: As in Known.of().
        image_size: Height and width in pixels.
        location: Its root is offered to the function, its cache has the decoded images.
        options: With the own code.
        announce: Receives a line before the function is called.
        again: Whether the function is called although its images are in the cache.

    Raises:
        DataError: The function returns something else, or other images than before while a run goes on.
        NotationError: The function raises an error.
    """

    @functools.cache
    def parts() -> dict[str, Labelled]:
        announce(f"calling {options.own} for its images")
        return _call(image_size, location.root, options)

    digest = _known(image_size, location, options, parts, again).of(part)
    if not digest:
        raise DataError(f"{options.own}: returned no validation images; return them under 'validation'")
    one = part if part in ("", "train") else "validation"

    def make() -> Arrays:
        if _describe(parts()).of(part) != digest:
            raise DataError(
                f"{options.own}: returned different images in two calls; make it return the same images each time"
            )
        found = parts()
        made: Any = found[one] if one else Images(*found["train"], *found["test"])
        return made  # type: ignore[no-any-return]

    path = location.cache / f"own{f'-{one}' if one else ''}-{digest}-{image_size}-v{VERSION}"
    return kept(path, kind, make, announce), digest


def own_facts(location: Location, options: ReadOptions, image_size: int | None = None) -> Facts:
    """What images of own code say of themselves. The function is called if that is not in the cache.

    Args:
        location, options: As in load_own().
        image_size: To which images are resized; None if they are not.

    Raises:
        DataError: The function returns something else than images.
        NotationError: The function raises an error.
    """
    return _known(image_size, location, options, lambda: _call(image_size, location.root, options)).facts


def known_own_digest(image_size: int, location: Location, options: ReadOptions, part: str) -> str | None:
    """The digest of images that own code returned before; None if they are not in the cache. Nothing is called.

    Args:
        image_size, location, options, part: As in load_own().
    """
    known = _read(location.cache, _key(image_size, location.root, options))
    return (known.of(part) or None) if known else None


def _known(
    image_size: int | None,
    location: Location,
    options: ReadOptions,
    parts: Callable[[], dict[str, Labelled]],
    again: bool = False,
) -> Known:
    """What is known of the images, from the cache or from the parts that a call returns."""
    key = _key(image_size, location.root, options)
    known = None if again else _read(location.cache, key)
    if known is None:
        known = _describe(parts())
        _write(location.cache, key, known)
    return known


def _own(options: ReadOptions) -> OwnCode:
    assert options.own is not None
    return options.own


def _key(image_size: int | None, root: Path, options: ReadOptions) -> str:
    size = image_size if options.resize else None  # otherwise images have the size that they have
    what = [VERSION, size, str(root.absolute()), _own(options).identity(), options._replace(own=None, channels=None).stem]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def _read(cache: Path, key: str) -> Known | None:
    """What is known under a key; None if nothing is, or if it is damaged."""
    with contextlib.suppress(OSError, RecordError, ValueError, TypeError):
        whole, training, validation, facts = json.loads(read_file(real_directory(cache / "own") / f"{key}.json"))
        if all(DIGEST.fullmatch(digest) for digest in (whole, training, validation or whole)):
            known = Facts(*facts)
            return Known(whole, training, validation, known._replace(images=known.images and (*known.images,)))
    return None


def _write(cache: Path, key: str, known: Known) -> None:
    with contextlib.suppress(OSError, RecordError):  # then the function is called again the next time
        path = real_directory(cache / "own") / f"{key}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        share(path.parent)
        write_atomically(path, json.dumps(known).encode())
        share(path)


def _describe(parts: Mapping[str, Labelled]) -> Known:
    def digest(*names: str) -> str:
        content = hashlib.sha256()  # of the images alone: the code is part of the trial's id
        for name in names:
            content.update(f"{parts[name].images.shape}{digest_arrays(parts[name])}".encode())
        return content.hexdigest()[:16]

    train = parts["train"]
    facts = facts_of_arrays(train.images, train.labels)
    facts = facts._replace(images=(len(train.labels), len(parts["test"].labels)))
    validation = digest("validation") if "validation" in parts else ""
    return Known(digest("train", "test"), digest("train"), validation, facts)


def _call(image_size: int | None, root: Path, options: ReadOptions) -> dict[str, Labelled]:
    """The checked parts that own code returns, by name."""
    own = _own(options)
    returned = own.call(root=str(root))
    if not isinstance(returned, Mapping) and options.split:
        returned = {"train": returned}
    if isinstance(returned, Mapping):
        returned = {"validation" if name in OTHER else name: part for name, part in returned.items()}
    needed = ["train"] if options.split else ["train", "test"]
    if not isinstance(returned, Mapping) or any(name not in returned for name in needed):
        mapped = f"a mapping with {', '.join(map(repr, returned))}" if isinstance(returned, Mapping) else ""
        wanted = f"a mapping with {' and '.join(map(repr, needed))}, each of them (images, labels) or a data set"
        raise DataError(f"{own.python} returned {mapped or type(returned).__name__}; allowed: {wanted}")
    parts = {}
    for name in PARTS:
        if name in returned and not (name == "test" and options.split):
            what = f"{own.python}: {name}"
            part = _read_part(returned[name], options, image_size, what)
            parts[name] = part if image_size is None else at_size(part, image_size, options.resize, what)
    channels = max(part.images.shape[3] for part in parts.values())
    parts = {name: Labelled(_widened(part.images, channels), part.labels) for name, part in parts.items()}
    shapes = {name: part.images.shape[1:] for name, part in parts.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items())
        raise DataError(f"{own.python}: parts of different shapes: {told}; allowed: one shape")
    if options.split:
        drawn = split_part(parts["train"], options)
        parts |= {"train": Labelled(*drawn[:2]), "test": Labelled(*drawn[2:])}
    return parts


def _widened(images: np.ndarray[Any, Any], channels: int) -> np.ndarray[Any, Any]:
    """Grey images in as many channels as others have, (..., C)."""
    return images if images.shape[-1] == channels else np.repeat(images, channels, -1)


def _read_part(part: Any, options: ReadOptions, image_size: int | None, what: str) -> Labelled:
    """The images and labels of a pair of arrays, or of a data set that is read item by item."""
    if isinstance(part, (tuple, list)) and len(part) == 2:
        images, labels = part
        return check_part(images, labels, what)
    if not (hasattr(part, "__len__") and hasattr(part, "__getitem__")) or isinstance(part, (str, np.ndarray)):
        raise DataError(
            f"{what}: found {type(part).__name__}; allowed: (images, labels), or a data set with len() and items"
        )
    with own_errors(_own(options).python):
        length = len(part)
    if not length:
        raise DataError(f"{what}: has no image; return at least one")
    arrays: list[np.ndarray[Any, Any]] = []
    numbers: list[int] = []
    columns = options.columns
    for index in range(length):
        with own_errors(_own(options).python):
            item = part[index]
        if isinstance(item, Mapping) and (index == 0 or not {columns.image, columns.label} <= item.keys()):
            columns = _columns(item, options.columns, f"{what}[{index}]")
        if not isinstance(item, (Mapping, tuple, list)) or (not isinstance(item, Mapping) and len(item) < 2):
            raise DataError(
                f"{what}[{index}]: found {type(item).__name__}; allowed: (image, label), or a mapping with both"
            )
        image, label = (item[columns.image], item[columns.label]) if isinstance(item, Mapping) else (item[0], item[1])
        if not (isinstance(label, (int, np.integer)) or _is_number(label)):
            raise DataError(f"{what}[{index}]: the label is {type(label).__name__}; allowed: a whole number from 0")
        array = _pixels(image, f"{what}[{index}]")
        if image_size is not None:
            array = at_size(Labelled(array[None], np.zeros(1)), image_size, options.resize, what).images[0]
        elif arrays and array.shape[:2] != arrays[0].shape[:2]:
            (high, wide), (first_high, first_wide) = array.shape[:2], arrays[0].shape[:2]
            raise DataError(
                f"{what}: images of {first_wide}x{first_high} and {wide}x{high} pixels; "
                "set data.image_size, and data.resize: crop, stretch or pad"
            )
        arrays.append(array)
        numbers.append(int(label))
    channels = max(array.shape[2] for array in arrays)
    return check_part(np.stack([_widened(array, channels) for array in arrays]), np.array(numbers), what)


def _columns(item: Mapping[str, Any], said: ColumnNames, what: str) -> ColumnNames:
    """The columns of the image and of the label in an item: those that a study says, or those that only they can be."""
    images = [name for name, value in item.items() if hasattr(value, "size") and getattr(value, "ndim", 2) >= 2]
    labels = [name for name, value in item.items() if isinstance(value, (int, np.integer)) or _is_number(value)]
    found = []
    for key, name, fitting in (("image", said.image, images), ("label", said.label, labels)):
        usual = [name or key] if (name or key) in fitting else [] if name else fitting
        if len(usual) != 1:
            known, among = (", ".join(map(str, names)) for names in (usual, item))
            raise DataError(
                f"{what}: which column is the {key}: found {known or 'none'} of {among}; set data.columns: {{{key}: NAME}}"
            )
        found.append(usual[0])
    return ColumnNames(*found)


def _is_number(value: Any) -> bool:
    """Whether a value is an array or tensor of one whole number."""
    if getattr(value, "ndim", None) != 0:
        return False
    return value.dtype.kind in "iu" if hasattr(value.dtype, "kind") else not value.is_floating_point()


def _pixels(image: Any, what: str) -> np.ndarray[Any, Any]:
    """The array of one image, uint8 (H, W, C): a Pillow image, a NumPy array, or a tensor (C, H, W)."""
    if hasattr(image, "convert") and hasattr(image, "mode"):
        try:
            array = np.asarray(to_eight_bits(image).convert(MODES[channels_of(image)]), np.uint8)
        except Exception as error:  # damaged bytes can raise any error
            raise DataError(f"{what}: the image cannot be read: {' '.join(str(error).split())[:200]}") from None
    else:
        array = as_array(image, f"{what}: the image")
        if hasattr(image, "is_floating_point") and array.ndim == 3 and array.shape[0] in (1, 3):
            array = array.transpose(1, 2, 0)
    array = array if array.ndim != 2 else array[..., None]
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (1, 3):
        raise DataError(
            f"{what}: an image is {array.dtype} of shape {' x '.join(map(str, array.shape))}; allowed: a Pillow image, or "
            "uint8 of H x W x C without a transform to floating-point numbers"
        )
    return array
