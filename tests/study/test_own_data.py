"""Data of one's own in a study file: what need not be said, axes, ids, and what is wrong with it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablate.errors import StudyError
from ablate.report.setting import describe_data
from ablate.study.data import Data
from ablate.study.plan import enumerate_variants
from ablate.study.spec import load_any_study, load_study
from ablate.study.study import Study

CODE = """
import numpy as np


def load(side=8, classes=2, grey=True):
    labels = np.arange(8 * classes) % classes
    images = np.zeros((len(labels), side, side) + (() if grey else (3,)), np.uint8)
    return {"train": (images, labels), "test": (images, labels)}


def none(root):
    raise ValueError("nothing here")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "nowhere"))
    (tmp_path / "own_images.py").write_text(CODE)
    return tmp_path


def study(folder: Path, data: str, axes: str = "") -> Study:
    (folder / "s.yaml").write_text(
        f"name: s\ndata: {data}\nrecipe: {{base: wrn_cifar, batch_size: 8}}\nseeds: 1\n"
        f"variants:\n  - grid: {{net: WRN-10-1{axes}}}\n"
    )
    return load_study(folder / "s.yaml")


def write_images(folder: Path, size: tuple[int, int], *parts: str) -> None:
    for part in parts:
        for name in ("a", "b"):
            (folder / part / name).mkdir(parents=True)
            for i in range(3):
                Image.new("RGB", size).save(folder / part / name / f"{i}.png")


def test_own_code_needs_no_other_key(folder: Path) -> None:
    data = study(folder, "{python: own_images:load}").data
    assert (data.name, data.title, data.classes, data.image_size, data.channels) == ("python", "own_images", 2, 8, 1)
    assert describe_data(data) == "own_images, images of own_images:load, mean/std, flips and crops"


def test_its_arguments_are_axes_with_facts_of_their_own(folder: Path) -> None:
    found = study(
        folder, "{python: own_images:load, args: {classes: 3}}", ", data.args.side: [8, 16], data.args.grey: [false]"
    )
    variants = enumerate_variants(found).variants
    assert [variant.data.input_shape for variant in variants] == [(3, 8, 8), (3, 16, 16)]
    assert [variant.data.classes for variant in variants] == [3, 3]
    assert len({trial.id for variant in variants for trial in variant.trials((0,))}) == 2
    assert variants[0].axes["data.args.side"] == 8
    assert "images of own_images:load(classes=3, grey=False)" in describe_data(variants[0].data, {"data.args.side"})


def test_the_code_is_in_the_id(folder: Path) -> None:
    def identity() -> dict[str, object]:
        return study(folder, "{python: own_images:load}").data.identity()

    before = identity()
    assert before["own"]["code"] and identity() == before  # type: ignore[index]
    (folder / "own_images.py").write_text(CODE.replace("np.zeros", "np.ones"))
    assert identity() != before


def test_other_axes_keep_the_code_beside_the_study(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "own_images.py").write_text(CODE.replace("zeros", "ones"))
    monkeypatch.chdir(elsewhere)
    found = study(folder, "{python: own_images:load}", ", data.train_size: [8, 12], data.preprocess: [meanstd, scale]")
    variants = enumerate_variants(found).variants
    assert found.data.own
    assert {variant.data.own and variant.data.own.code for variant in variants} == {found.data.own.code}


def test_facts_that_are_said_need_no_call(folder: Path) -> None:
    data = study(folder, "{python: own_images:none, title: Mine, classes: 4, image_size: 8, channels: 3}").data
    assert data.classes == 4 and not (folder / "cache").exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{python: own_images:lod}", "s.yaml:2:8: data.python: own_images:lod: .*AttributeError"),
        ("{python: own_images}", "s.yaml:2:8: data.python: found 'own_images'; allowed: package.module:callable"),
        ("{python: own_images:load, args: 3}", "s.yaml:2:33: data.args: found 3; allowed: a mapping"),
        (
            "{python: own_images:load, args: {sid: 3}}",
            "own_images:load has no parameter 'sid'; did you mean 'side'",
        ),
        ("{python: own_images:none}", r"data.python: own_images:none: .*own_images.py:12: ValueError: nothing here"),
        ("{python: own_images:load, name: digits}", "s.yaml:2:33: data.name: found 'digits'; leave it out"),
        ("{name: python}", "s.yaml:2:8: data.python is missing"),
        ("{name: digits, args: {side: 3}}", "s.yaml:2:22: data.python is missing"),
        (
            "{name: digits, split: 0.2}",
            "s.yaml:2:22: data.split is not valid for digits; leave it out, or",
        ),
        ("{name: cifar10, stream: true}", "s.yaml:2:23: data.stream is not valid for cifar10"),
        (
            "{python: own_images:load, split: 1.5}",
            "s.yaml:2:33: data.split.test: found 1.5; allowed: a fraction below 1",
        ),
        ("{python: own_images:load, split: {test: 0.2, sed: 1}}", "unknown key 'sed'; did you mean 'seed'"),
        ("{python: own_images:load, resize: crop}", "data.image_size is missing; resize: crop needs it"),
        (
            "{name: arrays, root: nothing}",
            r"s.yaml:2:22: data.root: a .npz file.* not found in .*nothing; correct ",
        ),
        ("{name: parquet, title: Mine}", "data.classes is missing: train.*parquet.* not found in .*nowhere"),
        ("{name: image_folder, root: wide}", "data.image_size is missing: images of 9x6 pixels; write the size"),
        ("{name: image_folder, root: wide, image_size: 8, stream: true, resize: pad}", "data.resize: found 'pad'; allowed"),
        ("{name: image_folder, root: wide, image_size: 8, stream: true, channels: 1}", "data.channels: found 1; allowed"),
        (
            "{name: image_folder, root: wide, image_size: 8, stream: true, augment: [{crop: 2}]}",
            "data.augment: found crop padding=2; allowed for streamed images: crop without settings",
        ),
    ],
)
def test_errors_say_where_and_what(folder: Path, data: str, said: str) -> None:
    write_images(folder / "wide", (9, 6), "train", "test")
    with pytest.raises(StudyError) as caught:
        study(folder, data)
    assert re.search(said, str(caught.value)) and "\n" not in str(caught.value)


