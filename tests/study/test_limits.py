"""Limits on measured costs: `where`, budgets, and that costs of two devices never stand beside each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import recorded

from ablate.api import load_study
from ablate.clean import plan_clean
from ablate.errors import BudgetError, RunError, StudyError
from ablate.estimate.probing import make_probe
from ablate.network_experiment import Experiment
from ablate.records.timings import read_probes, write_probe
from ablate.report.study_report import StudyReport
from ablate.train.estimates import measured_costs

STUDY = recorded.DIGITS + "seeds: 2\nvariants:\n  - net: [WRN-10-0.25, WRN-10-0.5, WRN-10-0.75]\n"


def timed(experiment: Experiment, milliseconds: dict[int, float], device: str = "a GPU", at_once: int = 1) -> None:
    """Probes of the variants at these places in the study."""
    for place, value in milliseconds.items():
        event: dict[str, Any] = {
            "train_ms": [10 * value], "test_ms": [1.0], "test_batch": 512, "startup_seconds": 0.0, "steps": 3, "threads": 1,
            "inference_ms": {"1": [value, value, 50.0], "128": []}, "energy_joules": 2.5, "peak_memory_bytes": 3 * 2**20,
            "device": device, "torch": "2.15",
        }  # fmt: skip
        probe = make_probe(experiment.variants[place], [event] * at_once, "cuda", at_once)
        write_probe(experiment.runs, replace(probe, date=f"2026-01-01T00:00:{place + 10 * at_once}"))


def nets(experiment: Experiment) -> list[str]:
    return [variant.net for variant in experiment.variants]


@pytest.mark.parametrize(
    ("limit", "left"),
    [
        ("where: inference_time < 2.5 and k > 0.3", ["WRN-10-0.5"]),
        ("where: step_time * 2 >= 40", ["WRN-10-0.5", "WRN-10-0.75"]),
        ("budget: {inference_time: {max: 2}, on_miss: drop}", ["WRN-10-0.25", "WRN-10-0.5"]),
        ("budget: {inference_time: 2, tolerance: 10%, on_miss: drop}", ["WRN-10-0.5"]),
        ("budget: {peak_memory: {max: 4MB}, on_miss: drop}", ["WRN-10-0.25", "WRN-10-0.5", "WRN-10-0.75"]),
    ],
)
def test_variants_are_limited_by_what_was_measured(tmp_path: Path, limit: str, left: list[str]) -> None:
    timed(recorded.written(tmp_path, STUDY), {0: 1.0, 1: 2.0, 2: 3.0})
    found = recorded.written(tmp_path, f"{STUDY}{limit}\n")
    assert nets(found) == left and not found.enumeration.unmeasured
    assert any(line.endswith("on a GPU, torch 2.15, 1 at once, 1 thread each") for line in found.remarks())
    assert {trial.id for trial in found.trials()} <= {trial.id for trial in recorded.written(tmp_path, STUDY).trials()}


def test_what_a_limit_leaves_out_is_no_orphan_and_can_be_cleaned_by_name(tmp_path: Path) -> None:
    whole = recorded.recorded(tmp_path, STUDY, {0: [5.0, 6.0], 1: [7.0, 8.0]})
    timed(whole, {0: 1.0, 1: 3.0, 2: 2.0})
    limited = recorded.written(tmp_path, STUDY + "where: inference_time < 2.5\n")
    assert nets(limited) == ["WRN-10-0.25", "WRN-10-0.75"]
    assert not plan_clean([limited], ["orphans"]).items
    found = plan_clean([limited], ["variant"], ["WRN-10-0.5"]).items
    assert [one.directory.name for one in found] == [trial.id for trial in whole.trials()[2:4]]


def test_what_is_not_measured_is_kept_and_not_run(tmp_path: Path) -> None:
    timed(recorded.written(tmp_path, STUDY), {0: 1.0, 2: 3.0})
    found = recorded.written(tmp_path, STUDY + "where: inference_time < 2.5\n")
    assert nets(found) == ["WRN-10-0.25", "WRN-10-0.5"]
    said = "inference_time is not known for 1 of 2 variants, the first is WRN-10-0.5; `ablate plan STUDY --probe`"
    assert any(said in line for line in found.remarks())
    with pytest.raises(RunError, match="is not known for 1 of 2 variants"):
        found.run()


def test_costs_of_two_devices_or_loads_never_meet(tmp_path: Path) -> None:
    experiment = recorded.written(tmp_path, STUDY)
    timed(experiment, {0: 1.0, 1: 2.0}, device="another")
    timed(experiment, {0: 7.0, 2: 9.0}, at_once=2)
    found = measured_costs(experiment.variants, read_probes(experiment.runs))
    assert [one.get("inference_time") for one in found.costs] == [7.0, None, 9.0]
    assert found.conditions == "on a GPU, torch 2.15, 2 at once, 1 thread each"
    assert found.costs[0] == {"step_time": 70.0, "inference_time": 7.0, "peak_memory": 3 * 2**20, "energy": 2.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("budget: {inference_time: {max: 2}, solve: depth}", "'budget.solve' is not valid with inference_time, which is"),
        ("budget: {inference_time: -1}", "budget.inference_time: found -1; allowed: a number of ms above 0"),
        ("budget: {step_time: {}}", "'budget.step_time' needs min, max or both"),
        ("budget: {step_time: 1, parameters: 1M}", "'budget' needs exactly one of parameters, multiply_adds"),
    ],
)
def test_a_wrong_limit_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StudyError, match=message.replace("(", r"\(")):
        recorded.written(tmp_path, f"{STUDY}{text}\n")


def test_a_variant_that_misses_and_a_search_that_limits(tmp_path: Path) -> None:
    timed(recorded.written(tmp_path, STUDY), {0: 1.0, 1: 2.0, 2: 3.0})
    with pytest.raises(BudgetError, match=r"WRN-10-0\.75 needs 3 milliseconds to predict one image; allowed: at most 2"):
        recorded.written(tmp_path, STUDY + "budget: {inference_time: {max: 2}}\n")
    path = tmp_path / "search.yaml"
    head = (
        recorded.DIGITS
        + "base: WRN-10-0.25\nsearch: {trials: 2, validation: {holdout: 20}, space: {recipe.lr: [0.1, 0.2]}}\n"
    )
    path.write_text(head + "where: inference_time < 2\n")
    with pytest.raises(StudyError, match="where: inference_time is measured, and limits a study alone; in a search use"):
        load_study(path)


def test_costs_are_columns_of_the_table(tmp_path: Path) -> None:
    text = STUDY + "table: {columns: [name, result, inference_time, peak_memory, energy]}\n"
    experiment = recorded.recorded(tmp_path, text, {i: [20.0, 30.0] for i in range(3)})
    assert "Costs are not measured yet" in experiment.report().document.tables[0].caption
    timed(experiment, {0: 1.0, 2: 123.0})
    report = experiment.report()
    table = report.document.tables[0]
    assert table.titles[2:] == ["Inference, ms", "Peak memory, MiB", "Energy of a step, J"]
    cells = {row[0].text: [cell.text for cell in row[2:]] for row in table.rows}
    assert cells == {"WRN-10-0.25": ["1", "3", "2.5"], "WRN-10-0.5": ["–"] * 3, "WRN-10-0.75": ["123", "3", "2.5"]}
    assert table.caption.endswith("Costs: float32, on a GPU, torch 2.15, 1 at once, 1 thread each; a step has 32 images.")
    rows = report.frames()["table"].set_index("net")
    assert rows.loc["WRN-10-0.25", "step_time"] == 10.0 and rows["step_time"].isna().sum() == 1


def test_the_records_beside_a_report_have_the_probes_that_limit_its_variants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StudyReport, "draw_figures", lambda report: {})
    timed(recorded.written(tmp_path, STUDY), {0: 1.0, 1: 2.0, 2: 3.0})
    made = recorded.recorded(tmp_path, STUDY + "where: inference_time < 2.5\n", {0: [5.0, 6.0], 1: [7.0, 8.0]})
    made.report().write(tmp_path / "reports")
    kept = tmp_path / "reports" / "invented" / "records"
    again = load_study(tmp_path / "invented.yaml", runs=kept)
    assert isinstance(again, Experiment) and nets(again) == ["WRN-10-0.25", "WRN-10-0.5"]
    assert read_probes(kept) == read_probes(made.runs)
    other = recorded.written(tmp_path, STUDY.replace("batch_size: 32", "batch_size: 64"))
    timed(other, {0: 1.0})
    made.report().write(tmp_path / "reports")
    assert len(read_probes(made.runs)) == 4 and len(read_probes(kept)) == 3  # not those of other work
