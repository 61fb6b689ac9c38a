"""The table of data sets: their facts, and how their images are read.

A package adds one by an entry point in the group `ablate.data_sets`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
        channels: 1 or 3.
        preprocess: The default of a study; a name in the table of preprocessing.
        augment: The default of a study; the name of a list of augmentation steps.
        images: Number of images: (training, test).
        source: A function that returns how the images are read. It imports the readers only when it is called.
        streamed: Whether images are decoded when they are needed, from DIR/train/<class>/* and DIR/val/<class>/*, without a
            source.
        folders: The folders of the training and the test images, each with a folder for each class; None for other layouts.
        resizable: Whether images are cropped to any image_size.
        measures: Of a trial on these images, besides the error; names in the table of measures.
        published: Whether published tables can have a column of it, and a copy can replace it.
        imagenet_names: Whether a network's name that two families share means the one for ImageNet.
    """

    name: str
    title: str | None = None
    classes: int | None = None
    image_size: int | None = None
    channels: int = 3
    preprocess: str = "meanstd"
    augment: str = "flip_crop"
    images: tuple[int | None, int | None] = (None, None)
    source: Callable[[], Source] | None = None
    streamed: bool = False
    folders: tuple[str, str] | None = None
    resizable: bool = False
    measures: tuple[str, ...] = ()
    published: bool = True
    imagenet_names: bool = False

    @property
    def facts(self) -> dict[str, Any]:
        """The fields of a study's data that have a default, by name."""
        names = ("title", "classes", "image_size", "channels", "preprocess", "augment")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def _digits() -> Source:
    from ablate.data.sources import DIGITS

    return DIGITS


def _cifar(name: str) -> Callable[[], Source]:
    def source() -> Source:
        from ablate.data.sources import cifar

        return cifar(name)

    return source


def _svhn() -> Source:
    from ablate.data.sources import SVHN

    return SVHN


def _image_folder() -> Source:
    from ablate.data.sources import IMAGE_FOLDER

    return IMAGE_FOLDER


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
        source=_digits,
        published=False,
    ),
    DataSet(name="cifar10", title="CIFAR-10", classes=10, image_size=32, images=(50_000, 10_000), source=_cifar("CIFAR10")),
    DataSet(
        name="cifar100", title="CIFAR-100", classes=100, image_size=32, images=(50_000, 10_000), source=_cifar("CIFAR100")
    ),
    DataSet(
        name="svhn",
        title="SVHN",
        classes=10,
        image_size=32,
        preprocess="scale",
        augment="none",
        images=(604_388, 26_032),
        source=_svhn,
    ),
    DataSet(
        name="imagenet",
        title="ImageNet",
        classes=1000,
        image_size=224,
        images=(1_281_167, 50_000),
        streamed=True,
        folders=("train", "val"),
        resizable=True,
        measures=("top5_error",),
        imagenet_names=True,
    ),
    DataSet(name="image_folder", source=_image_folder, folders=("train", "test"), published=False),
)


def source_of(name: str) -> Source:
    """How the images of a data set are read.

    Args:
        name: In DATA_SETS; not a streamed one.
    """
    source = DATA_SETS[name].source
    assert source is not None, f"{name} is streamed"
    return source()