def test_an_error_in_an_axis_of_own_data_names_its_place(folder: Path) -> None:
    with pytest.raises(StudyError, match=r"s\.yaml:\d+:\d+: .*own_images:load has no parameter 'sid'"):
        enumerate_variants(study(folder, "{python: own_images:load}", ", data.args.sid: [8, 16]"))


def test_a_folder_says_its_facts_and_its_name(folder: Path) -> None:
    write_images(folder / "Squares", (12, 12), "train", "val")
    data = study(folder, "{name: image_folder, root: Squares}").data
    assert (data.title, data.classes, data.image_size, data.channels) == ("Squares", 2, 12, 3)
    said = study(
        folder, "{name: image_folder, root: Squares, title: Squares, classes: 2, image_size: 12, resize: crop}"
    ).data
    assert data.identity() == said.identity()


def test_records_that_differ_say_no_facts(folder: Path) -> None:
    (folder / "s.yaml").write_text(
        "name: s\ndata: {name: image_folder, root: gone, classes: 2}\nrecipe: wrn_cifar\nseeds: 1\n"
        "variants: [{net: WRN-10-1}]\n"
    )
    rows = [
        {"name": "image_folder", "title": title, "classes": classes, "image_size": size, "channels": 3}
        for title, classes, size in (("gone", 2, 12), ("gone", 3, 16), ("other", 2, 20), ("gone", 2, 24))
    ]
    found = load_any_study(folder / "s.yaml", recorded=lambda: rows[:3])
    assert isinstance(found, Study) and found.data.image_size == 12
    with pytest.raises(StudyError, match=r"data\.root: train/<class>/. not found .* or write image_size to plan"):
        load_any_study(folder / "s.yaml", recorded=lambda: rows)


def test_augmentation_is_checked_with_the_size_that_was_found(folder: Path) -> None:
    data = study(folder, "{python: own_images:load, args: {side: 64}, augment: [{crop: 40}]}").data
    assert data.image_size == 64
    with pytest.raises(StudyError, match="the step crop: padding needs to be below 8 pixels"):
        study(folder, "{python: own_images:load, augment: [{crop: 9}]}")


def test_arrays_say_their_facts(folder: Path) -> None:
    images, labels = np.zeros((12, 10, 10), np.uint8), np.arange(12) % 4
    np.savez(folder / "blood.npz", train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    data = study(folder, "{name: arrays, root: blood.npz}").data
    assert (data.title, data.classes, data.image_size, data.channels) == ("blood", 4, 10, 1)


@pytest.mark.parametrize(
    "said", [{"split": {"test": 0.2}}, {"resize": "pad"}, {"stream": True}, {"columns": {"label": "fine"}}, {"channels": 1}]
)
def test_what_changes_the_images_is_in_the_id(said: dict[str, object]) -> None:
    plain = Data.named("image_folder", title="Mine", classes=2, image_size=8)
    assert (
        Data.named("image_folder", **{"title": "Mine", "classes": 2, "image_size": 8, **said}).identity()
        != plain.identity()
    )


def test_imagenet_is_streamed_whether_or_not_that_is_said(folder: Path) -> None:
    plain = study(folder, "imagenet").data
    assert study(folder, "{name: imagenet, stream: true}").data == plain and plain.streamed


@pytest.mark.parametrize(
    ("said", "varied", "words"),
    [
        ({"split": {"test": 0.2, "seed": 3}}, (), "20% of the images drawn as test images, seed 3"),
        ({"split": {"test": 500}}, ("data.split.seed",), "500 of the images drawn as test images, mean"),
        ({"resize": "pad"}, (), "padded to a square"),
        ({"stream": True}, (), "decoded when needed"),
    ],
)
def test_captions_say_how_images_are_read(said: dict[str, object], varied: tuple[str, ...], words: str) -> None:
    data = Data.named("image_folder", title="Mine", classes=2, image_size=8, **said)
    assert words in describe_data(data, varied)
