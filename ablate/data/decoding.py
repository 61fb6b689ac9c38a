"""Image files -> arrays: opened safely, decoded with 8 bits, and brought to one size."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np

from ablate.data.folders import IMAGE_FORMATS, MOST_BYTES, NAMED, name_some, open_regular_target
from ablate.data.read_options import Facts, Resize
from ablate.data.sources import Arrays, Labelled
from ablate.errors import DamagedImage, DataError

if TYPE_CHECKING:
    from PIL.Image import Image

TIFF_BITS, TIFF_BLACK = 258, 262  # numbers of tags: bits of a pixel; 0 if a pixel of value 0 is white
MOST_PIXELS, MOST_RATIO = 89_478_485, 64  # of an image: pixels, where Pillow warns too; ratio of its sides
MODES = {1: "L", 3: "RGB"}  # Pillow's name of the pixels, by channels
SAMPLED = 64  # images whose headers tell the size of all

T = TypeVar("T")


def decode_files(
    files: Sequence[tuple[bytes, Path]], image_size: int, channels: int = 3, resize: Resize = "crop"
) -> Labelled:
    """The images of (class, file); labels are indices into the sorted classes, -1 - index for an image that is damaged.

    Args:
        files: Of images, with the names of their classes.
        image_size: Height and width of the result in pixels.
        channels: 3, or 1 for grey images.
        resize: A name of RESIZES.

    Raises:
        DataError: Files cannot be opened or have pixels that are not read; the first are named.
    """
    label = {name: i for i, name in enumerate(sorted({name for name, _ in files}))}
    images = np.zeros((len(files), image_size, image_size, channels), np.uint8)
    labels = np.array([label[name] for name, _ in files], np.int64)
    refused = []
    for i, (_, path) in enumerate(files):
        try:
            images[i] = to_square(open_image(path, channels), image_size, resize)
        except DamagedImage:
            labels[i] = -1 - labels[i]
        except DataError as error:
            refused.append(str(error))
    if refused:
        raise DataError(f"{len(refused):,} of {len(files):,} images cannot be used: {name_some(refused)}")
    return Labelled(images, labels)


def without_damaged(images: Arrays, files: list[Path], skip: bool) -> Arrays:
    """The images without those that are damaged.

    Args:
        images: As a Reading reads them; the label of a damaged image is negative.
        files: That they are read from, in order.
        skip: Whether damaged images are skipped, not refused.

    Raises:
        DataError: Images are damaged and not skipped; the first are named. Or no image is left of a part.
    """
    if images[1].ndim > 1:  # targets of boxes, whose reader refuses damaged images
        return images
    intact: list[np.ndarray[Any, Any]] = [labels >= 0 for labels in images[1::2]]
    if all(kept.all() for kept in intact):
        return images
    damaged: list[Path] = [path for path, kept in zip(files, np.concatenate(intact)) if not kept]
    if not skip:
        raise DataError(
            f"{len(damaged):,} of {len(files):,} images are damaged; repair or remove them, or set data.on_damaged: "
            f"skip to leave them out: {name_some([*map(_damage, damaged[:NAMED]), *map(str, damaged[NAMED:])])}"
        )
    if not all(kept.any() for kept in intact):
        raise DataError(f"{len(damaged):,} of {len(files):,} images are damaged, so none is left; repair them")
    return type(images)(*(array[kept] for i, kept in enumerate(intact) for array in images[2 * i : 2 * i + 2]))


def _damage(path: Path) -> str:
    """The path of a damaged image and what is wrong with it."""
    try:
        open_image(path)
    except DataError as error:
        return str(error)
    return str(path)


def open_image(path: str | Path, channels: int = 3) -> Image:
    """The image of a file, in RGB or grey. Grey values of 16 bits are divided by 257.

    Args:
        path: A file in one of IMAGE_FORMATS.
        channels: 3 for RGB, 1 for grey.

    Raises:
        DamagedImage: The file is not an image, is damaged, or exceeds MOST_PIXELS or MOST_RATIO.
        DataError: Its pixels are no 8 or 16 bits, or it cannot be opened or is no regular file.
    """
    descriptor = open_regular_target(path, MOST_BYTES)
    try:
        with open(descriptor, "rb") as file:
            return read_pixels(file, channels)
    except (DataError, MemoryError) as error:
        raise DataError(f"{path}: {error or 'there is no memory for it'}") from None
    except Exception as error:  # a damaged file can raise any error
        kind = DataError if isinstance(error, OSError) and error.errno else DamagedImage  # Pillow's have no number
        raise kind(f"{path}: cannot be read as an image: {_said(error)}") from None


def _said(error: Exception) -> str:
    import PIL

    if isinstance(error, PIL.UnidentifiedImageError):  # its text names our file object
        return f"damaged, or not in a format that is read ({', '.join(IMAGE_FORMATS)})"
    return str(error) or type(error).__name__


def read_pixels(file: BinaryIO, channels: int = 3) -> Image:
    """The image in an open file, in RGB or grey. A damaged file can raise any error.

    Args:
        file: In one of IMAGE_FORMATS, at its start.
        channels: 3 for RGB, 1 for grey.
    """
    return _with_image(file, lambda image: to_eight_bits(image).convert(MODES[channels]))


def read_header(file: BinaryIO) -> tuple[tuple[int, int], int]:
    """((width, height) in pixels, channels) of the image in an open file, which is not decoded.

    Args:
        file: In one of IMAGE_FORMATS, at its start.
    """
    return _with_image(file, lambda image: (image.size, channels_of(image)))


def channels_of(image: Image) -> int:
    """1 for an image in black and white or grey, else 3."""
    return 1 if image.mode in ("1", "L") or image.mode.startswith("I") else 3


def facts_of(classes: int, headers: Sequence[tuple[tuple[int, int], int]]) -> Facts:
    """What the headers of some images say of all: one size, if all are squares of it; grey, if all are.

    Args:
        classes: How many classes there are.
        headers: As returned by read_header(); at least one.
    """
    sizes = list(dict.fromkeys(size for size, _ in headers))
    (wide, high), channels = sizes[0], max(found for _, found in headers)
    found = " and ".join(f"{one}x{other}" for one, other in sizes[:2])
    return Facts(classes, wide if len(sizes) == 1 and wide == high else None, channels, found)


def sample(files: Sequence[T]) -> list[T]:
    """Up to SAMPLED items, evenly spaced; always the same ones."""
    return list(files[:: max(1, -(-len(files) // SAMPLED))])


def _with_image(file: BinaryIO, take: Callable[[Image], T]) -> T:
    """What `take` makes of the image in a file."""
    import PIL.Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about defects of files that can be read nevertheless
        with PIL.Image.open(file, formats=IMAGE_FORMATS) as image:
            wide, high = image.size
            if wide * high > MOST_PIXELS or max(image.size) > MOST_RATIO * min(image.size):
                raise ValueError(f"{wide}x{high} pixels; allowed: {MOST_PIXELS:,} pixels, sides of up to 1:{MOST_RATIO}")
            return take(image)


def to_eight_bits(image: Image) -> Image:
    """An image with at most 8 bits a value: grey values of more bits are scaled. Others are returned as they are.

    A TIFF of 32 bits is taken to have 8 bits if no value is larger, else 16 bits.

    Raises:
        DataError: The pixels are floating-point numbers, or integers beyond 16 bits.
    """
    import PIL.Image

    if image.mode.startswith("F"):
        raise DataError(f"mode {image.mode}, floating-point pixels; save it with 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image).astype(np.int64)
    low, high = values.min(), values.max()
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    if image.mode == "I" and tags and low >= 0 and high <= 255:
        return image
    if low < 0 or high > 65535:
        raise DataError(f"mode {image.mode}, pixels from {low} to {high}; save it with 8 or 16 bits")
    most = 4095 if tags.get(TIFF_BITS) == (12,) else 65535
    values = most - values if tags.get(TIFF_BLACK) == 0 else values
    return PIL.Image.fromarray(((values * 255 + most // 2) // most).astype(np.uint8))


def has_deep_pixels(file: BinaryIO) -> bool:
    """Whether a file is an image that has more than 8 bits and is read with 8. Versions before this one cut off its values.

    Args:
        file: At its start; it is read from there.
    """
    head = file.read(26)
    if not (head.startswith((b"P2", b"P5", b"II", b"MM")) or (head.startswith(b"\x89PNG") and head[24:] == b"\x10\0")):
        return False
    file.seek(0)
    try:
        return _with_image(file, lambda image: to_eight_bits(image) is not image)
    except Exception:  # whatever is wrong is said when the image is read
        return False


def to_square(image: Image, size: int, resize: Resize = "crop") -> np.ndarray[Any, Any]:
    """An image as an array, uint8 (size, size, C).

    Args:
        image: In RGB or grey.
        size: Height and width of the result in pixels.
        resize: A name of RESIZES.
    """
    from PIL.Image import Resampling, new

    if image.size != (size, size) and resize == "stretch":
        image = image.resize((size, size), Resampling.BILINEAR)
    elif image.size != (size, size):
        scale = size / (min if resize == "crop" else max)(image.size)
        bound = max if resize == "crop" else min
        wide, high = (max(1, bound(size, round(side * scale))) for side in image.size)
        left, top = (wide - size) // 2, (high - size) // 2
        image = image.resize((wide, high), Resampling.BILINEAR)
        if resize == "crop":
            image = image.crop((left, top, left + size, top + size))
        else:
            square = new(image.mode, (size, size))
            square.paste(image, (-left, -top))
            image = square
    array = np.asarray(image, np.uint8)
    return array if array.ndim == 3 else array[..., None]
