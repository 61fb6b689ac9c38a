"""Files in their original formats -> uint8 arrays. Layout of every image array: (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ablate.errors import DataError

DIGITS_TEST = 500
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
SVHN_FILES = ("train_32x32.mat", "extra_32x32.mat", "test_32x32.mat")  # trained on: train + extra

Labels = np.ndarray[Any, Any]


class Images(NamedTuple):
    """One data set: images uint8 (N, H, W, C), labels int64 (N,)."""

    train_images: np.ndarray[Any, Any]
    train_labels: np.ndarray[Any, Any]
    test_images: np.ndarray[Any, Any]
    test_labels: np.ndarray[Any, Any]


class Source(NamedTuple):
    """How a named data set is found and read.

    files(root): every file it is read from, none if it is not there; read(root, image_size): the images;
    looked_for: what the error message says is missing; download(root): fetches it, where that is possible.
    """

    files: Callable[[Path], list[Path]]
    read: Callable[[Path, int], Images]
    looked_for: str
    download: Callable[[Path], object] | None = None


def read_digits(root: Path, image_size: int) -> Images:
    """scikit-learn's 1,797 handwritten digits, 8x8 in 17 greys; a fixed stratified split keeps 500 for testing."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    test = stratified(labels, DIGITS_TEST)
    train = np.setdiff1d(np.arange(len(labels)), test)
    return Images(images[train], labels[train], images[test], labels[test])


def read_image_folder(root: Path, image_size: int) -> Images:
    """train/<class>/* and test/<class>/*; other sizes are scaled by their shorter side and cropped at the centre."""
    files = [_images_below(root / part) for part in ("train", "test")]
    classes = [sorted({name for name, _ in of_part}) for of_part in files]
    if classes[0] != classes[1]:
        odd = sorted(set(classes[0]) ^ set(classes[1]))
        raise DataError(f"{root}: train and test have different classes: {', '.join(odd[:5])} only in one of them")
    label = {name: i for i, name in enumerate(classes[0])}
    arrays = []
    for of_part in files:
        arrays.append(np.stack([_read_image(path, image_size) for _, path in of_part]))
        arrays.append(np.array([label[name] for name, _ in of_part], np.int64))
    return Images(*arrays)


def _images_below(part: Path) -> list[tuple[str, Path]]:
    """(class, file) of every image in <class>/ and below, in order; what is no image by its name is passed over."""
    classes = sorted(path for path in part.glob("*") if path.is_dir())
    found = [(path.name, file) for path in classes for file in sorted(path.rglob("*"))]
    return [(name, file) for name, file in found if file.suffix.lower() in IMAGE_SUFFIXES]


def _read_image(path: Path, size: int) -> np.ndarray[Any, Any]:
    from PIL import Image

    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image: {error}") from None
    if image.size != (size, size):
        scale = size / min(image.size)
        wide, high = (max(size, round(side * scale)) for side in image.size)
        left, top = (wide - size) // 2, (high - size) // 2
        image = image.resize((wide, high), Image.Resampling.BILINEAR).crop((left, top, left + size, top + size))
    return np.asarray(image, np.uint8)


def _folder_files(root: Path) -> list[Path]:
    parts = [[file for _, file in _images_below(root / part)] for part in ("train", "test")]
    return parts[0] + parts[1] if all(parts) else []


def _cifar(name: str) -> Source:
    """CIFAR-10 or CIFAR-100 through torchvision, which checks the MD5 of every file."""
    folder = {"CIFAR10": "cifar-10-batches-py", "CIFAR100": "cifar-100-python"}[name]

    def data_set(root: Path, train: bool, download: bool = False) -> Any:
        import torchvision.datasets

        return getattr(torchvision.datasets, name)(str(root), train=train, download=download)

    def read(root: Path, image_size: int) -> Images:
        try:
            sets = [data_set(root, train) for train in (True, False)]
        except RuntimeError:
            raise DataError(f"{root / folder}: files are missing or damaged; --download fetches them again") from None
        return Images(*(array for s in sets for array in (s.data, np.asarray(s.targets, np.int64))))

    def files(root: Path) -> list[Path]:
        return sorted(path for path in (root / folder).glob("*") if path.is_file())

    return Source(files, read, folder, lambda root: data_set(root, True, download=True))


