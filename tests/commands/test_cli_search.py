"""`ablate search`, and run, report, plan, status beside it, through the entry point, as a user runs them."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from console import Command, heavy_imports, start_forked
from optuna.trial import TrialState, create_trial
from rich.console import Console
from waiting import wait_for

from ablate.api import load_search
from ablate.commands.outcome_text import search_text
from ablate.launch.options import RunOptions
from ablate.schedule.tasks import Stop
from ablate.search import storage
from ablate.search.drivers import WORKER, heartbeat, register_driver

pytestmark = pytest.mark.usefixtures("unrendered")

TINY_SEARCH = """\
name: tiny_search
title: A tiny search
data: {name: digits, train_size: 128, augment: none}
recipe: {base: wrn_cifar, epochs: 1, batch_size: 32}
base: WRN-10-0.25
search:
  space: {dropout: {low: 0.0, high: 0.6, step: 0.05}}
  validation: {folds: 2}
  trials: 3
  enqueue: [{dropout: 0.3}]
scales:
  two: {search: {trials: 2}}
"""
ERROR = "mean_validation_error"
# A password must never be seen, wherever in a URL it stands and whatever is wrong with the URL.
SECRET = "geheim"
URLS = (
    f"postgresql://user:{SECRET}@nowhere.invalid:1/db",
    f"postgresql://nowhere.invalid:1/db?user=me&password={SECRET}",
    f"nosuch://user:{SECRET}@nowhere.invalid/db",
    f"postgresql://user:{SECRET}@nowhere.invalid:port/db",
    f"postgresql://user:ge heim{SECRET}@nowhere.invalid/db",
    f"postgresql://user:un@quoted{SECRET}@nowhere.invalid/db",
    "sqlite:////nowhere/search.db",
    "sqlite://",
    "://",
    ".",
)


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that has come to its end, and what it said."""
    folder, console = tmp_path_factory.mktemp("tried"), Console(file=io.StringIO(), width=200)
    (folder / "search.yaml").write_text(TINY_SEARCH)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABLATE_CACHE", str(folder / "cache"))
        patch.delenv("ABLATE_STORAGE", raising=False)
        summary = load_search(folder / "search.yaml", runs=folder / "runs").run(RunOptions(inline=True), console)
    assert summary.exit_code == 0
    (folder / "said").write_text(console.file.getvalue() + search_text(summary))  # type: ignore[attr-defined]
    return folder


