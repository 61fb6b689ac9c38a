"""run_trials() on data sets that no small study file can name."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from original_formats import write_imagenet, write_svhn
from PIL import Image
from rich.console import Console

from ablate import memory
from ablate.api import load_study
from ablate.data.location import Location
from ablate.errors import DataError, RecordError, RunError
from ablate.launch.options import RunOptions
from ablate.launch.run import run_trials
from ablate.launch.summary import RunSummary
from ablate.launch.tasks import make_task
from ablate.nets.architecture import Architecture
from ablate.records.records import read_record
from ablate.records.timings import Milliseconds, Probe, write_probe
from ablate.schedule.backends import Backend
from ablate.schedule.slots import Slot
from ablate.study.data import Data
from ablate.study.recipe import Recipe
from ablate.study.study import Trial
from ablate.train.estimates import workload_of


def a_trial(name: str, batch_size: int = 8, **data: Any) -> Trial:
    recipe = Recipe.named("wrn_cifar", epochs=1, batch_size=batch_size)
    return Trial(Architecture(1, 0.25), recipe, Data.named(name, **data), seed=0)


def on_imagenet(**data: Any) -> Trial:
    return a_trial("imagenet", **{"classes": 6, "image_size": 32, **data})


@pytest.fixture
def images(tmp_path: Path) -> Path:
    torch.set_num_threads(1)
    write_imagenet(tmp_path / "images")
    return tmp_path / "images"


def run(images: Path, *trials: Trial) -> tuple[RunSummary, str]:
    """What run_trials() returns and prints."""
    said = StringIO()
    place = Location(images, images.parent / "cache")
    options = RunOptions(inline=True)
    names = {each.id: each.data.title for each in trials}
    return run_trials(trials, names, images.parent / "runs", place, options, Console(file=said, width=200)), said.getvalue()


def test_several_data_sets_are_trained_in_one_run(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(images, monkeypatch)
    trials = on_imagenet(), a_trial("svhn"), a_trial("digits", preprocess="zca", train_size=64, test_size=32)
    summary, said = run(images, *trials)
    assert (summary.trained, summary.exit_code) == (3, 0)
    assert "whitening digits by 64 training images" in said and "decoding 3 files of svhn" in said
    again, said = run(images, *trials)
    assert (again.recorded_before, again.trained, again.exit_code) == (3, 0, 0) and "whitening" not in said


def test_other_images_than_were_recorded_are_refused(images: Path) -> None:
    recorded = on_imagenet()
    run(images, recorded)
    image = images / "val" / "n00000002" / "n00000002_1.JPEG"
    image.write_bytes(image.read_bytes() + b"\0")
    for trials in ((recorded,), (recorded, a_trial("digits")), (on_imagenet(augment="none"), recorded)):
        with pytest.raises(RecordError, match=f"{recorded.id}: recorded on images of digest"):
            run(images, *trials)
    assert [path.name for path in (images.parent / "runs").iterdir()] == [recorded.id]


def test_images_that_are_gone_do_not_matter_once_all_is_recorded(images: Path) -> None:
    run(images, on_imagenet())
    (images / "train").rename(images / "elsewhere")
    assert run(images, on_imagenet())[0].recorded_before == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (on_imagenet(train_size=6), "recipe.batch_size: 8 of 6 images leaves no batch"),
        (on_imagenet(classes=7), "data.classes: the study says 7"),
        (on_imagenet(preprocess="zca"), "data.preprocess: found zca; allowed for imagenet"),
        (on_imagenet(digest="0" * 16), "data.digest: the study says 0000000000000000"),
        (a_trial("svhn"), "svhn: train_32x32.mat, extra_32x32.mat, test_32x32.mat not found in"),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_starts(images: Path, asked: Trial, said: str) -> None:
    with pytest.raises(DataError, match=said):
        run(images, asked)
    assert not (images.parent / "runs").exists()


def write_folder(root: Path, shade: int) -> str:
    """An image folder of two classes, four training images and two test images each."""
    for part, n in (("train", 4), ("test", 2)):
        for name, light in (("dark", 0), ("light", 200)):
            (root / part / name).mkdir(parents=True)
            for i in range(n):
                Image.new("RGB", (8, 8), (light + shade, light + i, shade)).save(root / part / name / f"{i}.png")
    return str(root)


def in_folder(title: str, root: str) -> Trial:
    return a_trial("image_folder", batch_size=4, title=title, classes=2, image_size=8, augment="none", root=root)


@pytest.mark.parametrize(
    "options",
    [
        {"shard": (3, 2)},
        {"shard": (0, 2)},
        {"shard": "1/2"},
        {"cohort": 0},
        {"slots": "2"},
        {"slots_per_gpu": 0},
        {"checkpoint_epochs": -1},
        {"checkpoint_seconds": float("nan")},
        {"hung_seconds": -5},
        {"device": "gpu", "inline": True},
        {"log": "tensorboard"},
    ],
)
def test_options_that_would_be_ignored_are_refused(options: dict[str, Any]) -> None:
    (name, value), *_ = options.items()
    with pytest.raises(RunError, match=f"`{name}`: found {re.escape(repr(value))}; allowed: "):
        RunOptions(**options)


def test_each_image_folder_of_a_study_has_its_own_root(images: Path) -> None:
    roots = [write_folder(images / name, shade) for name, shade in (("one", 10), ("two", 40))]
    trials = [in_folder(title, root) for title, root in zip(("One", "Two"), roots)]
    summary, _ = run(images, *trials)
    assert (summary.trained, summary.exit_code) == (2, 0)
    digests = [read_record(images.parent / "runs", each.id).result["data_digest"] for each in trials]  # type: ignore[union-attr]
    assert digests[0] != digests[1]
    again, _ = run(images, *trials)
    assert (again.recorded_before, again.exit_code) == (2, 0)
    with pytest.raises(DataError, match="nowhere"):
        run(images, in_folder("Three", str(images / "nowhere")))


def test_a_root_that_is_asked_for_counts_more_than_a_studys(images: Path) -> None:
    ours = in_folder("One", str(images / "nowhere"))
    write_folder(images / "one", 10)
    place = Location(images / "one", images.parent / "cache", fixed=True)
    options = RunOptions(inline=True)
    done = run_trials([ours], {ours.id: "One"}, images.parent / "runs", place, options, Console(file=StringIO()))
    assert (done.trained, done.exit_code) == (1, 0)


def test_a_run_that_cannot_fit_into_the_memory_is_refused(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trials, said = load_study(tiny).trials(), list[str]()

    def slots(there: int, asked: int | None = None, most: int = 64) -> int:
        backend = Backend([Slot("core", "cpu")] * there, lambda work, stop: None)  # type: ignore[arg-type, return-value]
        memory.fit_to_memory(backend, trials, most, asked, said.append)
        return len(backend.slots)

    monkeypatch.setattr(memory, "memory_limit", lambda: 2 << 30)
    assert (slots(2, 2), slots(64, most=2)) == (2, 64)
    told = r"64 trials at the same time need about 3\d\.\d GB of memory, 0\.5 GB each .*; this machine has 2\.1 GB; "
    with pytest.raises(RunError, match=told + "use `slots` 4"):
        slots(64, 64)
    assert not said and slots(64) == 4 and re.fullmatch(told + "so 4 run at the same time", said[0])
    monkeypatch.setattr(memory, "memory_limit", lambda: 1 << 28)
    with pytest.raises(RunError, match=r"a smaller recipe\.batch_size needs less"):
        slots(1)


def test_what_a_probe_measured_is_what_a_training_is_packed_by(tmp_path: Path) -> None:
    """On a GPU of the backend if there is such a probe, else on another; without a probe it is estimated."""
    trials = [a_trial("digits"), a_trial("digits", batch_size=4), a_trial("digits", batch_size=2)]
    ms = Milliseconds(1.0, 1.0)

    def probe(trial: Trial, device: str, peak: int | None, date: str) -> None:
        times = (1, 2, "torch", 1, ms, 1, ms, 1.0, 1.0)
        kind = "cpu" if peak is None else "cuda"
        write_probe(tmp_path, Probe("net", workload_of(trial), device, kind, *times, peak, 1, date))  # type: ignore[arg-type]

    probe(trials[0], "GPU A", 100, "2026-01-01")
    probe(trials[0], "GPU B", 200, "2026-01-02")
    probe(trials[1], "GPU B", 300, "2026-01-01")
    probe(trials[2], "CPU", None, "2026-01-03")
    backend = Backend([Slot("gpu 0", "cuda", model="GPU A")], lambda work, stop: None)  # type: ignore[arg-type, return-value]
    found = memory.probed_memory(trials, tmp_path, backend)
    assert found == {trials[0].id: 100, trials[1].id: 300}
    place = Location(tmp_path, tmp_path)
    task = make_task(trials[0], "", tmp_path, place, "cuda", RunOptions(), (), memory=found[trials[0].id])
    assert task.payload.memory == 100
