"""Files in their original formats -> uint8 arrays. The layout of every image array is (N, H, W, C)."""

from __future__ import annotations

import hashlib
import tarfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, NamedTuple, TypeVar

import numpy as np

from ablate.data.folders import IMAGE_FORMATS, MOST_BYTES, NAMED, check_classes, name_some, open_regular_target, walk_parts
from ablate.errors import DamagedImage, DataError

if TYPE_CHECKING:
    from PIL.Image import Image

DIGITS_TEST = 500
FOLDERS = ("train", "test")  # of an image folder
TIFF_BITS, TIFF_BLACK = 258, 262  # numbers of tags: bits of a pixel; 0 if a pixel of value 0 is white
MOST_PIXELS, MOST_RATIO = 89_478_485, 64  # of an image: pixels, where Pillow warns too; ratio of its sides
SVHN_FILES = ("train_32x32.mat", "extra_32x32.mat", "test_32x32.mat")  # training images: train + extra

Labels = np.ndarray[Any, Any]


class Images(NamedTuple):
    """The images and labels of a data set.

    Args:
        train_images: uint8 (N, H, W, C).
        train_labels: int64 (N,).
        test_images: uint8 (M, H, W, C).
        test_labels: int64 (M,).
    """

    train_images: np.ndarray[Any, Any]
    train_labels: np.ndarray[Any, Any]
    test_images: np.ndarray[Any, Any]
    test_labels: np.ndarray[Any, Any]


class Labelled(NamedTuple):
    """The images and labels of one part of a data set.

    Args:
        images: uint8 (N, H, W, C).
        labels: int64 (N,).
    """

    images: np.ndarray[Any, Any]
    labels: Labels


Arrays = TypeVar("Arrays", Images, Labelled)
T = TypeVar("T")


@dataclass(frozen=True)
class Reading(Generic[Arrays]):
    """How images are found and read.

    Args:
        files: (root) -> every file that they are read from; empty if they are missing.
        read: (root, image size in pixels) -> the images.
        looked_for: What the error message says is missing.
    """

    files: Callable[[Path], list[Path]]
    read: Callable[[Path, int], Arrays]
    looked_for: str


class Source(NamedTuple):
    """How a data set is downloaded and read.

    Args:
        whole: The whole data set.
        training: Its training images alone; no file of the test images is opened.
        download: (root, training_only) downloads it; None if this is not possible.
        package: The installed package that contains the images, so that its version identifies them; "" for files.
    """

    whole: Reading[Images]
    training: Reading[Labelled]
    download: Callable[[Path, bool], object] | None = None
    package: str = ""


