"""Image folders as people leave them: every file is read, is skipped and counted, or is refused in one line."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listed import list_imagenet, list_images
from PIL import Image

from ablate.data import decoding
from ablate.data.cache import content_digest, load_images, load_part
from ablate.data.checks import count_copies
from ablate.data.decoding import open_image
from ablate.data.folders import count_files, describe_counts, format_of, walk, walk_parts
from ablate.data.location import Location
from ablate.errors import DamagedImage, DataError
from ablate.study.data import Data, HeldOut
from ablate.train.image_counts import plan_images
from ablate.train.images import ImageLoader

DRAW = np.random.RandomState(0)


def save(path: Path, pixels: Any = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(DRAW.randint(0, 256, (8, 8, 3), np.uint8) if pixels is None else pixels).save(path)
    return path


@pytest.fixture(params=["test", "val"])
def layout(request: pytest.FixtureRequest) -> str:
    """The name of the second part: of an image folder, and of ImageNet."""
    return str(request.param)


def write(root: Path, second: str = "test", train: int = 4, test: int = 2) -> Path:
    for part, n in (("train", train), (second, test)):
        for name in ("cat", "dog"):
            for i in range(n):
                save(root / part / name / f"{i}.png")
    return root


@pytest.fixture
def here(tmp_path: Path) -> Location:
    return Location(write(tmp_path / "D"), tmp_path / "cache")


def data(**changes: Any) -> Data:
    return Data.named("image_folder", title="Tiny", classes=2, image_size=8, **changes)


def load(here: Location, **changes: Any) -> tuple[Any, dict[str, Any], str]:
    """The images that a trial uses, the facts for its record, and what is announced."""
    said: list[str] = []
    loader = ImageLoader(said.append)
    images, _ = loader.load(data(**changes), here)
    return images, loader.facts, "\n".join(said)


def read(root: Path, second: str) -> list[bytes]:
    """The paths of the training images, in the order in which each kind of data set reads them."""
    if second == "val":
        return list_images(root, "train").names.tolist()
    return [os.fsencode(path.relative_to(root / "train")) for _, path in walk(root / "train").files]


# Every file is read, skipped or refused.


def test_what_is_passed_over_is_counted(tmp_path: Path, layout: str) -> None:
    train = write(tmp_path, layout) / "train"
    before = read(tmp_path, layout)
    save(train / "cat" / ".ipynb_checkpoints" / "0-checkpoint.png")
    save(train / ".cache" / "x.png")
    (train / "cat" / "._0.png").write_bytes(b"\0\5\x16\7")
    for name in ("notes.txt", "labels.csv", "Thumbs.db", "desktop.ini", "empty", "unknown.xyz"):
        (train / "dog" / name).write_bytes(b"no image" * bool("." in name))
    save(train / "stray.png")
    assert read(tmp_path, layout) == before
    assert count_files([walk(train)])["train"] == {
        "": {"hidden": 1, "beside the class folders": 1},
        "cat": {"read": 4, "hidden": 2},
        "dog": {"read": 4, "no image": 6},
    }
    assert describe_counts(count_files([walk(train)])) == [
        "train: cat 4, dog 4; skipped: 1 hidden, 1 beside the class folders; cat 2 hidden; dog 6 no image"
    ]


def test_jfif_is_read(tmp_path: Path, layout: str) -> None:
    dogs = write(tmp_path, layout) / "train" / "dog"
    Image.open(dogs / "0.png").save(dogs / "0.jpg")
    (dogs / "0.jpg").rename(dogs / "0.JFIF")
    assert b"dog/0.JFIF" in read(tmp_path, layout)
    assert open_image(dogs / "0.JFIF").size == (8, 8)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.gif", b"", "in a format that is not read (train/dog/a.gif); convert"),
        ("a.HEIC", b"", "in a format that is not read"),
        ("a.svg", b"", "in a format that is not read"),
        ("a", b"GIF89a", "in a format that is not read"),
        ("a.bin", b"\0\0\0\x18ftypheic", "in a format that is not read"),
        ("a", b"\xff\xd8\xff\xe0", "has no suffix that is read (train/dog/a); give"),
        ("a.png_", b"\x89PNG\r\n\x1a\n", "has no suffix that is read"),
    ],
)
def test_an_image_that_is_not_read_is_refused(tmp_path: Path, layout: str, name: str, content: bytes, said: str) -> None:
    (write(tmp_path, layout) / "train" / "dog" / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        walk_parts(tmp_path, ["train", layout])
    assert said in str(caught.value) and "1 file " in str(caught.value)
    with pytest.raises(DataError):
        list_imagenet(tmp_path) if layout == "val" else load_images("image_folder", 8, Location(tmp_path, tmp_path / "c"))


def test_many_refused_images_are_named_once_with_their_number(here: Location) -> None:
    for i in range(12):
        (here.root / "train" / "dog" / f"{i}.gif").touch()
    (here.root / "test" / "cat" / "last.gif").touch()
    with pytest.raises(DataError, match=r"13 files in a format .*train/dog/0\.gif, .* and 3 more\); convert them"):
        load_images("image_folder", 8, here)


@pytest.mark.parametrize("head", [b"BM no bitmap", b"P1 is the first", b"RIFF1234WAVE", b"\0\0\0\x18ftypmp42", b""])
def test_other_files_are_no_images(head: bytes) -> None:
    assert format_of(head) == ""


def test_linked_folders_are_read_and_loops_are_cut(tmp_path: Path, layout: str) -> None:
    root = write(tmp_path / "D", layout)
    for i in range(3):
        save(tmp_path / "more" / f"{i}.png")
    dogs = root / "train" / "dog"
    (dogs / "more").symlink_to(tmp_path / "more")
    (dogs / "again").symlink_to(dogs)
    (dogs / "up").symlink_to(tmp_path)
    (dogs / "link.png").symlink_to(tmp_path / "more" / "0.png")
    (tmp_path / "more" / "back").symlink_to(tmp_path / "more")
    (root / "train" / "fox").symlink_to(tmp_path / "more")
    found = walk(root / "train")
    assert sorted(found.images[b"dog"]) == [b"dog/%d.png" % i for i in range(4)] + [b"dog/link.png"] + [
        b"dog/more/%d.png" % i for i in range(3)
    ]
    assert found.passed_over[b"dog"] == {"a folder that was read already": 3}
    assert len(found.images[b"fox"]) == 3


def test_many_links_to_the_same_folders_end(tmp_path: Path) -> None:
    (tmp_path / "train" / "a").mkdir(parents=True)
    for i in range(30):
        (tmp_path / f"{i}").mkdir()
        for link in "xy":
            (tmp_path / f"{i}" / link).symlink_to(tmp_path / f"{i + 1}")
    save(tmp_path / "30" / "0.png")
    (tmp_path / "train" / "a" / "start").symlink_to(tmp_path / "0")
    assert len(walk(tmp_path / "train").images[b"a"]) == 1  # there are 2**30 paths to it


def test_a_class_without_test_images_is_said(tmp_path: Path, layout: str) -> None:
    root = write(tmp_path, layout)
    save(root / "train" / "fox" / "0.png")
    with pytest.raises(DataError, match=rf"only in one of them \(images in train but not in {layout}: fox\)"):
        list_imagenet(root) if layout == "val" else load_images("image_folder", 8, Location(root, root / "cache"))


def test_an_empty_class_folder_is_said(here: Location) -> None:
    (here.root / "train" / "fox").mkdir()
    assert "Tiny, train: class folders without images: fox" in load(here)[2]


def test_the_plan_counts_and_the_order_of_folders_is_kept(here: Location) -> None:
    cats = here.root / "train" / "cat"
    save(cats / "0" / "x.png")
    counts, refused = plan_images([data()], here)
    assert counts["Tiny"]["train"] == {"cat": {"read": 5}, "dog": {"read": 4}} and not refused
    assert read(here.root, "test")[:2] == [b"cat/0/x.png", b"cat/0.png"]  # as before: by the parts of the path
    assert read(here.root, "val")[4] == b"cat/0/x.png"  # as torchvision: the files of a folder before its folders
    assert set(plan_images([data(held_out=HeldOut(folds=2, fold=0))], here)[0]["Tiny"]) == {"train"}
    (cats / "x.gif").touch()
    assert "x.gif" in plan_images([data()], here)[1][0]
    assert plan_images([data()], here._replace(root=here.root / "nowhere")) == ({}, [])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("lacks", ["folder", "images", "class"])
def test_a_plan_refuses_test_images_as_a_run_does(here: Location, lacks: str, stream: bool) -> None:
    shutil.rmtree(here.root / "test" / "dog" if lacks == "class" else here.root / "test")
    if lacks == "images":
        (here.root / "test" / "cat").mkdir(parents=True)
        (here.root / "test" / "dog").mkdir()
    with pytest.raises(DataError) as refused:
        load(here, stream=stream)
    assert plan_images([data(stream=stream)], here)[1] == [f"Tiny: images are refused: {refused.value}"]
    assert plan_images([data(stream=stream, held_out=HeldOut(folds=2, fold=0))], here)[1] == []


def test_a_plan_refuses_missing_validation_images_as_a_run_does(here: Location) -> None:
    held_out = HeldOut(folder="val")
    with pytest.raises(DataError, match="val/<class>/\\* not found") as refused:
        load(here, held_out=held_out)
    assert plan_images([data(held_out=held_out)], here)[1] == [f"Tiny: images are refused: {refused.value}"]


# Pixels of more than 8 bits.


def grey(values: np.ndarray[Any, Any], path: Path) -> np.ndarray[Any, Any]:
    if path.suffix == ".pgm":
        path.write_bytes(b"P5 %d %d 65535\n" % values.shape[::-1] + values.astype(">u2").tobytes())
    else:
        save(path, values)
    return np.asarray(open_image(path))[..., 0]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bits_are_divided_by_257(tmp_path: Path, suffix: str) -> None:
    values = np.arange(0, 65536, 16, np.uint16).reshape(64, 64)
    values[-1, -1] = 65535
    assert np.array_equal(grey(values, tmp_path / f"x{suffix}"), np.rint(values / 257))
    dark = np.full((8, 8), 200, np.uint16)
    assert grey(dark, tmp_path / f"dark{suffix}").max() == 1


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        (np.linspace(0, 1, 64, dtype=np.float32), "mode F"),
        (np.arange(64, dtype=np.int32) * 2000, "mode I"),
        (np.arange(64, dtype=np.int32) - 1, "mode I"),
    ],
)
def test_other_pixels_are_refused_even_where_damage_is_not(here: Location, values: Any, mode: str) -> None:
    for i in range(2):
        save(here.root / "train" / "cat" / f"deep{i}.tif", values.reshape(8, 8))
    for skip in (False, True):
        with pytest.raises(
            DataError, match=rf"2 of 14 images cannot be used: .*cat/deep0\.tif: {mode}, .*deep1\.tif"
        ) as caught:
            load_images("image_folder", 8, here, skip_damaged=skip)
        assert not isinstance(caught.value, DamagedImage)


def test_images_that_were_right_keep_their_pixels(tmp_path: Path) -> None:
    rgb = Image.fromarray(DRAW.randint(0, 256, (8, 8, 3), np.uint8))
    for mode, suffix in (
        ("RGBA", "png"),
        ("LA", "png"),
        ("P", "png"),
        ("1", "png"),
        ("L", "tif"),
        ("CMYK", "jpg"),
        ("I", "tif"),
    ):
        image = rgb.convert("L").convert("I") if mode == "I" else rgb.convert(mode)
        path = tmp_path / f"{mode}.{suffix}"
        image.save(path, **({"transparency": 3} if mode == "P" else {}))
        with Image.open(path) as file:
            assert file.mode == mode
            assert np.array_equal(np.asarray(open_image(path)), np.asarray(file.convert("RGB"))), mode


def test_the_digest_changes_with_the_pixels_alone(here: Location) -> None:
    """Of 8 bits it is what it was: SHA-256 over names, sizes and bytes."""

    def digests() -> tuple[str, str]:
        files = sorted(here.root.rglob("*.*"))
        content = hashlib.sha256()
        for path in files:
            content.update(
                f"{path.relative_to(here.root).as_posix()}\0{path.stat().st_size}\0".encode() + path.read_bytes()
            )
        return content_digest(files, here), content.hexdigest()[:16]

    ours, before = digests()
    assert ours == before
    save(here.root / "train" / "cat" / "deep.png", np.full((8, 8), 40000, np.uint16))
    ours, before = digests()
    assert ours != before


# Copies.


def test_test_images_that_are_training_images_are_counted(here: Location) -> None:
    assert load(here)[1]["test_images_in_training"] == 0
    shutil.copy(here.root / "train" / "dog" / "3.png", here.root / "test" / "cat" / "copy.png")
    Image.open(here.root / "train" / "cat" / "0.png").save(here.root / "test" / "dog" / "equal.bmp")  # other bytes
    _, facts, said = load(here)
    assert facts["test_images_in_training"] == 2
    assert "Tiny: 2 of 6 test images are also training images" in said
    images, facts, said = load(here, train_size=2)
    assert facts["test_images_in_training"] == count_copies(images.train_images, images.test_images) < 2


def test_held_out_images_that_are_trained_on_are_counted(here: Location) -> None:
    for name in ("cat", "dog"):
        for i in range(4):
            shutil.copy(here.root / "train" / name / f"{i}.png", here.root / "train" / name / f"{i + 4}.png")
    images, facts, said = load(here, held_out=HeldOut(folds=2, fold=0))
    copies = facts["test_images_in_training"]
    assert copies == count_copies(images.train_images, images.test_images) > 0
    assert f"Tiny: {copies} of 8 held-out images are also training images" in said


# Damage.


def hurt(here: Location, *names: str) -> None:
    for name in names:
        path = here.root / name
        path.write_bytes(path.read_bytes()[:60])


def test_all_damaged_images_are_named_at_once(here: Location) -> None:
    hurt(here, "train/cat/0.png", "train/dog/3.png", "test/dog/1.png")
    for _ in range(2):  # decoded, and from the cache
        with pytest.raises(DataError) as caught:
            load_images("image_folder", 8, here)
        message = str(caught.value)
        assert message.startswith("3 of 12 images are damaged; repair or remove them, or set data.on_damaged: skip")
        assert all(f"{name}: cannot be read as an image" in message for name in ("cat/0.png", "dog/3.png", "dog/1.png"))


def test_of_many_damaged_images_ten_are_named(here: Location) -> None:
    hurt(here, *(f"train/{name}/{i}.png" for name in ("cat", "dog") for i in range(4)))
    hurt(here, *(f"test/{name}/{i}.png" for name in ("cat", "dog") for i in range(2)))
    with pytest.raises(DataError, match=r"12 of 12 images are damaged.* and 2 more$"):
        load_images("image_folder", 8, here)


def test_damaged_images_are_passed_over_and_counted(here: Location) -> None:
    whole, _ = load_images("image_folder", 8, here)
    hurt(here, "train/cat/0.png", "test/dog/1.png")
    images, facts, said = load(here, on_damaged="skip")
    assert np.array_equal(images.train_images, whole.train_images[1:]) and images.train_labels.tolist() == [0] * 3 + [1] * 4
    assert np.array_equal(images.test_images, whole.test_images[:3]) and images.test_labels.tolist() == [0, 0, 1]
    assert facts["image_files"]["train"]["cat"] == {"read": 3, "damaged": 1}
    assert facts["image_files"]["test"]["dog"] == {"read": 1, "damaged": 1}
    assert "Tiny, train: skipped: cat 1 damaged" in said
    assert len(load_part("image_folder", "train", 8, here, skip_damaged=True)[0].labels) == 7


def test_a_part_of_which_nothing_is_left_is_refused(here: Location) -> None:
    hurt(here, *(f"test/{name}/{i}.png" for name in ("cat", "dog") for i in range(2)))
    with pytest.raises(DataError, match="4 of 12 images are damaged, so none is left"):
        load(here, on_damaged="skip")


def test_a_disk_that_fails_is_no_damage(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(decoding, "_with_image", fail)
    with pytest.raises(DataError, match="Input/output error"):
        load_images("image_folder", 8, here, skip_damaged=True)
    monkeypatch.undo()
    assert len(load_images("image_folder", 8, here)[0].train_labels) == 8


# Names and kinds of files.


@pytest.mark.skipif(os.name == "nt", reason="names are text")
def test_a_name_that_is_no_text_is_read_and_printed(here: Location) -> None:
    os.rename(
        os.fsencode(here.root / "train" / "cat" / "0.png"), os.fsencode(here.root / "train" / "cat") + b"/caf\xe9.png"
    )
    for part in ("train", "test"):
        os.rename(os.fsencode(here.root / part / "dog"), os.fsencode(here.root / part) + b"/ch\xe2t")
    images, facts, _ = load(here)
    assert len(images.train_labels) == 8
    assert facts["image_files"]["train"] == {"cat": {"read": 4}, r"ch\udce2t": {"read": 4}}
    broken = os.fsencode(here.root / "train" / "cat") + b"/caf\xe9.png"
    with open(broken, "wb") as file:
        file.write(b"no image")
    with pytest.raises(DataError, match=r"cat/caf\\udce9\.png: cannot be read"):
        load_images("image_folder", 8, here)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("kind", ["pipe", "device", "nowhere", "itself"])
def test_only_regular_files_are_read(tmp_path: Path, layout: str, kind: str) -> None:
    path = write(tmp_path, layout) / "train" / "cat" / "x.png"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(
        {"device": "/dev/zero", "nowhere": tmp_path / "nowhere", "itself": path}[kind]
    )
    with pytest.raises(DataError, match=r"1 file that cannot be opened, or no regular file \(train/cat/x\.png\); remove"):
        list_imagenet(tmp_path) if layout == "val" else load_images("image_folder", 8, Location(tmp_path, tmp_path / "c"))
    for read in (lambda: open_image(path), lambda: content_digest([path], Location(tmp_path, tmp_path / "c"))):
        with pytest.raises(DataError, match=r"x\.png: (is .*, not a regular file|cannot be opened)"):
            read()


def test_an_image_is_not_read_without_bound(here: Location) -> None:
    with open(here.root / "train" / "cat" / "0.png", "r+b") as file:
        file.truncate(1 << 40)  # it takes no room
    with pytest.raises(DataError, match=r"cat/0\.png: 1,099,511,627,776 bytes; allowed: 1,073,741,824"):
        load_images("image_folder", 8, here)
