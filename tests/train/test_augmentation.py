"""Augmentation in training: resumed and uninterrupted, alone and in a group, a reader's own step, streamed images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from replay import capture
from torch import Tensor

from ablate.data.augment import augment, draw, fit
from ablate.data.location import Location
from ablate.data.tensors import LabelledTensors, Normalization
from ablate.errors import NotationError
from ablate.records.epochs import read_epochs
from ablate.records.records import trial_directory
from ablate.study.data import Data
from ablate.study.plan import enumerate_variants
from ablate.study.recipe import Recipe
from ablate.study.spec import load_study
from ablate.train.attempt import Attempt
from ablate.train.batches import TrainingBatches
from ablate.train.checkpoint import load_checkpoint
from ablate.train.job import Job
from ablate.train.process_group import ProcessGroup
from ablate.train.randomness import generator
from ablate.train.setup import ImageCache, configure
from ablate.train.trial import train_side_by_side, train_trial

OWN = """\
import random
import numpy
import torch

def cut(images, generator, size):
    rows = torch.randint(0, images.shape[2] - size + 1, (len(images),), generator=generator)
    for image, row in zip(images, rows.tolist()):
        image[:, row : row + size] = 0
    return images

def noise(images):
    return images + torch.randint(0, 3, images.shape, dtype=torch.uint8)

def scatter(images):
    images[:, :, random.randrange(8), numpy.random.randint(8)] = 0
    return images

def broken(images):
    return images[:, :, 1:]

def raises(images):
    raise ValueError("no such thing")
