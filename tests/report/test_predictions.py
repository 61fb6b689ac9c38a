"""What a report says of kept logits: invented ones, so that every number is known."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import recorded

from ablate.api import load_study
from ablate.errors import RecordError
from ablate.network_experiment import Experiment
from ablate.records.logits import Logits, write_evaluation
from ablate.records.records import trial_directory
from ablate.report.figure_values.predictions import (
    agreement_values,
    class_error_values,
    confusion_values,
    missed_values,
    most_agreed,
)
from ablate.report.figures.predictions import Matrices, Matrix, Picture, draw_contact_sheet, draw_matrices
from ablate.report.predictions_table import prediction_tables
from ablate.report.writers.plain import document_text

STUDY = (
    recorded.DIGITS
    + "seeds: 3\nbaseline: {k: 0.25}\nvariants:\n  - grid: {net: WRN-10-1, k: [0.25, 0.5, 0.75]}\n"
    + "figures: [errors, class_errors, confusion, agreement, missed]\n"
)
IMAGES, CLASSES = 500, 10
ERRORS = {0: [20.0, 20.0, 20.0], 1: [10.0, 10.0, 10.0], 2: [20.0, 20.0, None]}


def keep(experiment: Experiment, shares: tuple[float, ...] = (0.2, 0.1, 0.2)) -> None:
    """Logits of every recorded trial: a share of the images is wrong, the first five of all, always as the next class."""
    labels = np.arange(IMAGES) % CLASSES
    for variant, share in zip(experiment.variants, shares):
        for trial in variant.trials(experiment.study.seeds):
            directory = trial_directory(experiment.runs, trial.id)
            if json.loads((directory / "result.json").read_text())["status"] == "diverged":
                continue
            generator = np.random.default_rng([trial.seed, int(1000 * share)])
            wrong = np.concatenate([np.ones(5, bool), np.zeros(IMAGES - 5, bool)])
            wrong[5 + generator.choice(IMAGES - 5, round(share * IMAGES) - 5, replace=False)] = True
            values = np.zeros((IMAGES, CLASSES), np.float32)
            values[np.arange(IMAGES), (labels + wrong) % CLASSES] = 3.0
            write_evaluation(directory, Logits(values, labels, np.arange(IMAGES), "test"))


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    made = recorded.recorded(tmp_path, STUDY, ERRORS)
    keep(made)
    return made


def test_predictions_are_read_and_compared(experiment: Experiment) -> None:
    analysis = experiment.analysis()
    (found,) = analysis.predictions
    best, *others = found.variants
    assert best.summary.name == "WRN-10-0.5" and {len(one.predicted) for one in others} == {2, 3}
    assert best.error == pytest.approx(10.0) and found.left_out == 1 and found.split == "test"
    assert best.ensemble_error < 10.0 and best.ensemble_error >= 1.0  # five images are wrong for all
    assert found.missed(found.variants).tolist() == [0, 1, 2, 3, 4]
    half = analysis.over_images[id(best.summary)]
    assert half.difference == pytest.approx(-10.0) and half.networks.p_family < 0.001 and half.family == 2
    alike = next(analysis.over_images[id(one.summary)] for one in others if one.summary.name == "WRN-10-0.75")
    assert alike.networks.p_family > 0.05 and alike.trainings is None  # a seed of it diverged: two are left


@pytest.mark.usefixtures("unrendered")
def test_the_report_says_them_beside_the_verdict_of_the_seeds(experiment: Experiment, tmp_path: Path) -> None:
    report = experiment.report()
    sections = {one.heading: one for one in report.document.blocks}
    (first, second, last) = sections["What the images say"].content.texts  # type: ignore[union-attr]
    assert first.startswith("The trained networks of WRN-10-0.5 have an error 10.00 points lower than those of WRN-10-0.25")
    assert "(p = 0.0001, from 500 test images); so have new trainings" in first
    assert (
        second
        == "The trained networks of WRN-10-0.75 cannot be distinguished from those of WRN-10-0.25 by 500 test images."
    )
    assert "It does not change the verdict of the seeds above" in last
    assert not any("trained networks" in text for text in report.analysis.sentences)  # nor the verdict, nor the finding
    assert "trained networks" not in report.document.finding
    folded = [one.heading for one in report.document.blocks if one.folded]
    assert folded[:4] == ["Compared over the images", "Predictions", "Error by class", "Most frequent confusions"]
    assert folded[4:] == ["Predictions, drawn"]
    assert "Ensemble" not in document_text(report.document)  # a terminal has no fold
    out = {path.name for path in report.write(tmp_path / "out")}
    assert {"predictions.csv", "classes.csv", "confusion.csv", "class_errors.png", "confusion.svg", "agreement.pdf"} <= out
    assert "missed.png" not in out  # records of other images than those that are here
    with (tmp_path / "out" / "invented" / "predictions.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (
        float(row["mean_error"]) == 10 and float(row["networks_p_family"]) == 0.0001 and row["missed_by_all_seeds"] >= "5"
    )
    assert '<details class="block">' in (tmp_path / "out" / "invented" / "index.html").read_text()


def test_tables_of_classes_and_confusions(experiment: Experiment) -> None:
    over, predictions, classes, confusions = prediction_tables(experiment.analysis())
    assert [row[0].text for row in over.rows] == ["WRN-10-0.5", "WRN-10-0.75"]
    assert over.rows[1][-3].text == "–" and "stands as it is" in " ".join(over.details)
    assert "1 training without kept logits is left out" in " ".join(predictions.details)
    assert classes.rows[0][0].text == "WRN-10-0.5" and len(classes.columns) == 11
    assert np.mean([cell.value for cell in classes.rows[0][1:]]) == pytest.approx(10.0)
    assert all(int(row[1].text) == (int(row[0].text) + 1) % 10 for row in confusions.rows)
    assert all(table.folded for table in (over, predictions, classes, confusions))


def test_the_values_of_the_figures(experiment: Experiment) -> None:
    analysis = experiment.analysis()
    (of_classes,), (confused,), (alike,) = (
        [*values(analysis)] for values in (class_error_values, confusion_values, agreement_values)
    )
    assert list(of_classes.values.errors) == ["WRN-10-0.5", "WRN-10-0.25", "WRN-10-0.75"]
    means = np.mean([*of_classes.values.errors.values()], axis=0)
    assert (np.diff(means) <= 1e-9).all()  # the hardest first
    assert [panel.title for panel in confused.values.panels] == ["WRN-10-0.5, the best", "WRN-10-0.25, the baseline"]
    assert np.allclose(np.sum(confused.values.panels[0].values, axis=1), 100)
    matrix = np.array(alike.values.panels[0].values)
    assert np.allclose(matrix, matrix.T) and 100 > matrix[0, 0] > matrix[1, 1] > 50
    assert not [*missed_values(analysis)]
    sheet = draw_contact_sheet([Picture(np.zeros((4, 4, 1), np.uint8), "a", "b (2 of 3)")] * 9, "t", "c")
    assert len([axis for axis in sheet.axes if axis.images]) == 9


def test_classes_have_the_names_that_the_records_say(experiment: Experiment) -> None:
    analysis = experiment.analysis()
    for summary in analysis.summaries:
        for record in summary.records:
            record.result["image_files"] = {
                "train": {f"class {n}": {"read": 3} for n in range(CLASSES)} | {"": {"link": 1}}
            }
    _, _, classes, _ = prediction_tables(analysis)
    assert [column.title for column in classes.columns[1:]] == [f"class {n}" for n in range(CLASSES)]


@pytest.mark.parametrize(("classes", "name", "panels"), [(10, "automobile", 2), (10, "automobile", 1), (3, "x" * 20, 2)])
def test_nothing_of_a_confusion_matrix_is_cut_off(classes: int, name: str, panels: int) -> None:
    names = [f"{name} {n}" for n in range(classes)]
    matrix = Matrix("WRN-10-1, the best", names, np.full((classes, classes), 10.0).tolist(), 0.0, 50.0)
    figure = draw_matrices(Matrices([matrix] * panels, "true class", "predicted class", False), "A title", "word " * 30)
    figure.draw_without_rendering()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def test_many_classes_and_variants_are_chosen_from(tmp_path: Path) -> None:
    rows = ", ".join(f"{k / 100}" for k in range(25, 50))
    many = recorded.recorded(
        tmp_path, STUDY.replace("0.25, 0.5, 0.75", rows).replace("seeds: 3", "seeds: 1"), {i: [20.0 + i] for i in range(25)}
    )
    keep(many, tuple(0.2 for _ in range(25)))
    _, _, classes, _ = prediction_tables(many.analysis())
    assert len(classes.rows) == 12 and "12 of 25 variants: the best 8, the baseline, the last 3" in classes.caption
    (of_classes,) = class_error_values(many.analysis())
    assert len(of_classes.values.errors) == 6 and "6 of 25 variants" in of_classes.caption


def test_a_report_without_logits_is_as_before_and_damage_is_one_line(tmp_path: Path) -> None:
    made = recorded.recorded(tmp_path, STUDY, ERRORS)
    report = made.report()
    assert not [*prediction_tables(report.analysis)] and "What the images say" not in str(report.document.blocks)
    keep(made)
    first = made.variants[0].trials((0,))[0]
    (trial_directory(made.runs, first.id) / "logits-test.safetensors").write_bytes(b"junk")
    with pytest.raises(RecordError, match=r"logits-test\.safetensors: damaged"):
        made.report().document  # noqa: B018


def test_a_seed_that_lacks_a_fold_leaves_only_itself_out(tmp_path: Path) -> None:
    text = recorded.DIGITS + "seeds: 2\nvalidation: {folds: 2}\nvariants: [{net: WRN-10-1}]\n"
    (tmp_path / "folds.yaml").write_text(text)
    made = load_study(tmp_path / "folds.yaml", runs=tmp_path / "runs")
    assert isinstance(made, Experiment)
    for trial in made.trials():
        fold = trial.data.held_out.fold if trial.data.held_out else None
        if (trial.seed, fold) != (0, 1):  # the first seed is not complete
            recorded.record(made.runs, trial, 10.0)
            labels = np.arange(100) % CLASSES
            logits = Logits(np.eye(CLASSES, dtype=np.float32)[labels], labels, np.arange(100), "validation")
            write_evaluation(trial_directory(made.runs, trial.id), logits)
    (found,) = made.analysis().predictions
    assert [*found.variants[0].predicted] == [1] and found.left_out == 1 and len(found.labels) == 200


def test_images_that_all_miss_are_shown_evenly_where_there_are_too_many() -> None:
    assert most_agreed([3, 2, 3, 1], 3) == [0, 2, 1]
    assert most_agreed([3, 2, *[3] * 9], 5) == [0, 3, 5, 7, 9]
    assert most_agreed([], 5) == []
