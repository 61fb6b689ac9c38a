"""Where Optuna keeps a search: opened by many at once, damaged, looked at without a trace."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import optuna
import pytest
from search.landscape import Landscape, invent, optuna_trials, search, told

from ablate.api import load_search
from ablate.errors import RunError
from ablate.search import storage
from ablate.search.optuna_internals import enqueued_params
from ablate.search.storage import FILE, current_trials, default_storage, find_search, hide_password, open_search

PASSWORDS = [
    ("postgresql://me:secret@host:5432/db", "postgresql://me:***@host:5432/db"),
    ("postgresql+psycopg2://me:se/c:r@et@host/db", "postgresql+psycopg2://me:***@host/db"),
    ("postgresql://me:se cret@host/db", "postgresql://me:***@host/db"),
    ("mysql://me:p%40ss@host/db", "mysql://me:***@host/db"),
    ("redis://:secret@host", "redis://:***@host"),
    ("postgresql://me@host/db?password=secret&x=1", "postgresql://me@host/db?password=***&x=1"),
    ("cannot reach 'mysql://me:secret@host/db', not there", "cannot reach 'mysql://me:***@host/db', not there"),
    ("postgresql://host:5432/db", "postgresql://host:5432/db"),
    ("sqlite:///runs/search.db", "sqlite:///runs/search.db"),
    ("runs/journal.log", "runs/journal.log"),
]


@pytest.mark.parametrize(("text", "hidden"), PASSWORDS)
def test_no_password_is_shown(text: str, hidden: str) -> None:
    assert hide_password(text) == hidden


def open_one(path: Path, runs: Path, url: str, gate: str, answers: multiprocessing.Queue[str]) -> None:
    """In a process of its own: opens a search at the same moment as the others, and says what went wrong."""
    study = load_search(path).study
    barriers[gate].wait()
    try:
        open_search(study, url, runs, lambda values: True)
        answers.put("")
    except Exception as error:
        answers.put(f"{type(error).__name__}: {error}")


barriers: dict[str, multiprocessing.synchronize.Barrier] = {}


@pytest.mark.parametrize("machines", ["one", "four"])
@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_four_that_open_a_new_storage_at_once(tmp_path: Path, kind: str, machines: str) -> None:
    path = invent(tmp_path, 8, space="{dropout: [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]}", sampler="grid")
    fork = multiprocessing.get_context("fork")
    for attempt in range(2):
        shared = tmp_path / str(attempt)
        shared.mkdir()
        url = default_storage(shared) if kind == "sqlite" else str(shared / "journal.log")
        barriers["gate"], answers = fork.Barrier(4), fork.Queue()
        runs = [shared / f"runs {number if machines == 'four' else 0}" for number in range(4)]
        processes = [fork.Process(target=open_one, args=(path, folder, url, "gate", answers)) for folder in runs]
        for process in processes:
            process.start()
        assert [answers.get(timeout=60) for _ in processes] == [""] * 4
        for process in processes:
            process.join()
        opened = find_search(load_search(path).study, url, runs[0])
        assert opened
        enqueued = [enqueued_params(trial)["dropout"] for trial in opened.trials]
        assert enqueued == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]  # once each


def test_a_search_that_is_looked_for_leaves_no_trace(tmp_path: Path) -> None:
    path, runs = invent(tmp_path, 2), tmp_path / "runs"
    study = load_search(path).study
    journal, other = tmp_path / "a" / "journal.log", f"sqlite:///{tmp_path / 'b' / 'other.db'}"
    for url in (default_storage(runs), str(journal), other):
        assert find_search(study, url, runs) is None
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    (tmp_path / "empty.db").touch()
    assert find_search(study, empty, runs) is None
    assert {file.name for file in tmp_path.iterdir()} == {path.name, "empty.db"}
    assert not (tmp_path / "empty.db").stat().st_size
    search(path, runs)
    before = {file: file.read_bytes() for file in runs.rglob("*") if file.is_file()}
    experiment = load_search(path, runs=runs)
    assert len(experiment.candidates()) == 2 and experiment.status()["states"] == {"complete": 2}
    assert find_search(load_search(invent(tmp_path, 2, sampler="tpe")).study, default_storage(runs), runs) is None
    assert {file: file.read_bytes() for file in runs.rglob("*") if file.is_file()} == before


def test_a_journal_holds_what_a_database_holds(tmp_path: Path) -> None:
    path = invent(tmp_path, 8, "  enqueue: [{dropout: 0.3}]\n", sampler="tpe", pruner="median", folds=2)
    search(path, tmp_path / "one")
    journal = tmp_path / "two" / "journal.log"
    assert search(path, tmp_path / "two", Landscape(), str(journal)).exit_code == 0
    experiment = load_search(path, runs=tmp_path / "two", storage=str(journal))
    assert experiment.opened and told(experiment.opened.trials) == told(optuna_trials(path, tmp_path / "one"))
    assert not (tmp_path / "two" / FILE).exists()


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
@pytest.mark.parametrize("damage", ["noise", "torn", "folder"])
def test_a_damaged_storage_is_one_line(tmp_path: Path, kind: str, damage: str) -> None:
    path, runs = invent(tmp_path, 2), tmp_path / "runs"
    file = runs / FILE if kind == "sqlite" else runs / "journal.log"
    url = "" if kind == "sqlite" else str(file)
    search(path, runs, storage=url)
    content = file.read_bytes()
    file.unlink()
    match damage:
        case "noise":
            file.write_bytes(bytes(range(256)) * 64)
        case "torn":  # pages of zeros, or a line that is not whole
            file.write_bytes(content[:4096] + bytes(len(content) - 4096) if kind == "sqlite" else b"{\n" + content)
        case _:
            file.mkdir()
    for use in (lambda: search(path, runs, storage=url), lambda: load_search(path, runs=runs, storage=url).candidates()):
        with pytest.raises(RunError, match=r"^storage \S+: ") as error:
            use()
        assert str(file) in str(error.value) and "\n" not in str(error.value)


def test_a_storage_that_fails_under_way_is_one_line_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, runs = invent(tmp_path, 3), tmp_path / "runs"

    def damage(trial: object, epoch: int) -> None:
        (runs / FILE).write_bytes(b"no database" * 1000)

    with pytest.raises(RunError, match="storage sqlite://"):
        search(path, runs, Landscape(before=damage))


def test_a_storage_that_refuses_is_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: pytest.fail("it waits"))
    study = load_search(invent(tmp_path)).study
    with pytest.raises(RunError, match=r"postgresql\S+me:\*\*\*@127.0.0.1:1/db") as error:
        open_search(study, "postgresql+psycopg2://me:secret@127.0.0.1:1/db", tmp_path / "runs", lambda values: True)
    assert "secret" not in str(error.value)


def test_what_counts_of_all_trials() -> None:
    study = optuna.create_study()
    for attrs in ({}, {"retries": 0}, {"surplus": True}, {"retries": 1}, {}):
        study.enqueue_trial({}, attrs)
    assert [trial.number for trial in current_trials(study.trials)] == [3, 4]
