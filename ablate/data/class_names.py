"""The names of the classes of a data set."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ablate.data.data_sets import DATA_SETS
from ablate.errors import printable

NAMES = {
    "cifar10": "airplane automobile bird cat deer dog frog horse ship truck",
    "cifar100": (
        "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can "
        "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin "
        "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster "
        "man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck "
        "pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk "
        "skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger "
        "tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
    ),
    "fashion_mnist": "T-shirt trouser pullover dress coat sandal shirt sneaker bag ankle_boot",
    "stl10": "airplane bird car cat deer dog horse monkey ship truck",
}


def class_names(data_set: str, classes: int, root: Path, whole: bool = False) -> tuple[str, ...]:
    """The name of each class, in order: that of the data set, else of its folder, else its number.

    Args:
        data_set: A name of the table of data sets.
        classes: How many there are.
        root: The directory of the images; it need not exist.
        whole: Whether the class folders are in `root` itself, as all images are split.
    """
    names = [name.replace("_", " ") for name in NAMES.get(data_set, "").split()]
    if not names and (folders := DATA_SETS[data_set].folders):
        with suppress(OSError):
            found = os.scandir(root if whole else root / folders[0])
            names = sorted(printable(one.name) for one in found if one.is_dir() and not one.name.startswith("."))
    return tuple(names if len(names) == classes else map(str, range(classes)))
