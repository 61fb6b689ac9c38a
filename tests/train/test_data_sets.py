"""Epochs on every data set, read from small files in its original format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from original_formats import write_cifar, write_imagenet, write_mnist, write_svhn

from ablate.data import streaming
from ablate.data.location import Location
from ablate.errors import DataError, RecordError
from ablate.nets.architecture import Architecture
from ablate.nets.build import build
from ablate.own_code import read_own_code
from ablate.own_modules import look_in
from ablate.records.epochs import read_epochs
from ablate.records.records import Record, read_record, trial_directory
from ablate.study.data import Data
from ablate.study.recipe import Recipe
from ablate.study.study import Trial
from ablate.train.batches import Batches, TestBatches, TrainingBatches
from ablate.train.checkpoint import load_checkpoint
from ablate.train.images import ImageLoader
from ablate.train.job import Job
from ablate.train.setup import ImageCache
from ablate.train.trial import train_trial

Rows = list[dict[str, Any]]


def never() -> bool:
    return False


def job(tmp_path: Path, name: str, recipe: str = "wrn_cifar", epochs: int = 1, **data: Any) -> Job:
    """A trial of a small network on the images below tmp_path/images."""
    torch.set_num_threads(1)
    made, trained = Data.named(name, **data), Recipe.named(recipe, epochs=epochs, batch_size=8)
    what = Trial(Architecture(1, 0.25, dropout=0.2), trained, made, seed=1)
    return Job(what, tmp_path / "runs", Location(tmp_path / "images", tmp_path / "cache"))


def recorded(job: Job) -> Record:
    assert train_trial(job, never, lambda row: None) == "completed"
    record = read_record(job.runs, job.trial.id)
    assert record is not None
    return record


def kept(job: Job) -> tuple[Rows, dict[str, torch.Tensor]]:
    """The epochs of a trial without their times, and its last weights."""
    directory = trial_directory(job.runs, job.trial.id)
    rows = [{key: row[key] for key in row if not key.endswith("_seconds")} for row in read_epochs(directory)]
    state = load_checkpoint(directory)
    assert state is not None
    return rows, state["network"]


def assert_same(one: Job, other: Job) -> None:
    (rows, weights), (other_rows, other_weights) = kept(one), kept(other)
    assert rows == other_rows and weights.keys() == other_weights.keys()
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)


def test_cifar_100(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path / "images", "CIFAR100", monkeypatch, images=100, classes=100)
    result = recorded(job(tmp_path, "cifar100")).result
    assert (result["train_images"], result["test_images"]) == (100, 100) and "test_top5_error" not in result


def test_svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(tmp_path / "images", monkeypatch)
    asked = job(tmp_path, "svhn", "wrn_svhn")
    result = recorded(asked).result
    assert (result["train_images"], result["test_images"]) == (64, 20)
    train, _, normalization, *_ = ImageCache().load(asked.trial.data, asked.location, torch.device("cpu"))
    assert normalization.std.tolist() == [255.0] * 3 and normalization.mean.tolist() == [0.0] * 3
    assert train.labels.bincount().tolist() == [6, 7, 7, 7, 7, 6, 6, 6, 6, 6]


def test_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / "images", "MNIST", monkeypatch)
    assert recorded(job(tmp_path, "mnist")).result["train_images"] == 40


FOLDER = {"title": "Mine", "classes": 6, "image_size": 16}


@pytest.mark.parametrize("said", [{"stream": True}, {"split": {"test": 12}, "stream": True}, {"channels": 1}])
def test_folders_read_otherwise_resume_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any]
) -> None:
    monkeypatch.setattr(streaming, "WORKERS", 0)
    write_imagenet(tmp_path / "images")
    root = {"root": str(tmp_path / "images" / "train")} if "split" in said else {}
    whole = job(tmp_path, "image_folder", epochs=2, **FOLDER, **root, **said)
    result = recorded(whole).result
    assert (result["train_images"], result["test_images"]) == ((24, 12) if "split" in said else (36, 36))
    assert ("pixel_digest" in result) == ("stream" not in said)
    halting = replace(whole, runs=whole.runs.with_name("halting"))
    assert train_trial(halting, lambda: True, lambda row: None) == "interrupted"
    recorded(halting)
    assert_same(whole, halting)


OWN = """
import numpy as np