def read_digits(root: Path, image_size: int) -> Images:
    """scikit-learn's 1,797 handwritten digits, 8x8 pixels, 17 grey levels. A fixed stratified split has 500 test images.

    Args:
        root: Not used.
        image_size: Not used.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    test = stratified(labels, DIGITS_TEST)
    train = np.setdiff1d(np.arange(len(labels)), test)
    return Images(images[train], labels[train], images[test], labels[test])


def _digits_training(root: Path, image_size: int) -> Labelled:
    """The training images of the digits. One file has all images, so the test images are read and discarded."""
    return Labelled(*read_digits(root, image_size)[:2])


def read_image_folder(root: Path, image_size: int) -> Images:
    """The images of train/<class>/* and test/<class>/*, scaled by their shorter side and cropped at the centre.

    Args:
        root: The directory with train/ and test/.
        image_size: Height and width of the result in pixels.

    Raises:
        DataError: The two parts have different classes, or files cannot be read.
    """
    train, test = (part.files for part in walk_parts(root, FOLDERS))
    check_classes(root, {"train": (name for name, _ in train), "test": (name for name, _ in test)})
    images, labels = _decode([*train, *test], image_size)
    n = len(train)
    return Images(images[:n], labels[:n], images[n:], labels[n:])


def _decode(files: list[tuple[bytes, Path]], image_size: int) -> Labelled:
    """The images of (class, file); labels are indices into the sorted classes, -1 - index for an image that is damaged."""
    label = {name: i for i, name in enumerate(sorted({name for name, _ in files}))}
    images = np.zeros((len(files), image_size, image_size, 3), np.uint8)
    labels = np.array([label[name] for name, _ in files], np.int64)
    refused = []
    for i, (_, path) in enumerate(files):
        try:
            images[i] = _read_image(path, image_size)
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
        skip: Whether damaged images are passed over, not refused.

    Raises:
        DataError: Images are damaged and not passed over; the first are named. Or no image is left of a part.
    """
    intact: list[np.ndarray[Any, Any]] = [labels >= 0 for labels in images[1::2]]
    if all(kept.all() for kept in intact):
        return images
    damaged: list[Path] = [path for path, kept in zip(files, np.concatenate(intact)) if not kept]
    if not skip:
        raise DataError(
            f"{len(damaged):,} of {len(files):,} images are damaged; repair or remove them, or set data.on_damaged: skip "
            f"to pass over them: {name_some([*map(_damage, damaged[:NAMED]), *map(str, damaged[NAMED:])])}"
        )
    if not all(kept.any() for kept in intact):
        raise DataError(f"{len(damaged):,} of {len(files):,} images are damaged, and no other is left; repair them")
    return type(images)(*(array[kept] for i, kept in enumerate(intact) for array in images[2 * i : 2 * i + 2]))


def _damage(path: Path) -> str:
    """The path of a damaged image and what is wrong with it."""
    try:
        open_image(path)
    except DataError as error:
        return str(error)
    return str(path)


def open_image(path: str | Path) -> Image:
    """The image of a file in RGB. Grey values of 16 bits are divided by 257.

    Args:
        path: A file in one of IMAGE_FORMATS.

    Raises:
        DamagedImage: The file is not an image, is damaged, or exceeds MOST_PIXELS or MOST_RATIO.
        DataError: Its pixels are no 8 or 16 bits, or it cannot be opened or is no regular file.
    """
    descriptor = open_regular_target(path, MOST_BYTES)
    try:
        with open(descriptor, "rb") as file:
            return _read_pixels(file, lambda image: (_eight_bits(image) or image).convert("RGB"))
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


def _read_pixels(file: BinaryIO, take: Callable[[Image], T]) -> T:
    """What `take` makes of the image in a file."""
    import PIL.Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about defects of files that can be read nevertheless
        with PIL.Image.open(file, formats=IMAGE_FORMATS) as image:
            wide, high = image.size
            if wide * high > MOST_PIXELS or max(image.size) > MOST_RATIO * min(image.size):
                raise ValueError(f"{wide}x{high} pixels; allowed: {MOST_PIXELS:,} pixels, sides of up to 1:{MOST_RATIO}")
            return take(image)


def _eight_bits(image: Image) -> Image | None:
    """A grey image of more than 8 bits with 8 bits; None for an image that needs no change.

    A TIFF of 32 bits is taken to have 8 bits if no value is larger, else 16 bits.

    Raises:
        DataError: The pixels are floating-point numbers, or integers beyond 16 bits.
    """
    import PIL.Image

    if image.mode.startswith("F"):
        raise DataError(f"mode {image.mode}, floating-point pixels; save it with 8 or 16 bits")
    if not image.mode.startswith("I"):
        return None
    values = np.asarray(image).astype(np.int64)
    low, high = values.min(), values.max()
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    if image.mode == "I" and tags and low >= 0 and high <= 255:
        return None
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
        return _read_pixels(file, _eight_bits) is not None
    except Exception:  # whatever is wrong is said when the image is read
        return False


def _read_image(path: Path, size: int) -> np.ndarray[Any, Any]:
    """The image of a file, uint8 (size, size, 3), scaled by its shorter side and cropped at the centre."""
    from PIL.Image import Resampling

    image = open_image(path)
    if image.size != (size, size):
        scale = size / min(image.size)
        wide, high = (max(size, round(side * scale)) for side in image.size)
        left, top = (wide - size) // 2, (high - size) // 2
        image = image.resize((wide, high), Resampling.BILINEAR).crop((left, top, left + size, top + size))
    return np.asarray(image, np.uint8)


def _folder_files(root: Path) -> list[Path]:
    """All images below train/ and test/; empty if one of the two has none."""
    parts = [part.files for part in walk_parts(root, FOLDERS)]
    return [path for files in parts for _, path in files] if all(parts) else []


def _training_files(root: Path) -> list[tuple[bytes, Path]]:
    return walk_parts(root, FOLDERS[:1])[0].files


IMAGE_FOLDER = Source(
    Reading(_folder_files, read_image_folder, "train/<class>/* and test/<class>/*"),
    Reading(
        lambda root: [path for _, path in _training_files(root)],
        lambda root, image_size: _decode(_training_files(root), image_size),
        "train/<class>/*",
    ),
)


def cifar(name: str) -> Source:
    """The source of CIFAR-10 or CIFAR-100: torchvision, which checks the MD5 of every file.

    Args:
        name: "CIFAR10" or "CIFAR100".
    """
    folder, batches = {"CIFAR10": ("cifar-10-batches-py", "data_batch_*"), "CIFAR100": ("cifar-100-python", "train")}[name]

    def kind(training_only: bool) -> Any:
        import torchvision.datasets

        kind = getattr(torchvision.datasets, name)
        # torchvision opens every file in its lists to check it; without a test list it opens no test file
        return type(name, (kind,), {"test_list": []}) if training_only else kind

    def download(root: Path, training_only: bool) -> None:
        from torchvision.datasets.utils import check_integrity, download_url

        published = kind(training_only)
        files = [*published.train_list, *published.test_list, (published.meta["filename"], published.meta["md5"])]

        def wrong() -> list[str]:
            return [file for file, md5 in files if not check_integrity(str(root / folder / file), md5)]

        if wrong():
            download_url(published.url, str(root), published.filename, published.tgz_md5)
            extract_archive(root / published.filename, root)
        if names := wrong():
            raise DataError(f"{published.filename} lacks {', '.join(names)}")

    def read(root: Path, train: bool, training_only: bool = False) -> Labelled:
        try:
            part = kind(training_only)(str(root), train=train)
        except RuntimeError:
            raise DataError(f"{root / folder}: files are missing or damaged; fetch them again with `download`") from None
        return Labelled(part.data, np.asarray(part.targets, np.int64))

    def files(root: Path, pattern: str = "*") -> list[Path]:
        return sorted(path for path in (root / folder).glob(pattern) if path.is_file())

    return Source(
        Reading(files, lambda root, image_size: Images(*read(root, True), *read(root, False)), folder),
        Reading(lambda root: files(root, batches), lambda root, image_size: read(root, True, training_only=True), folder),
        download,
    )


def extract_archive(archive: Path, into: Path) -> None:
    """Extract a tar archive with Python's `data` filter, which refuses every member that would be outside of `into`.

    Args:
        archive: A tar archive, compressed or not.
        into: The directory to extract into.

    Raises:
        DataError: This Python has no such filter.
        tarfile.TarError: The archive is damaged, or the filter refuses a member.
        OSError: A file cannot be read or written.
    """
    if not hasattr(tarfile, "data_filter"):
        raise DataError(
            f"{archive.name} cannot be extracted safely by this Python, whose tarfile has no data filter; "
            "use Python 3.10.12, 3.11.4, 3.12 or later"
        )
    with tarfile.open(archive) as file:
        file.extractall(into, filter="data")


def read_svhn(root: Path, image_size: int) -> Images:
    """Street View House Numbers, cropped: train + extra, in that order, and test. The files label the digit 0 as 10.

    Args:
        root: The directory of SVHN_FILES.
        image_size: Not used.

    Raises:
        DataError: A file is missing, or is not the published one.
    """
    return Images(*_svhn_training(root, image_size), *_read_mat(root / SVHN_FILES[-1]))


def _svhn_training(root: Path, image_size: int) -> Labelled:
    """The images of train and extra, in that order."""
    train, extra = (_read_mat(root / name) for name in SVHN_FILES[:-1])
    return Labelled(*(np.concatenate(both) for both in zip(train, extra)))


def _read_mat(path: Path) -> Labelled:
    """The images and labels of one of SVHN's files, which is parsed only if its MD5 is the published one.

    Args:
        path: A file in MATLAB's format with X uint8 (32, 32, 3, N) and y uint8 (N, 1) of 1 to 10.

    Returns:
        Images uint8 (N, 32, 32, 3) and labels int64 (N,) of 0 to 9.

    Raises:
        DataError: The file is missing, or is not the published one.
    """
    from scipy.io import loadmat
    from torchvision.datasets import SVHN
    from torchvision.datasets.utils import check_integrity

    if not path.is_file():
        raise DataError(f"svhn: {path.name} is missing in {path.parent.absolute()}; fetch it with `download`")
    md5 = next(md5 for _, file, md5 in SVHN.split_list.values() if file == path.name)
    if not check_integrity(str(path), md5):
        raise DataError(f"{path}: its MD5 is not the one that SVHN's authors' file has; fetch it again with `download`")
    content = loadmat(path, variable_names=["X", "y"])
    images, digits = content["X"], content["y"]
    return Labelled(np.ascontiguousarray(images.transpose(3, 0, 1, 2)), digits[:, 0].astype(np.int64) % 10)


def _svhn_files(root: Path, names: tuple[str, ...] = SVHN_FILES) -> list[Path]:
    """Those of the named files that exist."""
    return [path for name in names if (path := root / name).is_file()]


def _download_svhn(root: Path, training_only: bool) -> None:
    from torchvision.datasets import SVHN
    from torchvision.datasets.utils import download_url

    for url, file, md5 in SVHN.split_list.values():
        if file in SVHN_FILES[: 2 if training_only else 3]:
            download_url(url, str(root), file, md5)


DIGITS = Source(
    Reading(lambda root: [], read_digits, ""), Reading(lambda root: [], _digits_training, ""), package="scikit-learn"
)
SVHN = Source(
    Reading(_svhn_files, read_svhn, ", ".join(SVHN_FILES)),
    Reading(lambda root: _svhn_files(root, SVHN_FILES[:-1]), _svhn_training, ", ".join(SVHN_FILES[:-1])),
    _download_svhn,
)


def check_images(
    images: Images, classes: int, input_shape: tuple[int, int, int], train_size: int | None, test_size: int | None
) -> None:
    """Check that images are as a study declares them.

    Args:
        images: Of a data set.
        classes: Number of classes.
        input_shape: (channels, height, width).
        train_size: Number of training images to use; None for all.
        test_size: Number of test images to use; None for all.

    Raises:
        DataError: The images have another shape, other classes, or are too few.
    """
    for array in (images.train_images, images.test_images):
        check_shape(array, input_shape)
    check_labels(images.train_labels, images.test_labels, classes, train_size, test_size)


def check_shape(images: np.ndarray[Any, Any], input_shape: tuple[int, int, int]) -> None:
    """Check that images have the shape that a study declares.

    Args:
        images: (N, H, W, C).
        input_shape: (channels, height, width).

    Raises:
        DataError: The shapes differ.
    """
    channels, height, width = input_shape
    if images.shape[1:] != (height, width, channels):
        found = "x".join(map(str, images.shape[1:]))
        raise DataError(f"images of {found}; the study says {height}x{width}x{channels}")


def check_labels(
    train: Labels, test: Labels | None, classes: int, train_size: int | None, test_size: int | None = None
) -> None:
    """Check that labels are as a study declares them.

    Args:
        train: Labels of the training images, int64 (N,).
        test: Labels of the test images, int64 (M,); None if the test images are not used.
        classes: Number of classes.
        train_size: Number of training images to use; None for all.
        test_size: Number of test images to use; None for all.

    Raises:
        DataError: The labels have other classes, or are too few.
    """
    for what, labels, size in (("train_size", train, train_size), ("test_size", test, test_size)):
        if labels is not None and size is not None and size > len(labels):
            raise DataError(f"data.{what}: found {size}; there are {len(labels)} images")
    names = len(np.unique(train))
    if names != classes or (train if test is None else test).max() >= classes:
        raise DataError(f"data.classes: the study says {classes}; the training images have {names}")


def count_copies(train: np.ndarray[Any, Any], test: np.ndarray[Any, Any]) -> int:
    """The number of test images that have the same pixels as a training image. Copies of a file are among them.

    Streamed images are never all decoded, so their copies are not counted.

    Args:
        train: uint8 (N, H, W, C).
        test: uint8 (M, H, W, C).
    """
    known = {_pixel_hash(image) for image in train}
    return sum(_pixel_hash(image) in known for image in test)


def _pixel_hash(image: np.ndarray[Any, Any]) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def stratified(labels: Labels, size: int, seed: int = 0) -> Labels:
    """Indices (size,), ascending, of a fixed subset in which every class keeps its share.

    The images of a class are the first ones of one random order.

    Args:
        labels: int64 (N,).
        size: Of the subset, at most N.
        seed: Of the random order.
    """
    # RandomState's streams are frozen by NumPy's policy, so the subset is the same for every version.
    order = np.random.RandomState(seed).permutation(len(labels))
    classes, counts = np.unique(labels, return_counts=True)
    shares = counts * (size / len(labels))
    quota = np.floor(shares).astype(int)
    short = np.argsort(-(shares - quota), kind="stable")[: size - quota.sum()]
    quota[short] += 1
    chosen = [order[labels[order] == label][:n] for label, n in zip(classes, quota)]
    return np.sort(np.concatenate(chosen))
