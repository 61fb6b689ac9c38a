"""A detector as a study trains it: record, resuming, first weights, streamed images, report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from planned import plan_trials
from scenes import SMALL, write_scenes, write_study
from train.test_trial import assert_same, never, outcome, stop_after

from ablate.api import load_search, load_study
from ablate.data.location import Location
from ablate.errors import DataError, StudyError
from ablate.launch.options import RunOptions
from ablate.nets.build import build
from ablate.nets.families import blueprint
from ablate.records.merge import look
from ablate.records.records import read_record
from ablate.study.spec import load_study as load_checked
from ablate.train.images import ImageLoader
from ablate.train.job import Job, ProbeJob
from ablate.train.probe import probe
from ablate.train.setup import network_of
from ablate.train.trial import train_trial
from ablate.verify import compare

MEASURES = ("AP", "AP50", "AP75")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    torch.set_num_threads(1)
    return write_scenes(tmp_path)


def job(root: Path, **more: str) -> Job:
    (trial,) = plan_trials(load_checked(write_study(root, **more)))
    return Job(trial, root / "runs", Location(root, root / "cache"))


def test_a_killed_and_continued_detector_equals_an_uninterrupted_one_bit_for_bit(root: Path) -> None:
    whole = job(root)
    assert train_trial(whole, never, lambda row: None) == "completed"
    halting = replace(whole, runs=root / "halting")
    for epoch in (1, 2):
        assert train_trial(halting, *stop_after(epoch)) == "interrupted"
    assert train_trial(halting, never, lambda row: None) == "completed"
    assert_same(whole, halting)
    record = read_record(whole.runs, whole.trial.id)
    assert record is not None and record.result["task"] == "detection"
    assert all(0 <= record.result[f"test_{name}"] <= 100 for name in MEASURES)
    assert record.result["annotations"]["train"]["boxes"] == 6
    assert "test_error" not in record.result and "test_AP_large" not in record.result  # there is no large object
    record.check()
    other = read_record(halting.runs, whole.trial.id)
    assert other is not None
    compared = compare("a detector", record, other)
    assert compared.equal and compared.by.name == "test_AP" and compared.error[0] == record.result["test_AP"]
    found = [look(one.directory) for one in (record, other)]
    assert found[0].errors[0] and not found[0].differs_from(found[1])


def test_with_bfloat16_corners_keep_their_digits(root: Path) -> None:
    one = job(root, recipe="{base: detection_1x, epochs: 1, batch_size: 2, precision: bfloat16}")
    assert train_trial(one, never, lambda row: None) == "completed"
    network = network_of(one.trial, torch.device("cpu"), root).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = network(torch.randn(1, 3, 64, 64))
    assert found.dtype == torch.float32 and not torch.equal(found, found.bfloat16().float())


def test_a_detector_that_diverges_says_so(root: Path) -> None:
    diverging = job(root, recipe="{base: detection_1x, epochs: 3, batch_size: 2, lr: 100, warmup: 0}")
    assert train_trial(diverging, never, lambda row: None) == "diverged"


def test_streamed_images_give_the_boxes_of_resident_ones(root: Path) -> None:
    found = []
    for stream in ("false", "true"):
        one = job(root, data=f"{{name: coco_folder, root: ., title: Scenes, augment: none, stream: {stream}}}")
        recipe = one.trial.recipe.model_copy(update={"epochs": 1})
        one = replace(one, trial=replace(one.trial, recipe=recipe))
        assert train_trial(one, never, lambda row: None) == "completed"
        ((row,), _) = outcome(one)
        found.append(row)
    assert found[1]["train_loss"] == pytest.approx(found[0]["train_loss"], rel=0.2)  # normalized by ImageNet's mean


def test_weights_of_a_classifier_are_the_first_ones(root: Path) -> None:
    task = SMALL.replace("{", "{weights: 'w/{net}.pt', frozen: 1, batch_norm: frozen, ", 1)
    one = job(root, task=task)
    with pytest.raises(DataError, match=r"w/ResNet-18-w0.125.pt: no such file"):
        network_of(one.trial, torch.device("cpu"), root)
    classifier = build(blueprint(one.trial.architecture, 17, (3, 32, 32)), torch.Generator().manual_seed(9))
    (root / "w").mkdir()
    torch.save(classifier.state_dict(), root / "w" / "ResNet-18-w0.125.pt")
    network = network_of(one.trial, torch.device("cpu"), root)
    theirs, ours = classifier.state_dict(), network.state_dict()
    shared = [name for name in theirs if not name.startswith("head.")]
    assert len(shared) > 50 and all(torch.equal(theirs[name], ours[name]) for name in shared)
    assert not network.get_submodule("conv1.0").weight.requires_grad
    assert train_trial(one, never, lambda row: None) == "completed"
    record = read_record(one.runs, one.trial.id)
    assert record is not None and len(record.result["weights_digest"]) == 16
    assert json.loads(one.trial.definition)["data"]["task"]["weights"] == "{net}.pt"


def test_held_out_scenes_decide_and_the_test_ones_are_evaluated_once(root: Path) -> None:
    one = job(root, validation="{holdout: 2}", recipe="{base: detection_1x, epochs: 1, batch_size: 2}")
    assert train_trial(one, never, lambda row: None) == "completed"
    record = read_record(one.runs, one.trial.id)
    assert record is not None and {"test_AP", "final_test_AP"} <= record.result.keys()


def test_a_step_a_test_and_a_prediction_are_timed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablate.train.probe.SECONDS", 0.01)
    monkeypatch.setattr("ablate.train.probe.PREDICTION_SECONDS", 0.01)
    told: list[dict[str, Any]] = []
    assert probe(ProbeJob(job(root).trial, "cpu", 1), never, told.append) == "probed"
    assert min(told[-1]["train_ms"]) > 0 and min(told[-1]["test_ms"]) > 0 and min(told[-1]["inference_ms"]["1"]) > 0


@pytest.mark.usefixtures("unrendered")
def test_a_report_compares_the_average_precision(root: Path) -> None:
    nets = "[{net: [ResNet-18-w0.125, ResNet-18-w0.25]}]"
    experiment = load_study(write_study(root, variants=nets, recipe="{base: detection_1x, epochs: 1, batch_size: 2}"))
    assert experiment.run(RunOptions(inline=True, quiet=True)).exit_code == 0
    (page,) = [path for path in experiment.report().write(root / "reports") if path.name == "table.md"]
    text = page.read_text()
    assert "Median test AP, %" in text and "AP at IoU 0.5, %" in text
    assert "detection (Faster R-CNN with a feature pyramid), anchor scale 4, box features 16" in text
    assert "test error" not in text and "Error" not in text


@pytest.mark.usefixtures("unrendered")
def test_candidates_of_a_search_are_compared_by_average_precision(root: Path) -> None:
    space = "{space: {recipe.lr: [0.01, 0.02]}, validation: {holdout: 1}, sampler: grid}"
    recipe = "{base: detection_1x, epochs: 1, batch_size: 2}"
    path = write_study(root, seeds="", variants="", base="ResNet-18-w0.125", search=space, recipe=recipe)
    search = load_search(path)
    assert search.run(RunOptions(inline=True, quiet=True)).exit_code == 0
    written = search.report().write(root / "reports")
    assert "validation AP" in "".join(each.read_text() for each in written if each.suffix == ".md")


WRONG: list[tuple[dict[str, str], str]] = [
    ({"task": ""}, "data: coco_folder is for detection, not for classification; add task: detection"),
    ({"data": "{name: digits}"}, "data: digits is for classification, not for detection; leave task out"),
    ({"task": "{name: detection, anchor_scale: 0}"}, "task.anchor_scale: found 0; allowed: greater than 0"),
    ({"task": "{name: classification, frozen: 1}"}, "task.frozen is not valid for classification; leave it out"),
    ({"task": "detecting"}, "task.name: found 'detecting'; "),
    ({"measures": "[nll]"}, "'measures' is not valid with task: detection; leave it out"),
    ({"decide_by": "error"}, "decide_by: found 'error'; allowed: AP, AP50"),
    ({"recipe": "{base: detection_1x, mixup: 0.2}"}, "recipe.mixup: found mixup, which task: detection does not use"),
    ({"recipe": "{base: detection_1x, label_smoothing: 0.1}"}, "recipe.label_smoothing: found 0.1, which task: detection"),
    ({"variants": "[{grid: {net: ResNet-18-w0.125, recipe.gpus: [2]}}]"}, "recipe.gpus: found 2, which task: detection"),
    ({"data": "{name: coco_folder, root: ., title: S, augment: flip_crop}"}, "found crop, which moves no boxes; allowed"),
    ({"variants": "[{net: VGG}]"}, "task: detection needs groups of residual blocks"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "message"), WRONG)
def test_what_does_not_fit_the_task_is_refused(root: Path, more: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message.replace("(", r"\(")) as caught:
        plan_trials(load_checked(write_study(root, **more)))
    assert str(caught.value).startswith(str(root / "scenes.yaml")) and "\n" not in str(caught.value)


def test_a_missing_package_is_named_before_anything_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pycocotools.cocoeval", None)
    with pytest.raises(Exception, match=r"needs pycocotools; install ablate-studies\[detection\]"):
        ImageLoader(lambda line: None).load(job(root).trial.data, Location(root, root / "cache"))