@pytest.fixture(autouse=True)
def copied(tried: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search and its records in the test's folder."""
    monkeypatch.setattr(storage, "ATTEMPTS", 1)  # at a database that does not answer
    shutil.copytree(tried / "runs", tmp_path / "runs")
    shutil.copy(tried / "search.yaml", tmp_path)


def status(ablate: Command, *words: object) -> dict[str, Any]:
    done = ablate("status", "search.yaml", *words, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def trainings(runs: Path) -> dict[Path, int]:
    """Every file of every trial, and when it was written."""
    return {path: path.stat().st_mtime_ns for path in runs.glob("????????????????/*") if path.name != "lock"}


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that could not do what it was asked."""
    assert done.returncode == 2 and done.stdout == "", done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    return done.stderr


def test_a_search_says_what_it_tries_and_what_was_lowest(tried: Path) -> None:
    said = (tried / "said").read_text()
    assert "[1/3] " in said and "WRN-10-0.25-dropout0.3: " in said and "[3/3] " in said
    assert "3 candidates: 3 evaluated, 0 pruned, 0 before; 6 trainings, " in said
    assert "lowest: WRN-10-0.25" in said and "% validation error" in said
    assert len(list((tried / "runs").glob("????????????????/result.json"))) == 6


def test_when_all_is_done_nothing_is_trained(ablate: Command, tmp_path: Path) -> None:
    before = trainings(tmp_path / "runs")
    again = ablate("search", "search.yaml")
    assert again.returncode == 0 and "3 candidates: 0 evaluated, 0 pruned, 3 before; 0 trainings" in again.stderr
    assert trainings(tmp_path / "runs") == before and len(before) > 6
    assert ablate("search", "search.yaml", "--quiet").stderr == ""


def test_a_search_with_more_candidates_goes_on(ablate: Command, tmp_path: Path) -> None:
    before, recorded = status(ablate)["candidates"], trainings(tmp_path / "runs")
    more = ablate("search", "search.yaml", "-s", "search.trials=4")
    assert more.returncode == 0 and "4 candidates: 1 evaluated, 0 pruned, 3 before" in more.stderr
    after = status(ablate, "-s", "search.trials=4")
    assert after["candidates"][:3] == before and after["states"] == {"complete": 4}
    assert recorded.items() <= trainings(tmp_path / "runs").items()
    fewer = status(ablate)  # asked with three again: none of them goes
    assert fewer["states"] == {"complete": 4}


def test_another_space_is_another_search_over_the_same_trials(ablate: Command) -> None:
    """The candidate that both have is trained once."""
    words = ("-s", "search.space.dropout.high=0.3", "-s", "search.trials=1")
    assert status(ablate, *words)["states"] == {"missing": 1}
    other = ablate("search", "search.yaml", *words)
    assert other.returncode == 0 and "1 candidate: 1 evaluated, 0 pruned, 0 before; 0 trainings" in other.stderr
    assert status(ablate)["states"] == {"complete": 3}


def test_status(ablate: Command, tmp_path: Path) -> None:
    found = status(ablate)
    assert (found["study"], found["states"]) == ("tiny_search", {"complete": 3})
    assert [one["number"] for one in found["candidates"]] == [0, 1, 2]
    assert found["candidates"][0]["net"] == "WRN-10-0.25-dropout0.3"
    for one in found["candidates"]:
        assert (one["state"], one["trainings"], one["of"]) == ("complete", 2, 2)
        assert 0 <= one["validation_error"] <= 100
    text = ablate("status", "search.yaml")
    assert text.returncode == 0 and "| WRN-10-0.25-dropout0.3 " in text.stdout and "3 candidates: 3 complete" in text.stdout
    assert "3 candidates: 3 missing" in ablate("status", "search.yaml", "--runs", "none").stdout
    assert not (tmp_path / "none").exists()


def test_plan(ablate: Command, tmp_path: Path) -> None:
    planned = json.loads(ablate("plan", "search.yaml", "--json").stdout)
    search = planned["search"]
    assert search["space"] == [{"axis": "dropout", "kind": "float", "low": 0.0, "high": 0.6, "step": 0.05}]
    assert (search["candidates"], search["folds"], search["seeds"], search["held_out"]) == (3, 2, [0], None)
    assert (search["sampler"], search["pruner"], search["objective"]) == ("tpe", "none", ERROR)
    assert search["states"] == {"complete": 3} and planned["cost"]["open_trials"] == 0
    text = ablate("plan", "search.yaml", "--runs", "none")
    assert text.returncode == 0 and "| dropout | 0 to 0.6 in steps of 0.05 |" in text.stdout
    assert "3 candidates of 2 folds, 1 seed, 6 trainings: 3 missing" in text.stdout
    scaled = ablate("plan", "search.yaml", "--runs", "none", "--scale", "two").stdout
    assert "2 candidates of 2 folds, 1 seed, 4 trainings: 2 missing" in scaled
    assert not (tmp_path / "none").exists()


def test_plan_and_status_do_without_torch(ablate: Command, tmp_path: Path) -> None:
    assert ablate("status", "search.yaml").returncode == 0
    commands = [f"{command} search.yaml" for command in ("plan", "status")]
    assert heavy_imports(*commands, cwd=tmp_path) == [f"after: {command} 0 []" for command in commands]


def test_report(ablate: Command, tmp_path: Path) -> None:
    report = ablate("report", "search.yaml")
    assert report.returncode == 0, report.stderr
    assert "| Candidate " in report.stdout and "incomplete" not in report.stderr
    folder = tmp_path / "reports" / "tiny_search"
    assert {"table.md", "table.csv", "trials.csv", "best.yaml", "index.html", "history.png"} <= set(os.listdir(folder))
    best = (folder / "best.yaml").read_text()
    assert "search: tiny_search" in best and "finished: true" in best and "best: {dropout: " in best
    made = json.loads(ablate("report", "search.yaml", "--json").stdout)
    assert (made["study"], made["finished"], made["planned"], made["best"]) == ("tiny_search", True, 3, made["best"])
    known = status(ablate)["candidates"]
    by_number = {one["number"]: one for one in made["candidates"]}
    assert by_number[made["best"]][ERROR] == min(one[ERROR] for one in by_number.values())
    assert [by_number[one["number"]][ERROR] for one in known] == [one["validation_error"] for one in known]


def test_report_of_what_has_not_begun(ablate: Command, tmp_path: Path) -> None:
    report = ablate("report", "search.yaml", "--runs", "none")
    told = "incomplete: tiny_search: 0 of 3 candidates have ended; to go on: ablate search search.yaml --runs none"
    assert report.returncode == 0 and told in report.stderr
    best = (tmp_path / "reports" / "tiny_search" / "best.yaml").read_text()
    assert "finished: false" in best and "best:" not in best
    made = json.loads(ablate("report", "search.yaml", "--runs", "none", "--json").stdout)
    assert (made["finished"], made["best"], made["candidates"]) == (False, None, [])
    assert not (tmp_path / "none").exists()


def test_a_study_takes_what_a_search_chose(ablate: Command, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "name: study\ndata: digits\nrecipe: wrn_cifar\nseeds: 1\n"
        "variants: [{grid: {net: WRN-10-0.25, dropout: {from: tiny_search}}}]\n"
    )
    early = refused(ablate("plan", "study.yaml"))
    assert "study.yaml:5:" in early and "ablate search search.yaml && ablate report search.yaml" in early
    assert ablate("report", "search.yaml").returncode == 0
    planned = ablate("plan", "study.yaml")
    assert planned.returncode == 0 and "the best of 3 candidates of tiny_search" in planned.stdout
    (tmp_path / "search.yaml").write_text(TINY_SEARCH.replace("folds: 2", "folds: 3"))
    assert "tiny_search has changed since" in refused(ablate("plan", "study.yaml"))


@pytest.mark.parametrize("words", [("run",), ("verify",), ("export", "--to", "csv")])
def test_what_needs_a_study_says_that_it_is_a_search(ablate: Command, words: tuple[str, ...]) -> None:
    said = refused(ablate(*words, "search.yaml"))
    assert said == "error: search.yaml defines a search; use `ablate search search.yaml`\n"


def test_search_says_that_a_study_is_none(ablate: Command, tmp_path: Path) -> None:
    text = TINY_SEARCH[: TINY_SEARCH.index("base: WRN")]
    (tmp_path / "study.yaml").write_text(f"{text}seeds: 1\nvariants: [{{net: WRN-10-0.25}}]\n")
    said = refused(ablate("search", "study.yaml"))
    assert said == "error: study.yaml defines no search; use `ablate run study.yaml`\n"
    for words in (("plan", "study.yaml"), ("status", "study.yaml")):  # they take both
        assert ablate(*words).returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("search", "nowhere.yaml"), "nowhere.yaml: No such file"),
        (("search", "search.yaml", "-s", "search.trials=0"), "override: search.trials: found 0; allowed: "),
        (("search", "search.yaml", "-s", "search.space.k=[1, 1]"), "override: search.space.k: a choice is listed twice"),
        (("search", "search.yaml", "--device", "tpu"), "--device: found 'tpu'; allowed: auto, cpu, cuda"),
        (("search", "search.yaml", "--checkpoint-every", "5m"), "--checkpoint-every: found '5m'"),
        (("search", "search.yaml", "--runs", "search.yaml"), "--runs: search.yaml is not a directory"),
        (("search", "search.yaml", "--scale", "tow"), "unknown scale 'tow'; did you mean 'two'? allowed: two"),
        (("search", "search.yaml", "-s", "search.validation.folds=13"), "validation: found 13 folds; class"),
        (
            ("search", "search.yaml", "-s", "search.validation={holdout: 97}"),
            "recipe.batch_size: 32 of 31 training images leaves no batch",
        ),
        (
            ("search", "search.yaml", "-s", "data=cifar10", "--data-root", "nowhere"),
            "cifar10: cifar-10-batches-py not found in",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_2(ablate: Command, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    before = trainings(tmp_path / "runs")
    assert said in refused(ablate(*words))
    assert trainings(tmp_path / "runs") == before


def test_a_search_whose_name_is_taken_by_a_file(ablate: Command, tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "tiny_search").touch()
    assert "--out: reports/tiny_search cannot be a directory" in ablate("report", "search.yaml").stderr


# Where Optuna keeps a search


@pytest.mark.parametrize("url", URLS)
def test_a_storage_that_cannot_be_had_is_one_line_without_its_password(ablate: Command, tmp_path: Path, url: str) -> None:
    before = trainings(tmp_path / "runs")
    said = refused(ablate("search", "search.yaml", "--storage", url, "--device", "cpu"))
    assert said.startswith("error: storage ") and SECRET not in said
    assert trainings(tmp_path / "runs") == before
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_an_error_of_a_search_is_not_announced_as_an_interruption(ablate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_slowly(self: Stop, level: int, exit_code: int) -> None:
        raise_to(self, level, exit_code)
        time.sleep(2)  # as on a busy machine, so that the announcing thread sees it

    raise_to = Stop.raise_to
    monkeypatch.setattr(Stop, "raise_to", raise_slowly)
    assert refused(ablate("search", "search.yaml", "--storage", "sqlite://", "--device", "cpu"))


@pytest.mark.parametrize("command", ["status", "plan", "report"])
def test_who_only_reads_never_shows_a_password(ablate: Command, command: str) -> None:
    assert SECRET not in refused(ablate(command, "search.yaml", ABLATE_STORAGE=URLS[0]))
    usage = ablate(command, "--help", ABLATE_STORAGE=URLS[0])
    assert usage.returncode == 0 and "ABLATE_STORAGE" in usage.stdout and SECRET not in usage.stdout


@pytest.mark.parametrize("place", ["journal.log", "shared/journal.log", "sqlite:///other.db"])
def test_a_storage_of_ones_own(ablate: Command, tmp_path: Path, place: str) -> None:
    """The records are there already; only what Optuna knows is not."""
    words = ("--storage", place)
    assert status(ablate, *words)["states"] == {"missing": 3}
    assert not [*tmp_path.glob("*.log"), *tmp_path.glob("shared"), *tmp_path.glob("*.db")]  # who asks writes nothing
    done = ablate("search", "search.yaml", *words)
    assert done.returncode == 0 and "3 candidates: 3 evaluated" in done.stderr and "0 trainings" in done.stderr
    assert (tmp_path / place.removeprefix("sqlite:///")).is_file()
    assert status(ablate, *words) == status(ablate)


def test_a_storage_may_stand_in_the_environment(ablate: Command, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "runs")
    done = ablate("search", "search.yaml", "--slots", 1, "-s", "search.trials=1", ABLATE_STORAGE="journal.log")
    assert done.returncode == 0 and (tmp_path / "journal.log").is_file() and not (tmp_path / "runs" / "search.db").exists()
    read = ablate("status", "search.yaml", "--json", ABLATE_STORAGE="journal.log")
    assert json.loads(read.stdout)["states"] == {"complete": 1, "missing": 2}
    other = ablate("status", "search.yaml", "--json", "--storage", "other.log", ABLATE_STORAGE="journal.log")
    assert json.loads(other.stdout)["states"] == {"missing": 3}  # what the command line says goes before


@pytest.mark.parametrize("damage", [b"", b"not a database", b"SQLite format 3\x00 and no more"])
def test_a_damaged_storage_is_one_line(ablate: Command, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "runs" / "search.db").write_bytes(damage)
    for command in ("status", "search"):
        done = ablate(command, "search.yaml")
        if damage:
            assert "search.db" in refused(done)
        else:
            assert done.returncode == 0 and "Traceback" not in done.stderr  # an empty file is an empty database


# How a search ends


def test_a_failed_training_is_exit_3_and_is_tried_again(ablate: Command, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    first = [trial.id for trial in load_search("search.yaml").candidates()[0].trials]
    (runs / "search.db").unlink()
    for trial in first:
        shutil.rmtree(runs / trial)
        (runs / trial / "epochs.jsonl").mkdir(parents=True)  # nothing can be appended to a directory
    failed = ablate("search", "search.yaml", "--slots", 1)
    assert failed.returncode == 3 and "2 evaluated" in failed.stderr and "1 failed" in failed.stderr
    assert "failed: WRN-10-0.25-dropout0.3: " in failed.stderr and "log.txt" in failed.stderr
    assert "Traceback" not in failed.stderr
    found = status(ablate)
    assert found["states"] == {"failed": 1, "complete": 2} and found["candidates"][0]["validation_error"] is None
    for trial in first:
        (runs / trial / "epochs.jsonl").rmdir()
    report = ablate("report", "search.yaml")
    assert report.returncode == 0 and "2 of 3 candidates have ended" in report.stderr
    again = ablate("search", "search.yaml", "--slots", 1)
    assert again.returncode == 0 and "1 evaluated, 0 pruned, 2 before" in again.stderr, again.stderr
    found = status(ablate)
    assert found["states"] == {"complete": 3}
    assert sorted(one["net"] for one in found["candidates"])[-1] == "WRN-10-0.25-dropout0.3"


@pytest.mark.usefixtures("forked")
def test_a_signal_keeps_the_epochs_and_the_candidate(ablate: Command, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "runs")
    words = ("search", "search.yaml", "-s", "recipe.epochs=4000", "--slots", 1)
    running = start_forked(*words, cwd=tmp_path)
    wait_for(lambda: any(path.stat().st_size for path in (tmp_path / "runs").glob("*/epochs.jsonl")))
    assert status(ablate, "-s", "recipe.epochs=4000")["states"] == {"running": 1, "missing": 2}
    running.send_signal(signal.SIGTERM)
    said = running.communicate(timeout=30)[0]
    assert running.returncode == 75 and "3 open" in said and "Traceback" not in said
    found = status(ablate, "-s", "recipe.epochs=4000")
    assert found["states"] == {"interrupted": 1, "missing": 2}
    assert found["candidates"][0]["net"] == "WRN-10-0.25-dropout0.3"


def test_who_only_reads_needs_no_right_to_write(ablate: Command, tmp_path: Path) -> None:
    """Of a driver that was killed its lock stays; here nobody can open that."""
    runs, words = tmp_path / "runs", ("-s", "search.trials=4")
    study = storage.open_search(
        load_search("search.yaml", words[1:]).study, storage.default_storage(runs), runs, lambda values: True
    )
    with register_driver(study, runs) as name:
        study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={WORKER: heartbeat(name)}))
    (lock,) = runs.glob("*search*/*/*.lock")
    lock.unlink()
    lock.mkdir()
    for command in ("status", "plan", "report"):
        done = ablate(command, "search.yaml", *words)
        assert done.returncode == 0, done.stderr


def test_a_grid_ends_where_no_other_candidate_can_be(ablate: Command) -> None:
    words = ("-s", "search.sampler=grid", "-s", "search.trials=null", "-s", "search.enqueue=null")
    words += ("-s", "search.space.dropout.high=0.3", "-s", "search.space.dropout.step=0.1", "-s", "where=dropout < 0.15")
    done = ablate("search", "search.yaml", *words)
    assert done.returncode == 0 and "2 candidates: 2 evaluated, 0 pruned, 0 before" in done.stderr, done.stderr
    found = status(ablate, *words)
    assert found["states"] == {"complete": 2}
    assert [one["net"] for one in found["candidates"]] == ["WRN-10-0.25", "WRN-10-0.25-dropout0.1"]
    again = ablate("search", "search.yaml", *words)
    assert again.returncode == 0 and "0 evaluated, 0 pruned, 2 before; 0 trainings" in again.stderr
    made = json.loads(ablate("report", "search.yaml", *words, "--json").stdout)
    assert made["finished"] and made["planned"] == 2
