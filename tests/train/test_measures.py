"""Measures of a study: those of the table against other computations, and the user's own on all logits of a pass."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
import recorded
import torch
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

from ablate.clean import plan_clean
from ablate.data.location import Location
from ablate.errors import AblateError, StudyError
from ablate.kinds.measures import MEASURES, calibration_error, find_measure
from ablate.network_experiment import Experiment
from ablate.records.former import without_measures
from ablate.records.logits import read_logits
from ablate.records.records import Record, read_record
from ablate.records.result import FINAL
from ablate.report.measured import measured
from ablate.report.variants_frame import variant_rows
from ablate.study.study import Trial
from ablate.train.job import Job
from ablate.train.trial import train_trial
from ablate.verify import compare

OWN = """\
def share(logits, labels, label=0):
    return (logits.argmax(1) == label).float().mean()


def everything(logits, labels):
    assert logits.shape == (len(labels), 10) and not labels.dtype.is_floating_point
    return 100 * (logits.argmax(1) != labels).double().mean()


def words(logits, labels):
    return "many"


def wrong(logits, labels):
    return logits.no_such_method()


def writes(logits, labels):
    logits.zero_()
    labels.zero_()
    return 0.0


def needs(logits, labels, other):
    return 0.0


def huge(logits, labels):
    return 10**400


def large(logits, labels):
    return -1e308
