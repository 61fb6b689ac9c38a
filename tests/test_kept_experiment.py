"""Who has the report and no runs: status, report and trace read the records beside the report."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import orjson
import pytest
from recorded import DIGITS, recorded
from search.landscape import invent, search

from ablate.api import load_search, load_study
from ablate.archive import archive_members
from ablate.commands.outcome_text import merge_text
from ablate.data.copies import Copy
from ablate.errors import RecordError, StudyError
from ablate.kept_experiment import with_kept_records
from ablate.network_experiment import Experiment
from ablate.records.merge import merge_runs
from ablate.records.remembered import remember_copies
from ablate.records.sealed import sealed_bytes
from ablate.records.searches import read_search, search_bytes, search_path, searches_of
from ablate.report.search_report import SearchReport
from ablate.report.study_report import StudyReport
from ablate.report.trace import trace_cell

GOOD_THEN_BAD = f"  enqueue: [{', '.join(f'{{dropout: {value}}}' for value in (0.3, 0.25, 0.35, 0.2, 0.4, 0.0))}]\n"
TWO = f"{DIGITS}seeds: 2\nvariants:\n  - net: [WRN-10-1, WRN-16-1]\n"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(StudyReport, "draw_figures", lambda report: {})
    found = recorded(tmp_path, TWO, {0: [5.0, 6.0], 1: [7.0, 8.0]})
    found.report().write(tmp_path / "reports")
    return found


def test_the_report_is_made_again_byte_for_byte_from_its_records(made: Experiment, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    before = {path: path.read_bytes() for path in reports.rglob("*") if path.is_file()}
    shutil.rmtree(made.runs)
    again, told = with_kept_records(partial(load_study, tmp_path / "invented.yaml"), made.runs, reports)
    assert told.startswith(f"{made.runs} has none of these trials; the records are read from {reports / 'invented'}")
    assert again.status()["states"] == {"recorded": 4}
    again.report().write(reports)
    assert {path: path.read_bytes() for path in reports.rglob("*") if path.is_file()} == before
    assert len(trace_cell(reports / "invented" / "table.csv", "1,median_test_error").trials) == 2
    assert not made.runs.exists()


def test_predictions_travel_when_asked(made: Experiment, tmp_path: Path) -> None:
    kept = tmp_path / "reports" / "invented" / "records" / made.trials()[0].id
    (made.runs / kept.name / "logits-test.safetensors").write_bytes(b"float")
    made.report().write(tmp_path / "reports")
    assert not list(kept.glob("logits-*"))
    for logits in (True, False):  # what travels once stays
        made.report().write(tmp_path / "reports", logits=logits)
        assert (kept / "logits-test.safetensors").read_bytes() == b"float"


def test_records_name_the_copy_that_a_study_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StudyReport, "draw_figures", lambda report: {})
    remember_copies(tmp_path / "runs", [Copy("cifar10", "JPEG copy", None)])
    text = TWO.replace("{name: digits,", "{name: cifar10, image_size: 16, test_size: 500,")
    recorded(tmp_path, text, {0: [5.0, 6.0], 1: [7.0, 8.0]}).report().write(tmp_path / "reports")
    shutil.rmtree(tmp_path / "runs")
    load = partial(load_study, tmp_path / "invented.yaml")
    found, told = with_kept_records(load, tmp_path / "runs", tmp_path / "reports")
    assert found.status()["states"] == {"recorded": 4} and told.startswith(f"{tmp_path / 'runs'} has none of these trials")
    with pytest.raises(StudyError, match="image_size: found 16; cifar10 has 32; leave it out, or run with a copy"):
        with_kept_records(load, tmp_path / "runs", tmp_path / "none")


def test_runs_that_have_begun_are_read_and_nothing_is_mixed(made: Experiment, tmp_path: Path) -> None:
    for trial in made.trials()[1:]:
        shutil.rmtree(made.runs / trial.id)
    load = partial(load_study, tmp_path / "invented.yaml")
    found, told = with_kept_records(load, made.runs, tmp_path / "reports")
    assert found.runs == made.runs and not told


def test_records_of_another_study_are_not_read(made: Experiment, tmp_path: Path) -> None:
    load = partial(load_study, tmp_path / "invented.yaml", ["recipe.epochs=7"])
    found, told = with_kept_records(load, tmp_path / "none", tmp_path / "reports")
    assert found.runs == tmp_path / "none" and not told


def test_merge_takes_the_records_over(made: Experiment, tmp_path: Path) -> None:
    plan = merge_runs([tmp_path / "reports" / "invented" / "records"], tmp_path / "into")
    assert plan.finished == 4 and not plan.passed_over


@pytest.fixture
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search of which some candidates are pruned, its report, and no runs directory any more; the study file."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(SearchReport, "draw_figures", lambda report: {})
    path = invent(tmp_path, 7, GOOD_THEN_BAD, pruner="median", epochs=3, folds=2)
    search(path, tmp_path / "first")
    load_search(path, runs=tmp_path / "first").report().write(tmp_path / "reports")
    return path


def test_a_report_of_a_search_is_made_again_without_its_storage(searched: Path, tmp_path: Path) -> None:
    reports, load = tmp_path / "reports", partial(load_search, searched)
    before = {path: path.read_bytes() for path in reports.rglob("*") if path.is_file()}
    first = load(runs=tmp_path / "first")
    assert {one.state for one in first.candidates()} == {"complete", "pruned"}
    again, told = with_kept_records(load, tmp_path / "runs", reports)
    assert told.startswith(f"{tmp_path / 'runs'} has none of these trials") and not list(reports.rglob("*.db"))
    assert again.candidates() == first.candidates() and again.status() == first.status()
    again.report().write(reports)
    assert {path: path.read_bytes() for path in reports.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "runs").exists()
    members = archive_members(first, searched)
    assert not [name for name in members if name.endswith(".db")]
    kept = {path.relative_to(again.runs).as_posix(): path.read_bytes() for path in again.runs.rglob("*") if path.is_file()}
    assert kept == {name.removeprefix("invented_search/runs/"): data for name, data in members.items() if "/runs/" in name}


def test_merge_takes_the_newest_candidates_of_a_search_over(searched: Path, tmp_path: Path) -> None:
    kept, into = tmp_path / "reports" / "invented_search" / "records", tmp_path / "into"
    (name,) = searches_of(kept)
    whole = read_search(kept, name)
    assert whole and whole.ended == 7
    older = replace(whole, candidates=whole.candidates[:3])
    search_path(into, name).parent.mkdir(parents=True)
    search_path(into, name).write_bytes(search_bytes(older))
    assert len(load_search(searched, runs=into).candidates()) == 3
    plan = merge_runs([kept], into)
    assert plan.searches == (whole,) and not plan.passed_over and "searches: 1 copied" in merge_text(plan)
    assert len(load_search(searched, runs=into).candidates()) == 7
    assert not merge_runs([kept], into).searches


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"dropout": 0.3', b'"dropout": 0.7', "candidate 0 had other trainings than the study asks for now; restore"),
        (b'"number": 1,', b'"number": "x",', "not as `ablate report` writes it; remove it"),
        (b"", b"", "damaged, its sha256 is not that of its content"),
    ],
)
def test_candidates_that_are_not_those_of_the_search_are_refused(
    searched: Path, tmp_path: Path, old: bytes, new: bytes, said: str
) -> None:
    kept = tmp_path / "reports" / "invented_search" / "records"
    (name,) = searches_of(kept)
    path = search_path(kept, name)
    head = path.read_bytes()[: path.read_bytes().rfind(b',\n  "sha256"')]
    path.write_bytes(sealed_bytes(orjson.loads(head.replace(old, new, 1) + b"}")) if old else head + b"}")
    with pytest.raises(RecordError, match=said):
        load_search(searched, runs=kept).candidates()