"""
STUDY = """\
name: x
data: {{name: digits, train_size: 128, test_size: 64, augment: {augment}}}
recipe: {{base: wrn_cifar, epochs: 3, {recipe}}}
seeds: 1
variants: [{{net: WRN-10-0.25}}]
"""
PIXELS = Normalization(torch.zeros(1), torch.ones(1))


def job_of(folder: Path, augment: str, recipe: str = "batch_size: 48, last_batch: keep") -> Job:
    torch.set_num_threads(1)
    (folder / "own_steps.py").write_text(OWN)
    path = folder / "x.yaml"
    path.write_text(STUDY.format(augment=augment, recipe=recipe))
    study = load_study(path)
    trial = enumerate_variants(study).variants[0].trials((3,))[0]
    return Job(trial, folder / "runs", Location(folder, folder / "cache"), folders=(folder,))


def stop_after(epoch: int) -> tuple[Callable[[], bool], Callable[[dict[str, Any]], None]]:
    seen: list[int] = []
    return (lambda: bool(seen) and seen[-1] >= epoch), (lambda row: seen.append(row.get("epoch", 0)))


def outcome(job: Job) -> tuple[list[float], dict[str, Tensor]]:
    directory = trial_directory(job.runs, job.trial.id)
    state = load_checkpoint(directory)
    assert state is not None
    return [row["train_loss"] for row in read_epochs(directory)], state["network"]


@pytest.mark.parametrize(
    "steps",
    [
        "[{crop: {padding: 1, mode: zero}}, trivial_augment, {erase: 2}]",
        "[random_resized_crop, {color_jitter: 0.4}, {rand_augment: {n: 1}}]",
        "[flip, {python: own_steps:cut, args: {size: 2}}, {python: own_steps:noise}, {python: own_steps:scatter}]",
    ],
)
def test_a_resumed_trial_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path, steps: str) -> None:
    job = job_of(tmp_path, steps)
    assert train_trial(job, lambda: False, lambda row: None) == "completed"
    halting = replace(job, runs=tmp_path / "halting")
    assert train_trial(halting, *stop_after(1)) == "interrupted"
    torch.rand(7)  # what else draws from torch's global generator changes nothing
    assert train_trial(halting, lambda: False, lambda row: None) == "completed"
    (losses, weights), (other_losses, other_weights) = outcome(job), outcome(halting)
    assert losses == other_losses and all(torch.equal(weights[name], other_weights[name]) for name in weights)
    plain = job_of(tmp_path, "none")
    train_trial(plain, lambda: False, lambda row: None)
    assert outcome(plain)[0] != losses


def attempt_at(job: Job, folder: Path) -> Attempt:
    job = replace(job, runs=folder)
    (job.runs / job.trial.id).mkdir(parents=True)
    (job.runs / job.trial.id / "trial.json").write_bytes(job.trial.definition)
    return Attempt(job, configure("cpu"))


@pytest.mark.parametrize(
    "steps",
    [
        "[random_resized_crop, {crop: {padding: 1, mode: edge}}, {erase: 2}]",
        "[flip, trivial_augment, {crop: 1}]",
        "[{python: own_steps:cut, args: {size: 2}}]",
    ],
)
def test_a_captured_step_and_seeds_side_by_side_change_nothing(tmp_path: Path, steps: str) -> None:
    """What a graph cannot contain is done before it, so every list of steps can be captured."""
    job = job_of(tmp_path, steps, "batch_size: 16, last_batch: keep, milestones: []")
    jobs = [replace(job, trial=job.trial.at_seed(seed)) for seed in (3, 4)]
    for each in jobs:
        train_trial(each, lambda: False, lambda row: None)
    captured: list[int] = []

    def count(step: Callable[[], None], generators: Any) -> Callable[[], None]:
        captured.append(1)
        return capture(step, generators)

    together = [attempt_at(each, tmp_path / "together") for each in jobs]
    assert [status for _, status in train_side_by_side(together, lambda: False, lambda row: None, count)]
    assert captured
    for each in jobs:
        (losses, weights), (others, other_weights) = outcome(each), outcome(replace(each, runs=tmp_path / "together"))
        assert losses == others and all(torch.equal(weights[name], other_weights[name]) for name in weights)


def batches_of(steps: Any, images: Tensor, seed: int = 0, rank: int = 0, ranks: int = 1) -> TrainingBatches:
    data = Data.named("digits", augment=steps)
    recipe = Recipe.named("wrn_cifar", batch_size=16, last_batch="keep")
    group = ProcessGroup(rank, ranks)
    part = LabelledTensors(images, torch.arange(len(images)))
    return TrainingBatches(part, PIXELS, data, recipe, seed, group)


def taken(batches: TrainingBatches, epoch: int) -> list[tuple[Tensor, Tensor]]:
    batches.begin(epoch)
    found = []
    for size in batches.sizes:
        batches.prepare(size)
        images, labels = batches.take(size)
        found.append((images.clone(), labels))
    return found


def steps_of_file(folder: Path, steps: str) -> Any:
    return job_of(folder, steps).trial.data.augment


@pytest.mark.parametrize("steps", ["[flip, trivial_augment]", "[flip, {erase: 3}]", "[random_resized_crop]"])
def test_an_epoch_is_a_function_of_seed_and_epoch_for_any_number_of_ranks(tmp_path: Path, steps: str) -> None:
    """Whether it is augmented before the step or in it, the batch is that of augment() with the draws of its images."""
    images, listed = torch.randint(1, 255, (40, 8, 8, 1), dtype=torch.uint8), steps_of_file(tmp_path, steps)
    batches = batches_of(listed, images)
    taken(batches, 1)
    second = taken(batches, 2)
    draws = draw(listed, 40, 8, generator(0, "augmentation", 2))
    order = torch.randperm(40, generator=generator(0, "order", 2))
    wanted = augment(images, order, listed, draws, fit(listed, images))
    assert torch.equal(torch.cat([made for made, _ in second]), wanted.permute(0, 3, 1, 2).float())
    assert torch.equal(torch.cat([labels for _, labels in second]), order)
    shares = [taken(batches_of(listed, images, rank=rank, ranks=2), 2) for rank in (0, 1)]
    for (whole, _), (left, _), (right, _) in zip(second, *shares):
        assert torch.equal(whole, torch.cat([left, right]))


def test_an_own_step_draws_by_seed_epoch_batch_and_rank(tmp_path: Path) -> None:
    listed = steps_of_file(tmp_path, "[{python: own_steps:noise}]")
    images = torch.full((32, 8, 8, 1), 100, dtype=torch.uint8)

    def first_two(*, epoch: int = 1, **changed: int) -> tuple[Tensor, Tensor]:
        (one, _), (other, _) = taken(batches_of(listed, images, **changed), epoch)
        return one, other

    one, other = first_two()
    assert torch.equal(one, first_two()[0]) and not torch.equal(one, other)
    assert one.unique().tolist() == [100, 101, 102]
    for changed in (first_two(epoch=2)[0], first_two(seed=1)[0]):
        assert not torch.equal(one, changed)
    halves = [first_two(rank=rank, ranks=2)[0] for rank in (0, 1)]
    assert not torch.equal(*halves)


@pytest.mark.parametrize(
    "name, said",
    [
        ("broken", r"own_steps:broken returned uint8 \(48, 1, 7, 8\) on cpu; allowed: uint8 \(48, 1, 8, 8\) on cpu"),
        ("raises", r"own_steps:raises: .*own_steps.py:22: ValueError: no such thing"),
    ],
)
def test_an_error_in_an_own_step_is_one_line(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(NotationError, match=said):
        train_trial(job_of(tmp_path, f"[{{python: own_steps:{name}}}]"), lambda: False, lambda row: None)


def test_an_own_step_that_changed_since_the_plan_is_not_trained(tmp_path: Path) -> None:
    job = job_of(tmp_path, "[{python: own_steps:noise}]")
    (tmp_path / "own_steps.py").write_text(OWN.replace("0, 3", "0, 9"))
    with pytest.raises(NotationError, match="own_steps:noise has changed since the run began"):
        train_trial(job, lambda: False, lambda row: None)


def streamed_batches(folder: Path, augment: str, dogs: int = 6) -> Callable[..., TrainingBatches]:
    """A function (rank, ranks, fields of the recipe) -> the batches of six images of a cat and some of a dog."""
    for part in ("train", "val"):
        for label, images in (("cat", 6), ("dog", dogs)):
            place = folder / "images" / part / label
            place.mkdir(parents=True)
            for i in range(images):
                pixels = np.random.default_rng(i).integers(0, 255, (40, 50, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{i}.png")
    (folder / "own_steps.py").write_text(OWN)
    path = folder / "x.yaml"
    path.write_text(
        f"name: x\ndata: {{name: imagenet, image_size: 16, root: images, augment: {augment}}}\n"
        "recipe: {base: wrn_cifar, epochs: 2, batch_size: 6}\nseeds: 1\nvariants: [{net: WRN-10-0.25}]\n"
    )
    data = load_study(path).data.model_copy(update={"classes": 2})
    loaded = ImageCache().load(data, Location(folder / "images", folder / "cache"), torch.device("cpu"))

    def make(rank: int = 0, ranks: int = 1, **fields: Any) -> TrainingBatches:
        recipe = Recipe.named("wrn_cifar", batch_size=6, **fields)
        pixels = Normalization(torch.zeros(3), torch.ones(3))
        return TrainingBatches(loaded.train, pixels, data, recipe, 0, ProcessGroup(rank, ranks))

    return make


def test_a_streamed_image_takes_the_same_steps(tmp_path: Path) -> None:
    """Two epochs of a streamed data set with a step of each kind: torchvision's, one of ours, and a reader's own."""
    steps = "[{random_resized_crop: [0.5, 1]}, trivial_augment, {erase: 4}, {python: own_steps:cut, args: {size: 3}}]"
    make = streamed_batches(tmp_path, steps)

    def epoch(number: int) -> Tensor:
        return torch.cat([batch for batch, _ in taken(make(), number)])

    first = epoch(1)
    assert first.shape == (12, 3, 16, 16) and torch.equal(first, epoch(1)) and not torch.equal(first, epoch(2))
    assert (first == 0).all(1).all(2).sum(1).ge(3).all()  # three rows or more of each image are cut


def test_a_streamed_image_that_is_drawn_again_is_augmented_otherwise(tmp_path: Path) -> None:
    """The only dog is drawn several times in an epoch; all its crops differ, whichever rank takes them."""
    make = streamed_batches(tmp_path, "[{random_resized_crop: [0.1, 0.5]}, flip]", dogs=1)
    how = {"sampler": "balanced", "last_batch": "keep"}
    whole = taken(make(**how), 5)
    dogs = [image for images, labels in whole for image, label in zip(images, labels.tolist()) if label == 1]
    assert len(dogs) > 2 and not any(torch.equal(one, other) for i, one in enumerate(dogs) for other in dogs[:i])
    shares = [taken(make(rank, 2, **how), 5) for rank in (0, 1)]
    for (images, _), (left, _), (right, _) in zip(whole, *shares):
        assert torch.equal(images, torch.cat([left, right]))
