"""The table of data sets: their facts, and how their images are read.

A package adds one by an entry point in the group `ablate.data_sets`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ablate.data.read_options import NOTHING_SAID, ReadOptions
from ablate.registry import Registry

if TYPE_CHECKING:
    from ablate.data.sources import Source


@dataclass(frozen=True, eq=False, kw_only=True)
class DataSet:
    """A data set that a study can name. A study gives the facts that are None here.

    Args:
        name: In study files.
        title: In tables; None: the study gives the images a title.
        classes: Number of classes.
        image_size: Height and width in pixels.
        channels: 1 or 3; None: as the images have.
        preprocess: The default of a study; a name in the table of preprocessing.
        augment: The default of a study; the name of a list of augmentation steps.
        images: Number of images: (training, test).
        source: Returns how the images are read. It imports the readers only when it is called. It receives the ReadOptions
            of a study if `options` names any.
        options: The keys of a study's data that say how these images are read: "resize", "split", "columns", "stream",
            "sizes" (a subset is decoded alone), "python".
        streamed: Whether images are decoded when they are needed, without a study that says so.
        folders: The folders of the training and the test images, each with a folder for each class; None for other layouts.
        resizable: Whether images are cropped to any image_size.
        measures: Of a trial on these images, besides the error; names in the table of measures.
        published: Whether published tables can have a column of it, and a copy can replace it.
        imagenet_names: Whether a network's name that two families share means the one for ImageNet.
        task: What its labels are for; a name of the table of tasks.
        explained: Where the images are, below `root`, for the documentation.
    """

    name: str
    title: str | None = None
    classes: int | None = None
    image_size: int | None = None
    channels: int | None = 3
    preprocess: str = "meanstd"
    augment: str = "flip_crop"
    images: tuple[int | None, int | None] = (None, None)
    source: Callable[..., Source] | None = None
    options: tuple[str, ...] = ()
    streamed: bool = False
    folders: tuple[str, str] | None = None
    resizable: bool = False
    measures: tuple[str, ...] = ()
    published: bool = True
    imagenet_names: bool = False
    task: str = "classification"
    explained: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """The fields of a study's data that have a default, by name."""
        names = ("title", "classes", "image_size", "channels", "preprocess", "augment")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def _original_files() -> Any:
    """The module that reads the files of the authors."""
    from ablate.data import original_files

    return original_files


def _image_files() -> Any:
    """The module that reads files of one image each."""
    from ablate.data import image_files

    return image_files


def _mnist(kind: str) -> Callable[[], Source]:
    return lambda: _original_files().mnist(kind)


def _emnist(split: str) -> Callable[[], Source]:
    return lambda: _original_files().emnist(split)


def _imagenette(folder: str) -> Callable[[ReadOptions], Source]:
    return lambda options: _image_files().imagenette(folder, options)


def _arrays(options: ReadOptions) -> Source:
    from ablate.data.arrays import arrays

    return arrays(options)


def _parquet(options: ReadOptions) -> Source:
    from ablate.data.parquet import parquet

    return parquet(options)


def _coco(options: ReadOptions) -> Source:
    from ablate.data.annotations import coco

    return coco(options)


EMNIST = {  # split -> (title, classes, (training images, test images))
    "balanced": ("EMNIST balanced", 47, (112_800, 18_800)),
    "letters": ("EMNIST letters", 26, (124_800, 20_800)),
    "digits": ("EMNIST digits", 10, (240_000, 40_000)),
    "byclass": ("EMNIST by class", 62, (697_932, 116_323)),
    "bymerge": ("EMNIST by merge", 47, (697_932, 116_323)),
    "mnist": ("EMNIST MNIST", 10, (60_000, 10_000)),
}
IMAGENETTE = {  # name -> (folder of the archive, title, image size)
    "imagenette": ("imagenette2", "Imagenette", 224),
    "imagenette_320": ("imagenette2-320", "Imagenette (320 pixels)", 224),
    "imagenette_160": ("imagenette2-160", "Imagenette (160 pixels)", 128),
}

