from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ablate.data.cache import infer_facts, known_digest, load_images, load_part
from ablate.data.location import Location
from ablate.data.own_data import load_own
from ablate.data.read_options import ColumnNames, DrawnTest, Facts, ReadOptions
from ablate.data.sources import Images
from ablate.errors import DataError, NotationError
from ablate.own_code import read_own_code
from ablate.own_modules import look_in
from ablate.study.data import Data
from ablate.train.images import ImageLoader

IMAGES = np.random.RandomState(0).randint(0, 256, (30, 8, 8, 3), np.uint8)
LABELS = np.arange(30) % 3
CALLS: list[dict[str, Any]] = []
RETURNED: dict[str, Any] = {}


BROKEN = """class Broken:
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return {}["image"]


def load(late):
    if late:
        return {"train": Broken(), "test": Broken()}
    raise OSError("gone")
"""


class Items:
    """A map-style data set, as torch's and Hugging Face's are."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Location]:
    (tmp_path / "my_data.py").write_text(
        "import test_own_data_values as values\n\n\n"
        "def load(root, side=8):\n"
        "    values.CALLS.append({'root': root, 'side': side})\n"
        "    return values.RETURNED['value']\n"
    )
    sys.modules["test_own_data_values"] = sys.modules[__name__]
    CALLS.clear()
    yield Location(tmp_path / "images", tmp_path / "cache")
    look_in()
    del sys.modules["test_own_data_values"]


def options(here: Location, args: dict[str, Any] | None = None, **more: Any) -> ReadOptions:
    return ReadOptions(own=read_own_code({"python": "my_data:load", "args": args or {}}, (here.cache.parent,)), **more)


def load(here: Location, value: Any, size: int = 8, **more: Any) -> Images:
    RETURNED["value"] = value
    return load_images("python", size, here, options=options(here, **more), again=True)[0]


PAIRS = {"train": (IMAGES, LABELS), "test": (IMAGES[:9], LABELS[:9])}
ITEMS = {
    "arrays": PAIRS,
    "tensors": {"train": (torch.from_numpy(IMAGES), torch.from_numpy(LABELS)), "test": PAIRS["test"]},
    "torch": {
        name: Items(*((Image.fromarray(image), int(label)) for image, label in zip(*pair))) for name, pair in PAIRS.items()
    },
    "tensor items": {
        name: Items(*((torch.from_numpy(image).permute(2, 0, 1), torch.tensor(label)) for image, label in zip(*pair)))
        for name, pair in PAIRS.items()
    },
    "hub": {
        name: Items(*({"id": "x", "label": int(label), "img": Image.fromarray(image)} for image, label in zip(*pair)))
        for name, pair in PAIRS.items()
    },
}


@pytest.mark.parametrize("form", ITEMS)
def test_whatever_holds_the_images_they_are_the_same(here: Location, form: str) -> None:
    images = load(here, ITEMS[form])
    assert np.array_equal(images.train_images, IMAGES) and np.array_equal(images.train_labels, LABELS)
    assert np.array_equal(images.test_images, IMAGES[:9]) and images.test_labels.dtype == np.int64


def test_it_is_called_once_by_a_plan_and_once_by_a_run(here: Location) -> None:
    RETURNED["value"] = PAIRS
    said = options(here, {"side": 5})
    assert infer_facts("python", here, said) == infer_facts("python", here, said) == Facts(3, 8, 3, "8x8", (30, 9))
    assert [{"root": str(here.root), "side": 5}] == CALLS
    assert known_digest("python", here, options=said, image_size=8) is not None
    data = Data.named("python", title="Mine", classes=3, image_size=8, channels=3, own=said.own)
    run = ImageLoader(print, again=True)
    _, digest = run.load(data, here)
    run.load(data.model_copy(update={"train_size": 6}), here)
    assert len(CALLS) == 2
    assert ImageLoader(print).load(data, here)[1] == digest  # in the worker
    assert len(CALLS) == 2
    RETURNED["value"] = {**PAIRS, "train": (255 - IMAGES, LABELS)}
    images, changed = ImageLoader(print, again=True).load(data, here)
    assert changed != digest and isinstance(images, Images) and np.array_equal(images.train_images, 255 - IMAGES)
    assert ImageLoader(print).load(data, here)[1] == changed


def test_the_digest_is_of_the_values(here: Location) -> None:
    RETURNED["value"] = PAIRS
    digests = [load_images("python", 8, here, options=options(here), again=True)[1]]
    file = here.cache.parent / "my_data.py"
    file.write_text(file.read_text() + "# a remark\n")
    digests.append(load_images("python", 8, here, options=options(here), again=True)[1])
    file.write_text(file.read_text() + "MORE = 1\n")
    digests.append(load_images("python", 8, here, options=options(here), again=True)[1])
    RETURNED["value"] = {**PAIRS, "test": (IMAGES[9:18], LABELS[9:18])}
    digests.append(load_images("python", 8, here, options=options(here), again=True)[1])
    assert digests[0] == digests[1] == digests[2] != digests[3]  # the code is part of the trial's id


def test_parts_of_which_some_are_optional(here: Location) -> None:
    RETURNED["value"] = {**PAIRS, "validation": (IMAGES[9:12], LABELS[9:12])}
    said = options(here)
    validation, digest = load_part("python", "val", 8, here, options=said)
    assert np.array_equal(validation.images, IMAGES[9:12])
    training, of_training = load_part("python", "train", 8, here, options=said)
    assert np.array_equal(training.images, IMAGES) and of_training != digest
    RETURNED["value"] = PAIRS
    with pytest.raises(DataError, match="returned no validation images; return them under 'validation'"):
        load_own(type(training), "val", 8, here, said, print, again=True)


@pytest.mark.parametrize("value", [{"train": (IMAGES, LABELS)}, (IMAGES, LABELS)])
def test_a_split_of_what_is_returned(here: Location, value: Any) -> None:
    images = load(here, value, split=DrawnTest(6))
    assert np.bincount(images.test_labels).tolist() == [2, 2, 2] and len(images.train_labels) == 24


def test_other_sizes_and_grey_images_among_others(here: Location) -> None:
    items = [(Image.new("L" if i == 1 else "RGB", (8 + i, 6)), i % 2) for i in range(4)]
    RETURNED["value"] = {"train": Items(*items), "test": Items(*items)}
    with pytest.raises(DataError, match=r"images of 8x6 and 9x6 pixels; set data\.image_size"):
        infer_facts("python", here, options(here))
    images, _ = load_images("python", 8, here, options=options(here, resize="stretch"), again=True)
    assert images.train_images.shape == (4, 8, 8, 3)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "returned NoneType; allowed: a mapping with 'train' and 'test'"),
        ({"train": PAIRS["train"]}, "returned a mapping with 'train'; allowed"),
        ({**PAIRS, "train": 3}, "train: found int; allowed"),
        ({**PAIRS, "train": Items()}, "train: has no image"),
        ({**PAIRS, "train": Items(4)}, r"train\[0\]: found int"),
        ({**PAIRS, "train": Items((torch.zeros(3, 8, 8), 1))}, r"train\[0\]: an image is float32 of shape 8 x 8 x 3"),
        ({**PAIRS, "train": Items((Image.new("RGB", (8, 8)), "cat"))}, r"train\[0\]: the label is str"),
        ({**PAIRS, "train": (IMAGES / 255, LABELS)}, "train: images are float64"),
        (
            {**PAIRS, "test": (IMAGES[:9, :6], LABELS[:9])},
            "parts of different shapes: train 8x8x3, test 6x8x3|images of 8x6",
        ),
        (
            {**PAIRS, "train": Items({"img": Image.new("L", (8, 8)), "fine": 1, "coarse": 1})},
            r"which column is the label: found fine, coarse of img, fine, coarse; set data\.columns",
        ),
        ({**PAIRS, "train": ([np.zeros((8, 8)), np.zeros((4, 4))], [0, 1])}, "train: images cannot be one array: "),
        ({**PAIRS, "train": (torch.zeros(2, 8, 8, requires_grad=True), [0, 1])}, "train: images cannot be one array: "),
        ({**PAIRS, "train": (IMAGES, [[0], [0, 1]] * 15)}, "train: labels cannot be one array: "),
        ({**PAIRS, "train": (IMAGES, LABELS + 1)}, "have 3 labels from 1 to 3; allowed: every whole number from 0"),
        (
            {**PAIRS, "train": (IMAGES, LABELS.astype(np.uint64) * np.uint64(2**63))},
            "found the label 9223372036854775808; allowed: whole",
        ),
        (
            {**PAIRS, "train": Items((IMAGES[0], np.array(1.5)))},
            r"train\[0\]: the label is ndarray; allowed: a whole number",
        ),
        (
            {**PAIRS, "train": Items((IMAGES[0], np.array("a")))},
            r"train\[0\]: the label is ndarray; allowed: a whole number",
        ),
        ({**PAIRS, "train": Items(([[1, 2], [3]], 0))}, r"train\[0\]: the image cannot be one array: "),
        (
            {**PAIRS, "train": Items({"image": IMAGES[0], "label": 1}, {"image": IMAGES[0]})},
            r"train\[1\]: which column is the label: found none of image",
        ),
    ],
)
def test_what_is_no_data_set_is_refused(here: Location, value: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        load(here, value)


def test_columns_can_be_said(here: Location) -> None:
    items = Items(*({"img": Image.new("L", (8, 8)), "fine": i, "coarse": i // 2} for i in range(4)))
    images = load(here, {"train": items, "test": items}, columns=ColumnNames(label="coarse"))
    assert images.train_labels.tolist() == [0, 0, 1, 1]


def test_errors_name_the_file_and_line(here: Location) -> None:
    (here.cache.parent / "my_data.py").write_text(BROKEN)
    for late, line in ((True, 6), (False, 12)):
        with pytest.raises(NotationError, match=rf"my_data:load: .*my_data\.py:{line}: (KeyError|OSError)"):
            load_images("python", 8, here, options=options(here, {"late": late}))


def test_a_cache_that_cannot_be_used_is_done_without(here: Location, tmp_path: Path) -> None:
    RETURNED["value"] = PAIRS
    (tmp_path / "file").touch()
    images, _ = load_images("python", 8, here._replace(cache=tmp_path / "file" / "cache"), options=options(here))
    assert np.array_equal(images.train_images, IMAGES)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b'["../../../../tmp/x", "../../../../tmp/x", "", [2, 8, 3]]',
        b'["0000000000000000", "0000000000000000", 3, [2, 8, 3]]',
    ],
)
def test_what_else_lies_in_the_cache_is_not_believed(here: Location, content: bytes) -> None:
    RETURNED["value"] = PAIRS
    _, digest = load_images("python", 8, here, options=options(here))
    (file,) = (here.cache / "own").iterdir()
    file.write_bytes(content)
    assert known_digest("python", here, options=options(here), image_size=8) is None
    images, again = load_images("python", 8, here, options=options(here))
    assert again == digest and len(CALLS) == 2 and np.array_equal(images.train_images, IMAGES)
