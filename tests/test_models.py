"""What a trial has trained comes back: its network, its images, what the network says of each."""

from __future__ import annotations

import dataclasses
import importlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from ablate.api import load_study
from ablate.errors import AblateError, DataError, RecordError, RunError
from ablate.launch.options import RunOptions
from ablate.network_experiment import Experiment
from ablate.records.attempts import write_result
from ablate.records.records import read_record, trial_directory
from ablate.train.network_files import FORMATS
from ablate.train.restored import TestData

STUDY: dict[str, Any] = {
    "name": "models",
    "data": {"name": "digits", "train_size": 128, "test_size": 60},
    "recipe": {"base": "wrn_cifar", "epochs": 2, "batch_size": 32, "ema": {"decay": 0.8}},
    "seeds": 1,
    "validation": {"holdout": 40},
    "variants": [{"net": ["WRN-10-0.25"]}],
}


def changed(**keys: Any) -> dict[str, Any]:
    """The study with other keys; without those that are None."""
    return {key: value for key, value in {**STUDY, **keys}.items() if value is not None}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A trained trial that holds images out, has a moving average, and is tested once at its end."""
    found = load_study(STUDY, runs=tmp_path_factory.mktemp("models") / "runs")
    assert isinstance(found, Experiment) and found.run(RunOptions(inline=True, quiet=True)).exit_code == 0
    return found


def error(network: torch.nn.Module, data: TestData) -> float:
    """In percent, of the batches in a loop as a reader writes it."""
    with torch.no_grad():
        wrong = sum(int((network(images).argmax(1) != labels).sum()) for images, labels in data)
    return 100 * wrong / len(data)


def test_predictions_without_kept_logits_are_passed_once(trained: Experiment, tmp_path: Path) -> None:
    shutil.copytree(trained.runs, tmp_path / "runs")
    for path in (tmp_path / "runs").rglob("logits-*"):
        path.unlink()
    (trial,), (without,) = trained.trials(), load_study(STUDY, runs=tmp_path / "runs").trials()
    for split in ("test", "validation"):
        kept, passed = trial.predictions(split), without.predictions(split)
        assert kept.columns.tolist() == passed.columns.tolist()
        assert kept.to_numpy() == pytest.approx(passed.to_numpy(), abs=2e-3)  # logits are kept as float16
        assert not kept.equals(passed)  # or it is not the kept ones that are read


@pytest.mark.parametrize(("split", "column"), [("validation", "test_error"), ("test", "final_test_error")])
def test_network_and_predictions_have_the_recorded_error(trained: Experiment, split: Any, column: str) -> None:
    (trial,) = trained.trials()
    recorded = trial.record().result[column]
    data, frame = trial.test_data(split), trial.predictions(split)
    assert error(trial.model(), data) == pytest.approx(recorded)
    assert 100 * (frame["label"] != frame["predicted"]).mean() == pytest.approx(recorded)
    assert len(data) == len(frame) == (60 if split == "test" else 40)
    assert frame.filter(like="probability_").sum(axis=1).to_numpy() == pytest.approx(1)
    assert list(frame.columns[3:]) == [f"probability_{name}" for name in range(10)]
    assert list(frame["label"]) == data.labels.tolist()


def test_the_model_is_the_average_in_evaluation_mode(trained: Experiment) -> None:
    (trial,) = trained.trials()
    network = trial.model()
    assert not network.training
    state = torch.load(next(trial.record().directory.glob("checkpoint-*.pt")), weights_only=True)
    name = next(name for name in state["average"] if name.endswith("weight"))
    assert torch.equal(network.state_dict()[name], state["average"][name])
    assert not torch.equal(state["average"][name], state["network"][name])


def test_asking_for_a_model_changes_neither_draws_nor_settings_nor_files(trained: Experiment) -> None:
    (trial,) = trained.trials()
    files = {path: path.read_bytes() for path in trained.runs.rglob("*") if path.is_file()}
    before = torch.get_rng_state(), torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        trial.predictions()
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(before[1])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert {path: path.read_bytes() for path in trained.runs.rglob("*") if path.is_file()} == files


def test_epochs_are_a_tidy_frame(trained: Experiment) -> None:
    frame = trained.epochs()
    (trial,) = trained.trials()
    assert list(frame["epoch"]) == [1, 2] and set(frame["id"]) == {trial.id} and set(frame["state"]) == {"recorded"}
    assert frame["validation_error"].iloc[-1] == trial.record().result["test_error"]


def _remove_checkpoint(directory: Path) -> None:
    next(directory.glob("checkpoint-*.pt")).unlink()


def _damage_checkpoint(directory: Path) -> None:
    path = next(directory.glob("checkpoint-*.pt"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def _other_images(directory: Path) -> None:
    record = read_record(directory.parent, directory.name)
    assert record is not None
    write_result(directory, {**record.result, "data_digest": "00"})


@pytest.mark.parametrize(
    ("change", "message", "kind"),
    [
        (_remove_checkpoint, "there is no such checkpoint; without it the trial has no network", DataError),
        (_damage_checkpoint, "damaged, of another trial or of another version", DataError),
        (_other_images, "recorded on images of digest 00, those in place now have", RecordError),
        (lambda directory: (directory / "result.json").unlink(), "has no record in .*; run the study first", RunError),
    ],
)
def test_what_has_no_model_is_said_in_a_line(
    trained: Experiment, tmp_path: Path, change: Callable[[Path], object], message: str, kind: type[AblateError]
) -> None:
    (trial,) = trained.trials()
    copied = trial_directory(tmp_path, trial.id)
    shutil.copytree(trial.record().directory, copied)
    for path in copied.glob("logits-*"):
        path.unlink()
    change(copied)
    (there,) = load_study(STUDY, runs=tmp_path).trials()
    with pytest.raises(kind, match=message):
        there.predictions()


def test_a_split_that_a_trial_lacks_is_refused(trained: Experiment, tmp_path: Path) -> None:
    (trial,) = trained.trials()
    with pytest.raises(DataError, match="split: found 'train'; allowed: test, validation"):
        trial.test_data("train")  # type: ignore[arg-type]
    (plain,) = load_study(changed(validation=None), runs=tmp_path).trials()
    with pytest.raises(DataError, match="the trial holds no images out; allowed: test"):
        plain.test_data("validation")
    assert len(plain.test_data()) == 60  # images need no record


def test_the_classes_of_folders_have_names(tmp_path: Path) -> None:
    from PIL import Image

    for part in ("train", "test"):
        for shade, name in enumerate(("dark", "light")):
            (tmp_path / "photos" / part / name).mkdir(parents=True)
            Image.new("L", (8, 8), 200 * shade).save(tmp_path / "photos" / part / name / "0.png")
    data = {"name": "image_folder", "root": str(tmp_path / "photos")}
    (trial,) = load_study(changed(data=data, validation=None), runs=tmp_path / "runs").trials()
    found = trial.test_data()
    assert found.classes == ("dark", "light") and found.labels.tolist() == [0, 1]
    assert found.images is not None and found.images[1].unique().tolist() == [200]


@pytest.mark.parametrize("to", ["state_dict", "torch_export", "onnx"])
def test_a_network_file_computes_what_the_network_does(trained: Experiment, tmp_path: Path, to: Any) -> None:
    if to == "onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package)
    said: list[str] = []
    (path,) = trained.export(to, tmp_path, said.append)
    (trial,) = trained.trials()
    once = trial.record().result["final_test_error"]
    assert said[0].startswith(f"{trial.label}: {once:.2f}% error of 60 images, {once:.2f}% recorded; logits differ by")
    content = path.read_bytes()
    assert trial.id.encode() in content if to != "torch_export" else trial.id in path.name
    run = FORMATS[to].read(content, load_study(STUDY, runs=trained.runs).trials()[0].model())
    images, _ = next(iter(trial.test_data()))
    with torch.no_grad():
        for some in (images[:1], images[:7]):  # any number of images
            assert torch.allclose(run(some.contiguous()), trial.model()(some), atol=1e-4)
    (row,) = pd.read_csv(path.parent / "checks.csv").to_dict("records")
    assert row["largest_difference"] <= row["tolerance"] * max(1, row["largest_logit"]) and row["file"] == path.name


def test_a_file_that_computes_something_else_is_not_written(
    trained: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = FORMATS["state_dict"]
    wrong = dataclasses.replace(form, read=lambda data, again: lambda images: form.read(data, again)(images) + 1)
    monkeypatch.setitem(FORMATS, "state_dict", wrong)
    with pytest.raises(RunError, match=r"1 of 1 network not written, the first: .*: the file's logits differ by 1"):
        trained.export("state_dict", tmp_path)
    assert not list(tmp_path.rglob("*"))


def test_a_network_of_ones_own_keeps_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import load_file

    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_net.py").write_text(
        "from torch import nn\ndef build(classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, classes))\n"
    )
    study = changed(variants=[{"net": {"python": "my_net:build"}}], validation=None)
    found = load_study(study)
    assert found.run(RunOptions(inline=True, quiet=True)).exit_code == 0
    (path,) = found.export("state_dict")
    own = importlib.import_module("my_net").build(10)
    own.load_state_dict(load_file(path))
    images, _ = next(iter(found.trials()[0].test_data()))
    assert torch.equal(own.eval()(images), found.trials()[0].model()(images))


def test_what_cannot_be_exported_is_said(trained: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = dataclasses.replace(FORMATS["onnx"], packages=("onnx_that_is_not_there",))
    with monkeypatch.context() as patched, pytest.raises(RunError, match="the format onnx needs the package onnx_that"):
        patched.setitem(FORMATS, "onnx", lacking)
        trained.export("onnx", tmp_path)
    with pytest.raises(RunError, match="no trial of models has a network; run the study first"):
        load_study(STUDY, runs=tmp_path).export("onnx")
    program = {"name": "p", "program": {"command": "python x.py {lr} {seed}"}, "measures": ["loss"], "decide_by": "loss"}
    found = load_study({**program, "seeds": 1, "variants": [{"grid": {"lr": [1]}}]}, runs=tmp_path)
    with pytest.raises(RunError, match="`to`: onnx: the networks of a program are its own; allowed: tensorboard, csv"):
        found.export("onnx")