DATA_SETS = Registry(
    "ablate.data_sets",
    DataSet,
    DataSet(
        name="digits",
        title="Digits",
        classes=10,
        image_size=8,
        channels=1,
        augment="none",
        images=(1297, 500),
        source=lambda: _original_files().DIGITS,
        explained="in scikit-learn; 500 images are the test images",
        published=False,
    ),
    DataSet(
        name="cifar10",
        title="CIFAR-10",
        classes=10,
        image_size=32,
        images=(50_000, 10_000),
        source=lambda: _original_files().cifar("CIFAR10"),
        explained="cifar-10-batches-py",
    ),
    DataSet(
        name="cifar100",
        title="CIFAR-100",
        classes=100,
        image_size=32,
        images=(50_000, 10_000),
        source=lambda: _original_files().cifar("CIFAR100"),
        explained="cifar-100-python",
    ),
    DataSet(
        name="svhn",
        title="SVHN",
        classes=10,
        image_size=32,
        preprocess="scale",
        augment="none",
        images=(604_388, 26_032),
        source=lambda: _original_files().svhn("svhn", ("train_32x32.mat", "extra_32x32.mat")),
        explained="train_32x32.mat, extra_32x32.mat, test_32x32.mat",
    ),
    DataSet(
        name="svhn_without_extra",
        title="SVHN (without extra)",
        classes=10,
        image_size=32,
        preprocess="scale",
        augment="none",
        images=(73_257, 26_032),
        source=lambda: _original_files().svhn("svhn_without_extra", ("train_32x32.mat",)),
        explained="train_32x32.mat, test_32x32.mat",
    ),
    *(
        DataSet(
            name=name,
            title=title,
            classes=10,
            image_size=28,
            channels=1,
            augment=augment,
            images=(60_000, 10_000),
            source=_mnist(kind),
            explained=f"{kind}/raw/*.gz",
        )
        for name, title, kind, augment in (
            ("mnist", "MNIST", "MNIST", "none"),
            ("fashion_mnist", "Fashion-MNIST", "FashionMNIST", "flip_crop"),
            ("kmnist", "KMNIST", "KMNIST", "none"),
        )
    ),
    *(
        DataSet(
            name=f"emnist_{split}",
            title=title,
            classes=classes,
            image_size=28,
            channels=1,
            augment="none",
            images=images,
            source=_emnist(split),
            explained="EMNIST/raw/gzip.zip",
        )
        for split, (title, classes, images) in EMNIST.items()
    ),
    DataSet(
        name="stl10",
        title="STL-10",
        classes=10,
        image_size=96,
        images=(5_000, 8_000),
        source=lambda: _original_files().stl10(),
        explained="stl10_binary",
    ),
    DataSet(
        name="imagenet",
        title="ImageNet",
        classes=1000,
        image_size=224,
        images=(1_281_167, 50_000),
        source=lambda options: _image_files().class_folders(options, "train", "val", files_first=True),
        explained="train/<class>/*, val/<class>/*; decoded when needed",
        options=("stream",),
        streamed=True,
        folders=("train", "val"),
        resizable=True,
        measures=("top5_error",),
        imagenet_names=True,
    ),
    *(
        DataSet(
            name=name,
            title=title,
            classes=10,
            image_size=image_size,
            images=(9_469, 3_925),
            source=_imagenette(folder),
            explained=f"{folder}/train/<class>/*, {folder}/val/<class>/*",
            options=("resize", "stream", "sizes"),
            folders=("train", "test"),
            resizable=True,
        )
        for name, (folder, title, image_size) in IMAGENETTE.items()
    ),
    DataSet(
        name="food101",
        title="Food-101",
        classes=101,
        image_size=224,
        images=(75_750, 25_250),
        source=lambda options: _image_files().food101(options),
        explained="food-101/images, food-101/meta; decoded when needed",
        options=("stream",),
        streamed=True,
        resizable=True,
    ),
    DataSet(
        name="pets",
        title="Oxford-IIIT Pets",
        classes=37,
        image_size=224,
        images=(3_680, 3_669),
        source=lambda options: _image_files().pets(options),
        explained="oxford-iiit-pet/images, oxford-iiit-pet/annotations",
        options=("resize", "stream", "sizes"),
        resizable=True,
    ),
    DataSet(
        name="image_folder",
        source=lambda options: _image_files().class_folders(options),
        explained="train/<class>/*, test/<class>/* or val/<class>/*; with split <class>/*",
        options=("resize", "split", "stream", "sizes"),
        folders=("train", "test"),
        published=False,
    ),
    DataSet(
        name="arrays",
        channels=None,
        source=_arrays,
        options=("resize", "split"),
        published=False,
        explained="a .npz file, or .npy files: train_images, train_labels, and test_*, val_* likewise",
    ),
    DataSet(
        name="parquet",
        channels=None,
        source=_parquet,
        explained="train*.parquet, test*.parquet, validation*.parquet; needs pyarrow",
        options=("resize", "split", "columns", "sizes"),
        published=False,
    ),
    DataSet(
        name="coco",
        title="COCO",
        classes=80,
        image_size=800,
        augment="flip",
        images=(117_266, 5_000),  # 118,287 training images, of which 1,021 have no box
        source=_coco,
        options=("stream",),
        streamed=True,
        resizable=True,
        imagenet_names=True,
        task="detection",
        explained="annotations/instances_{train,val}2017.json, train2017/*, val2017/*; decoded when needed",
    ),
    DataSet(
        name="coco_folder",
        augment="flip",
        source=_coco,
        options=("stream",),
        published=False,
        resizable=True,
        task="detection",
        explained="train.json, train/*, and val.json, val/* or test.json, test/*: boxes in COCO's format",
    ),
    DataSet(
        name="python",
        channels=None,
        options=("resize", "split", "columns", "python"),
        published=False,
        explained="returned by own code: {train: (images, labels), test: (images, labels)}, or map-style data sets",
    ),
)


def source_of(name: str, options: ReadOptions = NOTHING_SAID) -> Source:
    """How the images of a data set are read.

    Args:
        name: In DATA_SETS; not "python", whose images own code returns.
        options: What the study says of it.
    """
    entry = DATA_SETS[name]
    assert entry.source is not None, f"{name} has no files"
    return entry.source(options) if entry.options else entry.source()
