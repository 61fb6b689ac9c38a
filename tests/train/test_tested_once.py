"""Trials of a study that decides on held-out images: they test once, at the end, and nothing of a search changes."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ablate.api import load_study
from ablate.data.cache import known_digest
from ablate.data.listing import ImageFiles, Listing
from ablate.data.location import Location
from ablate.data.original_files import read_digits
from ablate.data.sources import Images, Labelled, stratified
from ablate.data.whitening import fit_whitening, whiten
from ablate.errors import DataError, RecordError, StudyError
from ablate.nets.architecture import Architecture
from ablate.records.attempts import write_result
from ablate.records.merge import plan_merge
from ablate.records.records import Record, read_record, trial_directory
from ablate.records.result import FINAL
from ablate.study.data import Data, HeldOut
from ablate.study.recipe import Recipe
from ablate.study.study import Trial
from ablate.train import testing as evaluation
from ablate.train.images import ImageLoader
from ablate.train.job import Job
from ablate.train.setup import ImageCache
from ablate.train.trial import train_trial
from ablate.verify import compare

SIZES = {"train": 24, "val": 12, "test": 10}
ONCE = HeldOut(images=60, test=True)


def job(tmp_path: Path, data: Data, **recipe: Any) -> Job:
    """Two epochs of a small network; the images are below tmp_path/images."""
    torch.set_num_threads(1)
    trained = Recipe.named("wrn_cifar", **{"epochs": 2, "batch_size": 32, **recipe})
    location = Location(tmp_path / "images", tmp_path / "cache")
    return Job(Trial(Architecture(1, 0.25), trained, data, seed=1), tmp_path / "runs", location)


def png(image: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def digits(held_out: HeldOut = ONCE, **changes: Any) -> Data:
    return Data.named("digits", **{"train_size": 200, "test_size": 100, "held_out": held_out, **changes})


def finish(job: Job) -> Record:
    assert train_trial(job, lambda: False, lambda row: None) in ("completed", "diverged")
    record = read_record(job.runs, job.trial.id)
    assert record is not None
    return record


def test_the_test_images_are_evaluated_once_after_the_last_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    begin = evaluation.Testing.begin

    def counted(self: evaluation.Testing, epoch: int = 1) -> None:
        passes.append(len(self.batches.part.labels))
        begin(self, epoch)

    monkeypatch.setattr(evaluation.Testing, "begin", counted)
    asked = job(tmp_path, digits())
    record = finish(asked)
    assert passes == [60, 60, 100]
    result = json.loads((record.directory / "result.json").read_text())
    assert (result["train_images"], result["validation_images"], result["test_images"]) == (140, 60, 100)
    assert record.split == "validation" and record.result["test_error"] == result["validation_error"]
    assert record.result[f"{FINAL}error"] == result["test_error"] and f"{FINAL}loss" in record.result
    assert "test" not in (record.directory / "epochs.jsonl").read_text()


def test_the_weights_are_those_that_a_search_trains(tmp_path: Path) -> None:
    one = finish(job(tmp_path, digits()))
    other = finish(job(tmp_path, digits(HeldOut(images=60))))
    assert one.id != other.id and not [key for key in other.result if key.startswith(FINAL)]
    keys = ("test_error", "test_loss", "train_loss")
    assert [one.result[key] for key in keys] == [other.result[key] for key in keys]


def test_a_resumed_one_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = job(tmp_path, digits(augment="flip_crop"))
    halting = replace(whole, runs=tmp_path / "halting")
    assert train_trial(halting, lambda: True, lambda row: None) == "interrupted"
    verdict = compare("one", finish(whole), finish(halting))
    assert verdict.equal and "validation_error" in verdict.as_json()


def test_a_diverged_trial_has_no_test_error(tmp_path: Path) -> None:
    record = finish(job(tmp_path, digits(), lr=100.0, weight_decay=10.0, epochs=6))
    assert record.diverged and record.result[f"{FINAL}error"] is None


def test_another_test_error_is_another_result(tmp_path: Path) -> None:
    asked = job(tmp_path, digits())
    record = finish(asked)
    other = tmp_path / "other"
    directory = trial_directory(other, record.id)
    directory.mkdir(parents=True)
    for name in ("trial.json", "epochs.jsonl"):
        (directory / name).write_bytes((record.directory / name).read_bytes())
    write_result(directory, {**record.result, f"{FINAL}error": 1.0})
    (conflict,) = plan_merge([other], asked.runs).conflicts
    assert f"{FINAL}error" in conflict
    again = read_record(other, record.id)
    assert again is not None and not compare("one", record, again).equal
    write_result(directory, {**record.result, f"{FINAL}error": 101.0})
    with pytest.raises(RecordError, match="test_error: found 101"):
        read_record(other, record.id)


def test_the_test_size_is_part_of_the_trial() -> None:
    def identity(held_out: HeldOut, size: int) -> dict[str, Any]:
        return digits(held_out, test_size=size).identity()

    assert identity(ONCE, 50) != identity(ONCE, 60)
    plain = HeldOut(images=60)
    assert identity(plain, 50) == identity(plain, 60) and identity(plain, 50)["held_out"] == {"images": 60}


@pytest.mark.parametrize("preprocess", ["meanstd", "zca"])
def test_test_images_are_prepared_by_the_images_that_are_trained_on(tmp_path: Path, preprocess: str) -> None:
    loader, data = ImageLoader(print), digits(preprocess=preprocess)
    images, _ = loader.load(data, Location(tmp_path, tmp_path / "cache"))
    assert isinstance(images, Images) and loader.final is not None
    whole = read_digits(Path(), 8)
    chosen = whole.test_images[stratified(whole.test_labels, 100)]
    train = whole.train_images[stratified(whole.train_labels, 200)]
    kept = [i for i, image in enumerate(train) if any(np.array_equal(image, one) for one in images.train_images)]
    expected = whiten(chosen, fit_whitening(train[kept])) if preprocess == "zca" and kept else chosen
    if preprocess == "meanstd":
        assert np.array_equal(loader.final.images, expected) and len(kept) == 140  # type: ignore[union-attr]
    else:
        assert loader.final.images.shape == chosen.shape and loader.final.images.dtype == np.float32  # type: ignore[union-attr]


def write_folder(root: Path, parts: dict[str, str]) -> None:
    draw = np.random.RandomState(0)
    for part, labels in parts.items():
        for label in labels:
            for i in range(12):
                path = root / part / label / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(draw.randint(0, 256, (8, 8, 3), np.uint8)).save(path)


def folder(test: bool) -> Data:
    held_out = HeldOut(folder="val", test=test)
    return Data.named("image_folder", title="some", classes=2, image_size=8, held_out=held_out)


@pytest.mark.parametrize("test", [False, True])
def test_images_of_a_folder_are_decided_on(tmp_path: Path, test: bool) -> None:
    write_folder(tmp_path / "images", {"train": "ab", "val": "ab", **({"test": "ab"} if test else {})})
    record = finish(job(tmp_path, folder(test), batch_size=8))
    assert (record.result["train_images"], record.result["test_images"]) == (24, 24)
    assert record.result.get(f"{FINAL}images") == (24 if test else None)
    assert list(record.result["image_files"]) == ["train", *(["test"] if test else []), "val"]
    images = ImageCache().load(folder(test), Location(tmp_path / "images", tmp_path / "c"), torch.device("cpu"))
    assert images.test.labels.tolist() == [0] * 12 + [1] * 12 and (images.final is not None) == test
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "val" / "a" / "0.png")
    changed = ImageCache().load(folder(test), Location(tmp_path / "images", tmp_path / "c"), torch.device("cpu"))
    assert changed.digest != images.digest


def test_the_folder_has_the_classes_of_the_training_images(tmp_path: Path) -> None:
    write_folder(tmp_path / "images", {"train": "ab", "val": "bc"})
    with pytest.raises(DataError, match="train and val have different classes"):
        ImageLoader(print).load(folder(False), Location(tmp_path / "images", tmp_path / "cache"))


def test_test_images_cannot_be_decided_on(tmp_path: Path) -> None:
    write_folder(tmp_path / "images", {"train": "ab", "val": "ab"})
    where = Location(tmp_path / "images", tmp_path / "cache")
    with pytest.raises(DataError, match=r"validation\.folder: val has the test images"):
        ImageLoader(print).load(folder(True), where)
    images, _ = ImageLoader(print).load(folder(False), where)
    assert len(images.test_labels) == 24


@pytest.mark.parametrize("test", [False, True])
def test_streamed_images_of_a_folder_are_decided_on(tmp_path: Path, test: bool) -> None:
    write_folder(tmp_path / "images", {"train": "ab", "val": "ab", "test": "ab"})
    loader = ImageLoader(print)
    data = folder(test).model_copy(update={"stream": True})
    files, digest = loader.load(data, Location(tmp_path / "images", tmp_path / "cache"))
    assert isinstance(files, ImageFiles) and (files.train.folder.name, files.test.folder.name) == ("train", "val")
    assert (isinstance(loader.final, Listing) and loader.final.folder.name == "test") == test
    where = Location(tmp_path / "images", tmp_path)
    assert known_digest("image_folder", where, not test, data.read_options, True, 8, "val") == digest


OWN_DATA = """\
import numpy as np