def read_svhn(root: Path, image_size: int) -> Images:
    """Street View House Numbers, cropped digits: train + extra, in that order, and test. The digit 0 is stored as 10."""
    train, extra, test = (_read_mat(root / name) for name in SVHN_FILES)
    images, labels = (np.concatenate(both) for both in zip(train, extra))
    return Images(images, labels, *test)


def _read_mat(path: Path) -> tuple[np.ndarray[Any, Any], Labels]:
    """X uint8 (32, 32, 3, N) and y (N, 1) of 1..10 -> images (N, 32, 32, 3), labels (N,) of 0..9."""
    from scipy.io import loadmat

    if not path.is_file():
        raise DataError(f"svhn: {path.name} is missing in {path.parent.absolute()}; --download fetches it")
    try:
        content = loadmat(path, variable_names=("X", "y"))
        images, digits = content["X"], content["y"]
    except Exception as error:  # a damaged file raises whatever it comes upon
        raise DataError(f"{path}: cannot be read as a MATLAB file: {type(error).__name__}: {error}") from None
    n = images.shape[-1]
    if images.shape != (32, 32, 3, n) or images.dtype != np.uint8 or digits.shape != (n, 1):
        found = f"X {images.dtype} {images.shape}, y {digits.shape}"
        raise DataError(f"{path}: found {found}; allowed: X uint8 (32, 32, 3, N), y (N, 1)")
    if not np.isin(digits, np.arange(1, 11)).all():
        raise DataError(f"{path}: y: found {digits.min()} to {digits.max()}; allowed: 1 to 10, 10 for the digit 0")
    return np.ascontiguousarray(images.transpose(3, 0, 1, 2)), digits[:, 0].astype(np.int64) % 10


def _svhn_files(root: Path) -> list[Path]:
    return [path for name in SVHN_FILES if (path := root / name).is_file()]


def _download_svhn(root: Path) -> None:
    from torchvision.datasets import SVHN
    from torchvision.datasets.utils import download_url

    for url, file, md5 in SVHN.split_list.values():
        download_url(url, str(root), file, md5)


SOURCES: dict[str, Source] = {
    "digits": Source(lambda root: [], read_digits, ""),
    "cifar10": _cifar("CIFAR10"),
    "cifar100": _cifar("CIFAR100"),
    "svhn": Source(_svhn_files, read_svhn, ", ".join(SVHN_FILES), _download_svhn),
    "image_folder": Source(_folder_files, read_image_folder, "train/<class>/* and test/<class>/*"),
}


def check_images(
    images: Images, classes: int, input_shape: tuple[int, int, int], train_size: int | None, test_size: int | None
) -> None:
    """Raises DataError if the images are not what a study declares; input_shape is (channels, height, width)."""
    channels, height, width = input_shape
    for array in (images.train_images, images.test_images):
        if array.shape[1:] != (height, width, channels):
            found = "x".join(map(str, array.shape[1:]))
            raise DataError(f"images of {found}; the study says {height}x{width}x{channels}")
    check_labels(images.train_labels, images.test_labels, classes, train_size, test_size)


def check_labels(train: Labels, test: Labels, classes: int, train_size: int | None, test_size: int | None) -> None:
    """Raises DataError if the labels, int64 (N,), are of other classes or fewer images than a study declares."""
    for what, labels, size in (("train_size", train, train_size), ("test_size", test, test_size)):
        if size is not None and size > len(labels):
            raise DataError(f"data.{what}: found {size}; there are {len(labels)} images")
    names = len(np.unique(train))
    if names != classes or test.max() >= classes:
        raise DataError(f"data.classes: the study says {classes}; the training images have {names}")


def stratified(labels: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
    """Indices (size,), ascending, of a fixed subset in which every class keeps its share, the first of one order."""
    # RandomState's streams are frozen by NumPy's policy, so the subset is the same for every version and every seed.
    order = np.random.RandomState(0).permutation(len(labels))
    classes, counts = np.unique(labels, return_counts=True)
    shares = counts * (size / len(labels))
    quota = np.floor(shares).astype(int)
    short = np.argsort(-(shares - quota), kind="stable")[: size - quota.sum()]
    quota[short] += 1
    chosen = [order[labels[order] == label][:n] for label, n in zip(classes, quota)]
    return np.sort(np.concatenate(chosen))
