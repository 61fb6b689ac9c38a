"""Folders of images in other layouts, sizes and channels than train/ and test/ with squares in colour."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from original_formats import write_jpeg
from PIL import Image

from ablate.data import decoding
from ablate.data.cache import infer_facts, load_images, load_part
from ablate.data.location import Location
from ablate.data.read_options import DrawnTest, Facts, ReadOptions
from ablate.data.sources import stratified
from ablate.data.split import draw_test
from ablate.errors import DataError
from ablate.study.data import Data
from ablate.train.images import ImageLoader


@pytest.fixture
def here(tmp_path: Path) -> Location:
    return Location(tmp_path / "images", tmp_path / "cache")


def write_parts(root: Path, *parts: str, images: int = 6, size: tuple[int, int] = (8, 8)) -> None:
    """PNG images of two classes below each part, whose colours tell them apart."""
    for part in parts:
        for label, name in enumerate(("cat", "dog")):
            for i in range(images):
                write_jpeg(root / part / name / f"{i}.png", 100 * label + 10 * i + len(part), size)


def of(**said: object) -> Data:
    return Data.named("image_folder", title="Mine", classes=2, image_size=8, **said)


def test_val_takes_the_place_of_test_or_stands_beside_it(here: Location) -> None:
    write_parts(here.root, "train", "val")
    instead, _ = load_images("image_folder", 8, here)
    write_parts(here.root, "test")
    beside, _ = load_images("image_folder", 8, here)
    assert instead.test_images[0, 0, 0, 0] == 3 and beside.test_images[0, 0, 0, 0] == 4
    validation, digest = load_part("image_folder", "val", 8, here)
    assert (
        np.array_equal(validation.images, instead.test_images) and digest != load_part("image_folder", "train", 8, here)[1]
    )


def test_one_folder_is_split_by_a_seed(here: Location) -> None:
    write_parts(here.root, ".", images=10)
    drawn = {}
    for seed in (0, 1):
        options = ReadOptions(split=DrawnTest(0.3, seed))
        images, _ = load_images("image_folder", 8, here, options=options)
        assert np.bincount(images.train_labels).tolist() == [7, 7] and np.bincount(images.test_labels).tolist() == [3, 3]
        assert len(np.unique(np.concatenate([images.train_images, images.test_images])[:, 0, 0, 0])) == 20
        alone, of_training = load_part("image_folder", "train", 8, here, options=options)
        assert np.array_equal(alone.images, images.train_images) and of_training
        drawn[seed] = images.test_images
    assert not np.array_equal(drawn[0], drawn[1])


@pytest.mark.parametrize("test", [1, 19, 20, 500])
def test_each_class_is_in_both_parts_of_a_split(test: int) -> None:
    with pytest.raises(DataError, match=r"data\.split: found test .*at least one image of each of the 2 classes"):
        draw_test(np.arange(20) % 2, DrawnTest(test))


def test_grey_images(here: Location) -> None:
    write_parts(here.root, "train", "test")
    grey, _ = load_images("image_folder", 8, here, options=ReadOptions(channels=1))
    colour, _ = load_images("image_folder", 8, here)
    assert grey.train_images.shape == (12, 8, 8, 1)
    assert np.array_equal(grey.train_images[..., 0], colour.train_images[..., 0])


@pytest.mark.parametrize(
    ("resize", "corner", "left", "centre"), [(None, 200, 200, 200), ("stretch", 100, 100, 200), ("pad", 0, 100, 200)]
)
def test_images_become_squares(here: Location, resize: str | None, corner: int, left: int, centre: int) -> None:
    wide = np.full((20, 60, 3), 200, np.uint8)
    wide[:, :15] = 100  # its left quarter
    for part in ("train", "test"):
        for name in ("a", "b"):
            (here.root / part / name).mkdir(parents=True)
            Image.fromarray(wide).save(here.root / part / name / "0.png")
    image = load_images("image_folder", 12, here, options=ReadOptions(resize=resize))[0].train_images[0, ..., 0]
    assert (image[0, 0], image[6, 0], image[6, 6]) == (corner, left, centre)


def test_a_subset_alone_is_decoded_and_is_the_one_that_it_was(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parts(here.root, "train", "test", images=30)
    whole, _ = load_images("image_folder", 8, here)
    opened = Counter[str]()
    real = decoding.open_image

    def counted(path: Path, channels: int = 3) -> Image.Image:
        opened[Path(path).parts[-3]] += 1
        return real(path, channels)

    monkeypatch.setattr(decoding, "open_image", counted)
    loader = ImageLoader(lambda line: None)
    images, _ = loader.load(of(train_size=8, test_size=4), here)
    assert opened == {"train": 8, "test": 4}
    assert np.array_equal(images.train_images, whole.train_images[stratified(whole.train_labels, 8)])
    assert np.array_equal(images.test_images, whole.test_images[stratified(whole.test_labels, 4)])
    assert "pixel_digest" not in loader.facts and loader.facts["image_files"]["train"]["cat"] == {"read": 30}
    held = of(train_size=8, held_out={"images": 2})
    images, _ = loader.load(held, here)
    assert opened == {"train": 16, "test": 4} and len(images.train_labels) == 6
    elsewhere = here._replace(cache=here.cache / "other")
    loader.load(of(train_size=8, on_damaged="skip"), elsewhere)  # which images are left is known once all are decoded
    assert opened == {"train": 76, "test": 64}


def test_a_subset_that_lacks_a_class_is_no_error_in_the_number_of_classes(here: Location) -> None:
    write_parts(here.root, "train", "test")
    with pytest.raises(DataError, match="the study says 3; the training images have 2"):
        ImageLoader(print).load(of(train_size=4).model_copy(update={"classes": 3}), here)
    with pytest.raises(DataError, match=r"data\.train_size: found 13; there are 12 images"):
        ImageLoader(print).load(of(train_size=13), here)


def test_folders_say_their_classes_and_sizes(here: Location) -> None:
    write_parts(here.root, "train", "test", size=(12, 12))
    assert infer_facts("image_folder", here, ReadOptions()) == Facts(2, 12, 3, "12x12")
    write_jpeg(here.root / "train" / "fox" / "0.png", 1, (30, 20), "L")
    facts = infer_facts("image_folder", here, ReadOptions())
    assert facts == Facts(3, None, 3, "12x12 and 30x20")
    (here.root / "train" / "fox" / "0.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(DataError, match=r"fox/0\.png: cannot be read as an image"):
        infer_facts("image_folder", here, ReadOptions())


@pytest.mark.parametrize("split", [None, {"test": 4}])
def test_any_folder_is_streamed(here: Location, split: dict[str, int] | None) -> None:
    write_parts(here.root, *(["train", "val"] if split is None else ["."]))
    data = of(stream=True, split=split)
    files, digest = ImageLoader(print).load(data, here)
    assert (len(files.train_labels), len(files.test_labels)) == ((12, 12) if split is None else (8, 4))
    paths = [part.path(i) for part in files for i in range(len(part.labels))]
    assert len(set(paths)) == len(paths) and len(digest) == 16 and all(Path(path).is_file() for path in paths)
    images, of_training = ImageLoader(print).load(
        data.model_copy(update={"held_out": of(held_out={"images": 4}).held_out}), here
    )
    assert len(images.train_labels) == (8 if split is None else 4) and (of_training == digest) == (split is not None)
