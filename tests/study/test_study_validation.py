"""The key `validation` of a study: what it accepts, the trials that it gives, and what a report says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import recorded
from planned import plan_text

from ablate.api import load_search
from ablate.errors import StudyError
from ablate.network_experiment import Experiment
from ablate.records.result import FINAL
from ablate.study.data import HeldOut

STUDY = """\
name: invented
data: {name: digits, train_size: 128}
recipe: {base: wrn_cifar, epochs: 2, batch_size: 32}
seeds: 2
validation: {holdout: 40}
variants:
  - grid: {block: [B(3,3), B(3,1)], k: 1, depth: 10}
baseline: WRN-10-1
"""
FOLDS = STUDY.replace("{holdout: 40}", "{folds: 3, seed: 5}")
FOLDER = "{name: image_folder, title: some, classes: 2, image_size: 8}"


def test_one_part_is_held_out_of_every_trial(tmp_path: Path) -> None:
    trials = recorded.written(tmp_path, STUDY).trials()
    assert len(trials) == 4 and {trial.data.held_out for trial in trials} == {HeldOut(images=40, test=True)}
    changed = STUDY.replace("k: 1,", "k: 1, data.train_size: [100, 120],").replace("baseline: WRN-10-1\n", "")
    assert all(trial.data.held_out for trial in recorded.written(tmp_path, changed).trials())


def test_each_fold_is_a_trial_of_every_seed(tmp_path: Path) -> None:
    experiment = recorded.written(tmp_path, FOLDS)
    trials = experiment.variants[0].trials(experiment.study.seeds)
    assert [(trial.data.held_out.fold, trial.seed) for trial in trials if trial.data.held_out] == [
        (0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1),
    ]  # fmt: skip
    assert len({trial.id for trial in experiment.trials()}) == 12
    assert experiment.labels()[trials[2].id] == "WRN-10-1-B(3,3) fold 2 seed 0"
    assert [one["fold"] for one in experiment.status()["trials"][:3]] == [1, 1, 2]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{holdout: 40}", "{}", "5:1: 'validation' needs exactly one of folds, such as 5; holdout, in images; and folder"),
        ("{holdout: 40}", "{holdout: 40, folds: 2}", "5:1: 'validation' needs exactly one of folds"),
        ("{holdout: 40}", "{holdout: 128}", "5:14: validation.holdout: found 128; allowed: fewer than the 128 training"),
        (
            "{holdout: 40}",
            "{folder: val}",
            "5:14: validation.folder: found 'val'; digits has no validation images",
        ),
        ("{holdout: 40}", "{folder: ../x}", "5:14: validation.folder: found '../x'; allowed: a folder beside"),
        ("{holdout: 40}", "{fold: 2}", "5:14: unknown key 'fold'; did you mean 'folds'?"),
        ("{holdout: 40}", "5", "5:1: validation: found 5; allowed: a mapping"),
        ("seeds: 2", "epoch_rule: best\nseeds: 2", "4:1: epoch_rule: found best; with 'validation' use last: the test"),
        ("{holdout: 40}", "{holdout: 100}", "7:5: recipe.batch_size: 32 of 28 training images leaves no batch"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        recorded.written(tmp_path, STUDY.replace(old, new, 1))
    assert str(caught.value).partition("invented.yaml:")[2].startswith(message)


def test_a_folder_of_another_data_set_is_named(tmp_path: Path) -> None:
    text = STUDY.replace("{name: digits, train_size: 128}", FOLDER).replace("{holdout: 40}", "{folder: val}")
    (trial, *_) = recorded.written(tmp_path, text).trials()
    assert trial.data.held_out == HeldOut(folder="val", test=True)
    with pytest.raises(StudyError, match=r"validation\.folder: found 'test'; it has the training or the test"):
        recorded.written(tmp_path, text.replace("folder: val", "folder: test"))


def test_a_search_has_a_validation_of_its_own(tmp_path: Path) -> None:
    text = STUDY.replace("baseline: WRN-10-1\n", "").partition("variants:")[0]
    text += "base: WRN-10-1\nsearch: {space: {k: [1, 2]}, validation: {folds: 2}, sampler: grid}\n"
    with pytest.raises(StudyError, match="'validation' is not valid in a study that has 'search'"):
        recorded.written(tmp_path, text)


def fill(experiment: Experiment, errors: list[list[float | None]], once: float = 1.5) -> Experiment:
    for variant, of_variant in zip(experiment.variants, errors):
        for trial, error in zip(variant.trials(experiment.study.seeds), of_variant):
            tested = None if error is None else error + once
            recorded.record(experiment.runs, trial, error, **{f"{FINAL}error": tested, f"{FINAL}images": 500})
    return experiment


def test_a_report_compares_validation_errors_and_shows_the_test_error_last(tmp_path: Path) -> None:
    experiment = fill(recorded.written(tmp_path, STUDY), [[7.0, 9.0], [6.0, 4.0]])
    report = experiment.report()
    table = report.tables()[0]
    assert table.titles[-1] == "Test error, once, %" and "Median validation error, %" in table.titles
    assert [row[-1].text for row in table.rows] == ["6.50", "9.50"]
    assert "Validation images: 40 held-out training images; the test images were evaluated once" in table.caption
    first = report.as_json()["summaries"][0]
    assert (first["median_validation_error"], first["median_test_error"]) == (8.0, 9.5)
    row = experiment.results().to_dict("records")[0]
    assert (row["validation_error"], row["test_error"], row["validation_images"], row["test_images"]) == (
        7.0,
        8.5,
        500,
        500,
    )
    (axis,) = report.figures["errors"].figure.axes
    assert axis.get_xlabel().startswith("validation error, %")


def test_medians_are_over_folds_and_seeds(tmp_path: Path) -> None:
    errors: list[list[float | None]] = [[7.0, 9.0, 8.0, 8.0, 6.0, 10.0], [4.0, 5.0, 4.5, None, 3.0, 3.5]]
    report = fill(recorded.written(tmp_path, FOLDS), errors).report()
    analysis = report.analysis
    assert "median over 6 trainings (3 folds, 2 seeds)" in analysis.measured()
    summary = analysis.summaries[1]
    assert summary.n == 6 and summary.median == 4.25 and summary.error_by_seed[(1, 1)] == 5.0
    verdict = analysis.verdict(summary)
    assert verdict and verdict.comparison.pairs == 6 and verdict.comparison.common == 6
    assert any("6 trainings" in sentence for sentence in analysis.sentences)
    assert any("Any two folds share most of the images" in sentence for sentence in analysis.sentences)
    assert report.as_json()["summaries"][1]["folds"] == [1, 1, 2, 2, 3, 3]


def test_a_study_that_decides_on_the_test_images_says_so(tmp_path: Path) -> None:
    experiment = recorded.recorded(tmp_path, STUDY.replace("validation: {holdout: 40}\n", ""), {0: [7.0, 9.0]})
    for table in experiment.report().tables():
        assert "The variants are compared on the test images." in table.caption


def test_a_search_may_hold_out_a_folder_too(tmp_path: Path) -> None:
    (tmp_path / "search.yaml").write_text(
        f"name: found\ndata: {FOLDER}\nrecipe: {{base: wrn_cifar, epochs: 1, batch_size: 8}}\nbase: WRN-10-1\n"
        "search: {space: {k: [1, 2]}, validation: {folder: val}, sampler: grid}\n"
    )
    experiment = load_search(tmp_path / "search.yaml", runs=tmp_path / "runs")
    assert experiment.search.held_out == (HeldOut(folder="val"),)
    assert "minimized: mean validation error on the folder val;" in plan_text(experiment.plan())
