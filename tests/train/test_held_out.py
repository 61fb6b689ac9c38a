"""Trials that hold training images out: what they train on, what they measure, and that no test image is needed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import torch
from original_formats import write_imagenet, write_svhn
from PIL import Image

from ablate.data import streaming
from ablate.data.cache import load_part
from ablate.data.listing import ImageFiles
from ablate.data.location import Location
from ablate.data.original_files import read_digits
from ablate.data.sources import Images, stratified
from ablate.data.split import split
from ablate.data.whitening import fit_whitening, whiten
from ablate.errors import DataError, RecordError
from ablate.nets.architecture import Architecture
from ablate.records.epochs import read_epochs
from ablate.records.records import Record, read_record, trial_directory
from ablate.study.data import Data
from ablate.study.recipe import Recipe
from ablate.study.study import Trial
from ablate.train.checkpoint import load_checkpoint
from ablate.train.estimates import images_of
from ablate.train.image_counts import plan_images
from ablate.train.images import ImageLoader
from ablate.train.job import Job
from ablate.train.setup import ImageCache, ProcessCache
from ablate.train.trial import train_trial

FOLD = {"folds": 3, "fold": 1, "seed": 4}


def data(name: str = "digits", held_out: dict[str, int] | None = None, **changes: Any) -> Data:
    facts = {"title": "some", "classes": 2, "image_size": 8} if name == "image_folder" else {}
    return Data.named(name, **{**facts, "held_out": held_out or FOLD, **changes})


def job(tmp_path: Path, what: Data, **recipe: Any) -> Job:
    """Three epochs of a small network with dropout; the images are below tmp_path/images."""
    torch.set_num_threads(1)
    trained = Recipe.named("wrn_cifar", **{"epochs": 3, "batch_size": 8, **recipe})
    location = Location(tmp_path / "images", tmp_path / "cache")
    return Job(Trial(Architecture(1, 0.25, dropout=0.2), trained, what, seed=1), tmp_path / "runs", location)


def finish(job: Job) -> Record:
    assert train_trial(job, lambda: False, lambda row: None) == "completed"
    record = read_record(job.runs, job.trial.id)
    assert record is not None
    return record


def outcome(job: Job) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    """All that a finished trial leaves but its times: its epochs and its last weights."""
    directory = trial_directory(job.runs, job.trial.id)
    rows = [{key: row[key] for key in row if not key.endswith("_seconds")} for row in read_epochs(directory)]
    state = load_checkpoint(directory)
    assert state is not None
    return rows, state["network"]


def assert_same(one: Job, other: Job) -> None:
    (rows, weights), (other_rows, other_weights) = outcome(one), outcome(other)
    assert rows == other_rows and weights.keys() == other_weights.keys()
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)


def load(what: Data, tmp_path: Path) -> Images:
    images, _ = ImageLoader(lambda message: None).load(what, Location(tmp_path / "images", tmp_path / "cache"))
    assert isinstance(images, Images)
    return images


def digits(train_size: int | None, **how: int) -> tuple[Images, np.ndarray, np.ndarray]:
    """All digits; which of their training images are trained on and which are held out, by hand."""
    whole = read_digits(Path(), 8)
    used = stratified(whole.train_labels, train_size) if train_size else np.arange(len(whole.train_labels))
    rest, held_out = split(whole.train_labels[used], 10, **how)
    return whole, used[rest], used[held_out]


@pytest.mark.parametrize("train_size", [None, 200])
@pytest.mark.parametrize("how", [FOLD, {"images": 60, "seed": 0}])
def test_the_subset_first_and_then_the_split(tmp_path: Path, train_size: int | None, how: dict[str, int]) -> None:
    whole, rest, held_out = digits(train_size, **how)
    images = load(data(held_out=how, train_size=train_size, test_size=7), tmp_path)
    assert len(rest) + len(held_out) == (train_size or 1297) and not set(rest) & set(held_out)
    assert np.array_equal(images.train_images, whole.train_images[rest])
    assert np.array_equal(images.train_labels, whole.train_labels[rest])
    assert np.array_equal(images.test_images, whole.train_images[held_out])
    assert np.array_equal(images.test_labels, whole.train_labels[held_out])


def test_an_ordinary_trial_has_the_sizes_it_asks_for(tmp_path: Path) -> None:
    whole = read_digits(Path(), 8)
    for preprocess in ("meanstd", "zca"):
        what = data(train_size=200, test_size=50, preprocess=preprocess).model_copy(update={"held_out": None})
        images = load(what, tmp_path)
        assert np.array_equal(images.train_labels, whole.train_labels[stratified(whole.train_labels, 200)])
        assert np.array_equal(images.test_labels, whole.test_labels[stratified(whole.test_labels, 50)])


def test_mean_and_std_are_of_the_rest_alone(tmp_path: Path) -> None:
    asked = job(tmp_path, data(train_size=200))
    whole, rest, held_out = digits(200, **FOLD)
    train, test, normalization, *_ = ImageCache().load(asked.trial.data, asked.location, torch.device("cpu"))
    pixels = whole.train_images[rest].astype(np.float64)
    assert normalization.mean.item() == pytest.approx(pixels.mean(), rel=1e-6)
    assert normalization.std.item() == pytest.approx(pixels.std(), rel=1e-6)
    assert abs(normalization.mean.item() - whole.train_images[held_out].mean()) > 1e-3
    assert (len(train.labels), len(test.labels)) == (len(rest), len(held_out))


def test_whitening_is_of_the_rest_alone_and_each_fold_has_its_own(tmp_path: Path) -> None:
    for fold in (0, 1, 0):
        how = {"folds": 2, "fold": fold, "seed": 0}
        whole, rest, held_out = digits(200, **how)
        images = load(data(held_out=how, train_size=200, preprocess="zca"), tmp_path)
        whitening = fit_whitening(whole.train_images[rest])
        assert np.array_equal(images.train_images, whiten(whole.train_images[rest], whitening))
        assert np.array_equal(images.test_images, whiten(whole.train_images[held_out], whitening))
        assert np.array_equal(images.test_labels, whole.train_labels[held_out])
    # As many images, and others: another seed, another subset, another way of holding out.
    for other, size in (({**FOLD, "folds": 2}, 200), ({"folds": 2, "fold": 0}, 201), ({"images": 100}, 200)):
        load(data(held_out=other, train_size=size, preprocess="zca"), tmp_path)
    assert len(list((tmp_path / "cache").glob("*zca100*"))) == 2 * 5  # and their locks


def test_the_test_size_does_not_matter(tmp_path: Path) -> None:
    asked = [job(tmp_path, data(train_size=90, test_size=size)) for size in (None, 3)]
    assert asked[0].trial.id == asked[1].trial.id
    assert finish(asked[1]).result["test_images"] == 30


@pytest.mark.parametrize("preprocess", ["meanstd", "zca"])
def test_a_resumed_one_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path, preprocess: str) -> None:
    whole = job(tmp_path, data(train_size=120, preprocess=preprocess, augment="flip_crop"))
    finish(whole)
    halting = replace(whole, runs=tmp_path / "halting")
    for _ in range(2):
        assert train_trial(halting, lambda: True, lambda row: None) == "interrupted"
    record = finish(halting)
    assert [attempt["last_epoch"] for attempt in record.result["earlier_attempts"]] == [1, 2]
    assert_same(whole, halting)


def test_files_say_validation_where_no_test_image_was_seen(tmp_path: Path) -> None:
    asked = job(tmp_path, data(train_size=90))
    reported: list[dict[str, Any]] = []
    assert train_trial(asked, lambda: False, reported.append) == "completed"
    directory = trial_directory(asked.runs, asked.trial.id)
    result = json.loads((directory / "result.json").read_text())
    lines = [json.loads(line) for line in (directory / "epochs.jsonl").read_text().splitlines()]
    assert result["validation_images"] == 30 and result["train_images"] == 60
    assert result["validation_error"] == lines[-1]["validation_error"]
    assert {"validation_loss", "validation_seconds"} <= result.keys() & lines[0].keys()
    assert "test" not in (directory / "epochs.jsonl").read_text() and not [key for key in result if "test" in key]
    record = read_record(asked.runs, asked.trial.id)
    assert record is not None and record.split == "validation" and record.eval_error == result["validation_error"]
    assert [row["test_error"] for row in record.epochs()] == [line["validation_error"] for line in lines]
    assert reported[-1]["test_error"] == record.eval_error


def test_folds_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def counted(*where: Any) -> Any:
        read.append(where)
        return load_part(*where)

    monkeypatch.setattr("ablate.train.images.load_part", counted)
    first, cache = job(tmp_path, data(train_size=90)), ProcessCache()

    def train(what: Data) -> None:
        assert (
            train_trial(replace(first, trial=replace(first.trial, data=what)), lambda: False, lambda row: None, cache)
            == "completed"
        )

    for fold in range(3):
        train(data(held_out={"folds": 3, "fold": fold}, train_size=90))
    assert len(read) == 1
    train(first.trial.data.model_copy(update={"held_out": None}))  # it needs the memory
    train(data(held_out={"folds": 2, "fold": 1}, train_size=90))
    assert len(read) == 2


def write_folder(root: Path) -> None:
    draw = np.random.RandomState(0)
    for part, label, i in ((part, label, i) for part in ("train", "test") for label in "ab" for i in range(12)):
        path = root / part / label / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.randint(0, 256, (8, 8, 3), np.uint8)).save(path)


def test_a_plan_refuses_to_hold_out_what_leaves_a_class_without_images(tmp_path: Path) -> None:
    write_folder(tmp_path / "images")
    location = Location(tmp_path / "images", tmp_path / "cache")
    facts = {"classes": 2, "image_size": 8}
    for held_out in ({"images": 4}, {"folds": 12, "fold": 0}):
        assert plan_images([data("image_folder", held_out, **facts)], location)[1] == []
    for held_out in ({"images": 24}, {"images": 1}, {"folds": 13, "fold": 0}):
        (said,) = plan_images([data("image_folder", held_out, **facts)], location)[1]
        assert "images are refused: validation: found " in said


def spoil(path: Path) -> None:
    for file in [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]:
        file.write_bytes(b"garbage")


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("change", [spoil, remove])
@pytest.mark.parametrize(
    ("name", "write", "test_files", "facts"),
    [
        ("image_folder", lambda root, monkeypatch: write_folder(root), "test", {}),
        ("svhn", write_svhn, "test_32x32.mat", {}),
        ("imagenet", lambda root, monkeypatch: write_imagenet(root), "val", {"classes": 6, "image_size": 32}),
    ],
)
def test_trained_without_test_images_to_the_same_numbers(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    write: Callable[[Path, pytest.MonkeyPatch], Any],
    test_files: str,
    facts: dict[str, Any],
    change: Callable[[Path], None],
) -> None:
    monkeypatch.setattr(streaming, "WORKERS", 0)
    write(tmp_path / "images", monkeypatch)
    with_test = job(tmp_path, data(name, **facts), epochs=2)
    one = finish(with_test)
    change(tmp_path / "images" / test_files)
    elsewhere = Location(tmp_path / "images", tmp_path / "another cache")
    without = replace(job(tmp_path, data(name, **facts), epochs=2), runs=tmp_path / "without", location=elsewhere)
    other = finish(without)
    assert_same(with_test, without)
    assert one.result["data_digest"] == other.result["data_digest"]
    assert ("test_top5_error" in one.result) == (name == "imagenet")


def test_imagenets_held_out_images_are_training_images(tmp_path: Path) -> None:
    write_imagenet(tmp_path / "images")
    what = data("imagenet", classes=6, image_size=32, train_size=30)
    files, _ = ImageLoader(print).load(what, Location(tmp_path / "images", tmp_path / "cache"))
    assert isinstance(files, ImageFiles) and files.train.folder.name == files.test.folder.name == "train"
    assert len(files.train_labels) == 20 and sorted(np.bincount(files.test_labels)) == [1, 1, 2, 2, 2, 2]
    assert not set(files.train.names.tolist()) & set(files.test.names.tolist())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train_size": 1298}, "data.train_size: found 1298; there are 1297 images"),
        ({"classes": 11}, "data.classes: the study says 11; the training images have 10"),
        ({"channels": 3}, "images of 8x8x1; the study says 8x8x3"),
        ({"digest": "0" * 16}, r"data.digest: the study says 0{16}; the training images alone in "),
        ({"train_size": 25}, "validation: found 3 folds; class [0-9] has 2 training images"),
        ({"train_size": 90, "held_out": {"images": 90}}, "validation: found holdout 90, which takes 9 of the 9 "),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        load(data(**changes), tmp_path)


def test_zca_of_streamed_images_is_refused(tmp_path: Path) -> None:
    write_imagenet(tmp_path / "images")
    with pytest.raises(DataError, match=r"data\.preprocess: found zca; allowed for imagenet"):
        load(data("imagenet", classes=6, preprocess="zca"), tmp_path)


def test_other_training_images_than_it_was_begun_on_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "images")
    asked = job(tmp_path, data("image_folder"))
    train_trial(asked, lambda: True, lambda row: None)
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "train" / "a" / "0.png")
    with pytest.raises(RecordError, match="begun on images of digest"):
        train_trial(job(tmp_path, data("image_folder")), lambda: False, lambda row: None)


@pytest.mark.parametrize("how", [{"folds": 7, "fold": 0}, {"folds": 7, "fold": 6}, {"images": 130}])
def test_as_many_images_as_the_estimate_says(tmp_path: Path, how: dict[str, int]) -> None:
    for size in (None, 1000):
        what = data(held_out=how, train_size=size)
        images = load(what, tmp_path)
        assert images_of(what) == (len(images.train_labels), len(images.test_labels))
    assert images_of(data("image_folder")) is None
    assert images_of(data(held_out={"images": 2000})) is None


def test_the_definition_says_what_is_held_out() -> None:
    made = Trial(Architecture(1, 0.25), Recipe.named("wrn_cifar"), data(), 0)
    assert orjson.loads(made.definition)["data"]["held_out"] == FOLD