"""
STUDY = """\
name: invented
data: {name: digits, train_size: 200, test_size: 100}
recipe: {base: wrn_cifar, epochs: 2, batch_size: 32}
seeds: 1
validation: {holdout: 60}
measures: [accuracy, balanced_error, {python: own_measures:everything}]
variants: [{net: WRN-10-0.25}]
"""


@pytest.fixture(autouse=True)
def own_module(tmp_path: Path) -> None:
    (tmp_path / "own_measures.py").write_text(OWN)


def study(folder: Path, measures: str, more: str = "") -> Experiment:
    old = "[accuracy, balanced_error, {python: own_measures:everything}]"
    return recorded.written(folder, STUDY.replace(old, measures) + more)


def job_of(experiment: Experiment, trial: Trial, folder: Path) -> Job:
    torch.set_num_threads(1)
    location = Location(folder / "images", folder / "cache")
    return Job(trial, experiment.runs, location, folders=(experiment.study.folder.resolve(),))


def finish(job: Job) -> Record:
    assert train_trial(job, lambda: False, lambda row: None) == "completed"
    record = read_record(job.runs, job.trial.id)
    assert record is not None
    return record


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_measures_of_the_table_equal_those_of_scikit_learn() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(200, 4), torch.randint(0, 3, (200,))
    labels[:150] = 0  # unbalanced, and one class without images
    predicted, shares = logits.argmax(1), logits.double().softmax(1)
    balanced = MEASURES["balanced_error"].of_all
    assert balanced and balanced(logits, labels) == pytest.approx(
        100 * (1 - balanced_accuracy_score(labels.numpy(), predicted.numpy()))
    )
    nll = MEASURES["nll"]
    assert nll.total and nll.value
    expected = log_loss(labels.numpy(), shares.numpy(), labels=[0, 1, 2, 3])
    assert nll.value(float(nll.total(logits, labels)), 200) == pytest.approx(expected, rel=1e-5)


def test_calibration_error_is_the_gap_of_each_bin() -> None:
    # Two bins: 3 images of confidence 0.9, two of them right; 1 image of confidence 0.6, which is right.
    shares = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    labels = torch.tensor([0, 0, 1, 1])
    logits = torch.from_numpy(np.log(shares)).float()
    assert calibration_error(logits, labels) == pytest.approx(100 * (3 * abs(2 / 3 - 0.9) + abs(1 - 0.6)) / 4, rel=1e-5)
    certain = torch.tensor([[100.0, 0.0], [0.0, 100.0]])
    assert calibration_error(certain, torch.tensor([0, 1])) == pytest.approx(0.0)


def test_the_one_that_decides_is_measured_after_each_epoch_the_others_on_the_last_logits(tmp_path: Path) -> None:
    experiment = recorded.written(tmp_path, STUDY + "decide_by: everything\n")
    (trial,) = experiment.trials()
    record = finish(job_of(experiment, trial, tmp_path))
    lines = [json.loads(line) for line in (record.directory / "epochs.jsonl").read_text().splitlines()]
    for line in lines:
        assert line["validation_everything"] == pytest.approx(line["validation_error"])
        assert "validation_accuracy" not in line
    assert record.result[f"{FINAL}everything"] == pytest.approx(record.result[f"{FINAL}error"])
    shown = measured(record, trial.data).result
    for prefix in ("test_", FINAL):
        assert shown[f"{prefix}accuracy"] == pytest.approx(100 - record.result[f"{prefix}error"])
    experiment = recorded.written(tmp_path, STUDY)
    titles = experiment.report().tables()[0].titles
    assert titles[-4:] == [
        "Validation accuracy, %",
        "Validation balanced error, %",
        "Validation everything",
        "Test error, once, %",
    ]


def test_a_resumed_one_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    experiment = study(tmp_path, "[ece, {python: own_measures:share, args: {label: 3}}]", "decide_by: share\n")
    whole = job_of(experiment, experiment.trials()[0], tmp_path)
    halting = replace(whole, runs=tmp_path / "halting")
    assert train_trial(halting, lambda: True, lambda row: None) == "interrupted"
    one, other = finish(whole), finish(halting)
    assert compare("one", one, other).equal
    assert [row["test_share"] for row in one.epochs()] == [row["test_share"] for row in other.epochs()]


def values(experiment: Experiment) -> dict[str, float]:
    """What the report shows of the only trial; "" is what decides."""
    (summary,) = experiment.report().analysis.summaries
    found = {one.name: summary.median_of(one.name) for one in summary.more_measures} | {"": summary.median}
    return {name: value for name, value in found.items() if value is not None}


def recorded_of(experiment: Experiment) -> Record:
    record = read_record(experiment.runs, experiment.trials()[0].id)
    assert record is not None
    return record


def test_measures_are_added_and_changed_without_training(tmp_path: Path) -> None:
    plain = study(tmp_path, "[error]")
    (trial,) = plain.trials()
    finish(job_of(plain, trial, tmp_path))
    more = study(tmp_path, "[error, macro_f1, class_error, nll, {python: own_measures:share}]", "decide_by: nll\n")
    assert more.trials()[0].id == trial.id
    first = values(more)
    logits = read_logits(recorded_of(more))
    assert logits
    predicted = logits.values.argmax(1)
    assert first["share"] == pytest.approx((predicted == 0).mean())
    assert first["macro_f1"] == pytest.approx(100 * f1_score(logits.labels, predicted, average="macro", zero_division=0))
    worst = max((predicted != logits.labels)[logits.labels == label].mean() for label in range(10))
    assert first["class_error"] == pytest.approx(100 * worst)
    assert first[""] == pytest.approx(log_loss(logits.labels, softmax(logits.values.astype(float), 1)), rel=1e-5)
    (tmp_path / "own_measures.py").write_text(OWN.replace("== label", "!= label + 0"))
    assert values(study(tmp_path, "[{python: own_measures:share}]"))["share"] == pytest.approx(1 - first["share"])


def test_a_measure_of_each_epoch_whose_code_has_changed_is_taken_anew(tmp_path: Path) -> None:
    text = "[{python: own_measures:share}]"
    experiment = study(tmp_path, text, "decide_by: share\n")
    finish(job_of(experiment, experiment.trials()[0], tmp_path))
    before = values(experiment)[""]
    (tmp_path / "own_measures.py").write_text(OWN.replace("== label", "!= label + 0"))
    assert values(study(tmp_path, text, "decide_by: share\n"))[""] == pytest.approx(1 - before)


@pytest.mark.parametrize("measures", ["[ece]", "[nll, ece]", "[error]"])
def test_records_under_ids_that_contain_measures_are_found(tmp_path: Path, measures: str) -> None:
    """As earlier versions wrote them: the data of a trial had `measures`."""
    experiment = study(tmp_path, measures)
    (trial,) = experiment.trials()
    fields = json.loads(trial.definition)
    fields["data"]["measures"] = ["ece"]
    seed = fields.pop("seed")
    old = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2).removesuffix(b"\n}")
    old += b',\n  "seed": %d\n}\n' % seed
    assert without_measures(old) == trial.definition and without_measures(trial.definition) is None
    former = replace(trial)
    former.__dict__["definition"] = old
    recorded.record(experiment.runs, former, 5.0, test_ece=1.5, **{f"{FINAL}error": 6.0, f"{FINAL}ece": 2.0})
    assert recorded_of(experiment).id == former.id != trial.id
    (summary,) = experiment.report().analysis.summaries
    assert (summary.median, summary.n, summary.median_of("ece")) == (5.0, 1, 1.5)
    assert not plan_clean([experiment], ["orphans"]).items
    assert [one.directory.name for one in plan_clean([experiment], ["variant"], ["WRN-10-0.25"]).items] == [former.id]


def test_variants_are_compared_by_the_measure_that_decides(tmp_path: Path) -> None:
    measures = "[{python: own_measures:share, goal: maximize, unit: '%', words: share of zeros}]"
    experiment = study(tmp_path, measures, "decide_by: share\n")
    decision = experiment.study.decision
    assert (decision.name, decision.maximized, decision.axis) == (
        "validation_share", True, "validation share of zeros, %",
    )  # fmt: skip
    (trial,) = experiment.trials()
    recorded.record(experiment.runs, trial, 5.0, test_share=70.0, **{f"{FINAL}share": 60.0, f"{FINAL}error": 6.0})
    report = experiment.report()
    (table, _) = report.tables()
    shown = dict(zip(table.titles, (cell.text for cell in table.rows[0])))
    assert shown["Median validation share of zeros, %"] == "70.00" and shown["Test share of zeros, once, %"] == "60.00"
    assert shown["Validation error, %"] == "5.00"
    assert "Share of zeros is own_measures:share." in table.caption
    (row,) = experiment.results().to_dict("records")
    assert (row["validation_share"], row["test_share"], row["test_error"]) == (70.0, 60.0, 6.0)


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        ("[top3]", "measures: found 'top3'; allowed: "),
        ("[ece, ece]", "measures: 'ece' is listed twice; give each a name of its own"),
        ("[{name: ece, goal: maximize}]", "measures.goal is only valid with python: module:callable"),
        ("[{python: own_measures:missing}]", "measures: own_measures:missing: "),
        ("[{python: own_measures}]", "measures.python: found 'own_measures'; allowed: package.module:callable"),
        ("[{python: own_measures:needs}]", "measures: own_measures:needs needs a value for its parameter 'other'"),
        ("[{python: own_measures:share, args: {labell: 1}}]", "measures: own_measures:share has no parameter 'labell'"),
        ("[{python: own_measures:share, name: loss}]", "measures: 'loss' is the name of another field; add a name"),
        ("[ece]\ndecide_by: nll", "decide_by: found 'nll'; "),
        ("[ece]\nepoch_rule: best", "epoch_rule: found best; with 'validation' use last"),
    ],
)
def test_what_cannot_be_is_said_at_its_place(tmp_path: Path, measures: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        study(tmp_path, measures)
    place, _, said = str(caught.value).partition(": ")
    assert place.rpartition("invented.yaml:")[2].startswith(("6:", "7:")) and said.startswith(message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("words", "own_measures:words returned str; allowed: a number"),
        ("huge", "own_measures:huge returned inf; allowed: a finite number"),
        ("large", r"own_measures:large returned -1e\+308; allowed: a finite number up to 1.7e\+38"),
        ("wrong", r"own_measures:wrong: .*own_measures.py:15: AttributeError: "),
    ],
)
def test_an_error_names_the_users_file_and_line(tmp_path: Path, name: str, message: str) -> None:
    experiment = study(tmp_path, f"[{{python: own_measures:{name}}}]")
    (own,) = experiment.trials()[0].data.own_measures
    measure = find_measure(own)
    assert measure.of_all
    with pytest.raises(AblateError, match=message):
        measure.of_all(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64))


def test_a_measure_that_writes_to_what_it_gets_changes_no_other(tmp_path: Path) -> None:
    experiment = study(tmp_path, "[{python: own_measures:writes}]")
    (own,) = experiment.trials()[0].data.own_measures
    measure = find_measure(own)
    logits, labels = torch.eye(3), torch.arange(3)
    assert measure.of_all and measure.of_all(logits, labels) == 0
    assert torch.equal(logits, torch.eye(3)) and torch.equal(labels, torch.arange(3))


PUBLISHED = """\
measures: [nll]
decide_by: nll
published:
  - {source: "X, Table 1", rows: [{net: WRN-10-0.25, label: "", values: {mnist: {error: 4.5, nll: 0.25}}}]}