def load():
    draw = np.random.RandomState(0)
    part = lambda n: (draw.randint(0, 256, (n, 8, 8, 3)).astype(np.uint8), np.arange(n) % 2)
    return {"train": part(24), "test": part(10), "validation": part(12)}
"""


def test_validation_images_of_own_code_are_decided_on(tmp_path: Path) -> None:
    (tmp_path / "own_images.py").write_text(OWN_DATA)
    (tmp_path / "own.yaml").write_text(
        "name: own\ndata: {python: own_images:load}\nseeds: 1\nvalidation: {folder: val}\n"
        "recipe: {base: wrn_cifar, epochs: 2, batch_size: 8}\nvariants: [{net: WRN-10-0.25}]\n"
    )
    experiment = load_study(tmp_path / "own.yaml", runs=tmp_path / "runs")
    (trial,) = experiment.trials()
    location = Location(tmp_path / "images", tmp_path / "cache")
    record = finish(Job(trial, tmp_path / "runs", location, folders=(tmp_path,)))
    sizes = [record.result[key] for key in ("train_images", "test_images", f"{FINAL}images")]
    assert sizes == [24, 12, 10]
    known = known_digest(trial.data.name, location, False, trial.data.read_options, image_size=8, part="val")
    assert known == record.result["data_digest"]


@pytest.mark.parametrize("name", ["arrays", "parquet"])
def test_validation_images_of_arrays_and_tables_are_decided_on(tmp_path: Path, name: str) -> None:
    here = tmp_path / "images"
    here.mkdir()
    draw = np.random.RandomState(0)
    parts = {part: (draw.randint(0, 256, (n, 8, 8, 3), np.uint8), np.arange(n) % 2) for part, n in SIZES.items()}
    if name == "arrays":
        of = {f"{part}_{kind}": pair[i] for part, pair in parts.items() for i, kind in enumerate(("images", "labels"))}
        np.savez(here / "all.npz", **of)
    else:
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        for part, (images, labels) in parts.items():
            pq.write_table(pa.table({"image": [png(one) for one in images], "label": labels}), here / f"{part}.parquet")
    text = f"name: v\ndata: {{name: {name}, root: images}}\nseeds: 1\nvalidation: {{folder: val}}\n"
    text += "recipe: {base: wrn_cifar, epochs: 2, batch_size: 8}\nvariants: [{net: WRN-10-0.25}]\n"
    (tmp_path / "v.yaml").write_text(text)
    experiment = load_study(tmp_path / "v.yaml", runs=tmp_path / "runs")
    loader, data = ImageLoader(print), experiment.trials()[0].data
    images, digest = loader.load(data, experiment.location())
    assert isinstance(images, Images) and isinstance(loader.final, Labelled)
    assert [len(images.train_labels), len(images.test_labels), len(loader.final.labels)] == list(SIZES.values())
    assert np.array_equal(images.test_images, parts["val"][0]) and np.array_equal(loader.final.images, parts["test"][0])
    where = experiment.location().of(data.root)
    assert known_digest(name, where, False, data.read_options, image_size=8, part="val") == digest
    assert experiment.plan()["memory"]["images"] == (SIZES["train"] + SIZES["test"]) * 8 * 8 * 3
    with pytest.raises(StudyError, match=f"found 'test'; it has the training or the test images of {name}"):
        load_study(tmp_path / "v.yaml", ["validation.folder=test"])