def load(root, side=8):
    labels = np.arange(32) % 2
    images = np.random.RandomState(0).randint(0, 100, (32, side, side)) + 100 * labels[:, None, None]
    return {"train": (images.astype(np.uint8), labels), "test": (images[:16].astype(np.uint8), labels[:16])}
"""


def test_own_data_resumes_bit_for_bit_and_is_refused_if_it_changed(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "own_pictures.py").write_text(OWN)
    own = read_own_code({"python": "own_pictures:load", "args": {"side": 12}}, (folder,))
    look_in()  # the job says where the code is
    facts = {"title": "Mine", "classes": 2, "image_size": 12, "channels": 1}
    whole = replace(job(tmp_path, "python", epochs=2, own=own, **facts), folders=(folder,))
    assert recorded(whole).result["train_images"] == 32
    halting = replace(whole, runs=whole.runs.with_name("halting"))
    assert train_trial(halting, lambda: True, lambda row: None) == "interrupted"
    recorded(halting)
    assert_same(whole, halting)
    changed = replace(whole, runs=whole.runs.with_name("changed"))
    assert train_trial(changed, lambda: True, lambda row: None) == "interrupted"
    (folder / "own_pictures.py").write_text(OWN.replace("RandomState(0)", "RandomState(11)"))
    ImageLoader(print, again=True).load(whole.trial.data, whole.location)  # as the next run does before it starts
    with pytest.raises(RecordError, match="begun on images of digest"):
        recorded(changed)


@pytest.fixture
def imagenet(tmp_path: Path) -> Callable[..., Job]:
    write_imagenet(tmp_path / "images")
    return lambda **data: job(tmp_path, "imagenet", epochs=2, **{"classes": 6, "image_size": 32, **data})


def test_imagenet_whatever_the_number_of_processes(imagenet: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = []
    for workers in (0, 2):
        monkeypatch.setattr(streaming, "WORKERS", workers)
        jobs.append(replace(imagenet(), runs=Path(f"{imagenet().runs}{workers}")))
        recorded(jobs[-1])
    assert_same(*jobs)


def test_imagenet_resumes_bit_for_bit(imagenet: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "WORKERS", 0)
    whole = imagenet()
    recorded(whole)
    halting = replace(whole, runs=whole.runs.with_name("halting"))
    assert train_trial(halting, lambda: True, lambda row: None) == "interrupted"
    recorded(halting)
    assert_same(whole, halting)


def test_imagenets_errors(imagenet: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """Top-1 and top-5, against the last weights on the images as they are read."""
    monkeypatch.setattr(streaming, "WORKERS", 0)
    asked = imagenet(test_size=30)
    record = recorded(asked)
    network = build(asked.trial.blueprint)
    network.load_state_dict(kept(asked)[1])
    network.eval()
    _, test, normalization, *_ = ImageCache().load(asked.trial.data, asked.location, torch.device("cpu"))
    assert isinstance(test, streaming.Streamed)
    with torch.no_grad():
        batches = streaming.stream(test, torch.arange(30), 8)
        logits = torch.cat(
            [network(((x.float() - normalization.mean) / normalization.std).permute(0, 3, 1, 2)) for x, _ in batches]
        )
    places = (logits.argsort(1, descending=True) == test.labels[:, None]).int().argmax(1)
    assert record.result["test_images"] == 30 and record.result["test_error"] == 100 * int((places >= 1).sum()) / 30
    assert record.result["test_top5_error"] == 100 * int((places >= 5).sum()) / 30
    rows = record.epochs()
    assert [row["test_top5_error"] <= row["test_error"] for row in rows] == [True, True]
    assert rows[-1]["test_top5_error"] == record.result["test_top5_error"] and "train_top5_error" not in rows[0]


def images_of(batches: Batches, epoch: int) -> torch.Tensor:
    batches.begin(epoch)
    return torch.cat([batches.take(size)[0] for size in batches.sizes])


@pytest.mark.parametrize("augment", ["none", "flip"])
def test_imagenets_training_images_are_cropped_as_asked(
    imagenet: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, augment: str
) -> None:
    """Without random crops an epoch holds the images of the test crop, each once, some of them flipped."""
    monkeypatch.setattr(streaming, "WORKERS", 0)
    asked = imagenet(augment=augment, preprocess="none", train_size=24)
    part, _, normalization, *_ = ImageCache().load(asked.trial.data, asked.location, torch.device("cpu"))
    plain = images_of(TestBatches(part, normalization, 8), 1)
    what = asked.trial
    made = images_of(TrainingBatches(part, normalization, what.data, what.recipe, 1), 1)
    flipped = torch.tensor([bool((image == plain.flip(3)).all((1, 2, 3)).any()) for image in made])
    unflipped = torch.tensor([bool((image == plain).all((1, 2, 3)).any()) for image in made])
    assert len(made) == 24 and bool((flipped != unflipped).all()) and bool(flipped.any()) == (augment == "flip")


def test_another_epoch_and_another_seed_draw_anew(imagenet: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(streaming, "WORKERS", 0)
    asked = imagenet(train_size=12)
    what = asked.trial
    part, _, normalization, *_ = ImageCache().load(what.data, asked.location, torch.device("cpu"))
    epochs = [
        images_of(TrainingBatches(part, normalization, what.data, what.recipe, seed), epoch)
        for seed, epoch in ((1, 1), (1, 1), (1, 2), (2, 1))
    ]
    assert [torch.equal(epochs[0], each) for each in epochs] == [True, True, False, False]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"classes": 7}, "data.classes: the study says 7; the training images have 6"),
        ({"train_size": 37}, "data.train_size: found 37; there are 36 images"),
        ({"digest": "0" * 16}, "data.digest: the study says 0000000000000000"),
        ({"preprocess": "zca"}, "data.preprocess: found zca; allowed for imagenet: meanstd, scale, none"),
    ],
)
def test_what_imagenet_cannot_be_is_said(imagenet: Callable[..., Job], data: dict[str, Any], said: str) -> None:
    asked = imagenet(**data)
    with pytest.raises(DataError, match=said):
        ImageLoader(print).load(asked.trial.data, asked.location)


def test_a_damaged_image_ends_the_trial_with_its_name(imagenet: Callable[..., Job]) -> None:
    broken = imagenet().location.root / "train" / "n00000002" / "n00000002_1.JPEG"
    broken.write_bytes(broken.read_bytes()[:300])
    with pytest.raises(DataError) as caught:
        train_trial(imagenet(), never, lambda row: None)
    assert str(caught.value).startswith(f"{broken}: cannot be read as an image")


def test_other_images_than_a_trial_was_begun_on_are_refused(
    imagenet: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "WORKERS", 0)
    asked = imagenet()
    train_trial(asked, lambda: True, lambda row: None)
    image = asked.location.root / "val" / "n00000002" / "n00000002_1.JPEG"
    image.rename(image.with_name("other.JPEG"))
    with pytest.raises(RecordError, match="begun on images of digest"):
        train_trial(asked, never, lambda row: None)
    assert np.isfinite(read_epochs(trial_directory(asked.runs, asked.trial.id))[0]["test_loss"])


@pytest.mark.parametrize("held_out", [None, {"images": 97}])
def test_images_with_another_digest_than_stated_are_refused(tmp_path: Path, held_out: dict[str, Any] | None) -> None:
    asked = job(tmp_path, "digits", held_out=held_out)
    _, digest = ImageLoader(print).load(asked.trial.data, asked.location)
    said = job(tmp_path, "digits", held_out=held_out, digest=digest)
    assert ImageLoader(print).load(said.trial.data, said.location)[1] == digest
    other = job(tmp_path, "digits", held_out=held_out, digest="0" * 16)
    with pytest.raises(DataError, match=rf"data.digest: the study says 0{{16}}; .* have {digest}"):
        ImageLoader(print).load(other.trial.data, other.location)