"""


def published(folder: Path, text: str = PUBLISHED) -> Experiment:
    kept = [line for line in STUDY.splitlines() if not line.startswith(("validation", "measures", "data"))]
    data = "data: {name: mnist, train_size: 200, test_size: 100}"
    return recorded.written(folder, "\n".join((*kept, data, text)))


def test_a_published_value_of_the_measure_that_decides_stands_beside_ours(tmp_path: Path) -> None:
    experiment = published(tmp_path)
    (trial,) = experiment.trials()
    recorded.record(experiment.runs, trial, 5.0, test_nll=0.31)
    analysis = experiment.report().analysis
    (summary,) = analysis.summaries
    match = analysis.match(summary)
    assert match and (match.value, match.measure) == (0.25, "nll")
    assert analysis.published_difference(summary) == pytest.approx(0.06)
    (row,) = variant_rows(analysis)
    assert (row["published"], row["published_difference"]) == (0.25, pytest.approx(0.06))
    table = experiment.report().tables()[0]
    shown = dict(zip(table.titles, (cell.text for cell in table.rows[0])))
    assert (shown["Published"], shown["Ours − published"]) == ("0.25", "+0.06")
    by_error = published(tmp_path, PUBLISHED.replace("decide_by: nll\n", ""))
    analysis = by_error.report().analysis
    match = analysis.match(analysis.summaries[0])
    assert match and (match.value, match.measure) == (4.5, "error")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("mnist: {", "mnits: {"), "published.rows.values: unknown data set 'mnits'"),
        (("nll: 0.25", "ece: 2.5"), "published.rows.values: 'ece' is no measure of the study; add it to measures"),
        (('label: ""', "mnist: 4.5"), "published.rows.values.mnist: the error is written twice"),
        (("nll: 0.25", "nll: low"), "published.rows.values.mnist.nll: found 'low'"),
    ],
)
def test_published_values_are_checked(tmp_path: Path, changes: tuple[str, str], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        published(tmp_path, PUBLISHED.replace(*changes))
