"""A search that is stopped or killed, wherever that is, and started again equals one that was not."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import _CachedStorage
from optuna.trial import TrialState
from search.landscape import Landscape, invent, optuna_trials, search, told
from typer.testing import CliRunner

from ablate.api import load_search
from ablate.commands.cli import app
from ablate.errors import RecordError
from ablate.records.records import trial_directory
from ablate.search import drivers, search_driver, storage
from ablate.study.study import Trial

TWO_VALUES = "{dropout: {low: 0.0, high: 0.6}, recipe.lr: {low: 0.01, high: 1.0, log: true}}"
ENQUEUE = "  enqueue: [{dropout: 0.3}, {dropout: 0.0, recipe.lr: 0.1}]\n"
PRUNERS: dict[str, tuple[int, int, dict[str, Any]]] = {  # candidates before the break, then in all
    "none": (0, 4, {"folds": 2, "epochs": 1}),
    "wilcoxon": (1, 3, {"folds": 5, "epochs": 1}),
    "median": (5, 8, {"folds": 2}),
    "hyperband": (4, 7, {"folds": 2, "epochs": 3}),
}
WRITES = [name for name in vars(_CachedStorage) if name.startswith(("create_new_", "set_"))]


class Killed(BaseException):
    """What ends a driver where it stands."""


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_driver, "WAIT_SECONDS", 0.02)
    monkeypatch.setattr(drivers, "UNNAMED_SECONDS", 0.3)
    monkeypatch.setattr(storage, "STILL_SECONDS", 0.2)


@contextmanager
def dying_after(writes: int) -> Iterator[None]:
    """In the block a driver dies right after so many writes into Optuna's storage."""
    left = [writes]

    def dying(write: Any) -> Any:
        def method(*args: Any, **more: Any) -> Any:
            result = write(*args, **more)
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return result

        return method

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITES:
            patch.setattr(_CachedStorage, name, dying(getattr(_CachedStorage, name)))
        yield


def finish(path: Path, runs: Path, writes: int = 2) -> int:
    """Runs a search that dies after so many writes or one more, again and again to its end; how often it died.

    What takes a candidate over signs it, and may write its result again, so every other search gets on by one write.
    """
    for deaths in range(60):
        try:
            with dying_after(writes + deaths % 2):
                assert search(path, runs).exit_code == 0
            return deaths
        except Killed:
            pass
    raise AssertionError("it never ends")


def begin(tmp_path: Path, pruner: str, more: str = "") -> tuple[Path, Landscape]:
    """A search that is done, in whole/, and the same before its last candidates, in broken/."""
    before, trials, changes = PRUNERS[pruner]
    if before:
        search(invent(tmp_path, before, more, space=TWO_VALUES, pruner=pruner, **changes), tmp_path / "whole")
        shutil.copytree(tmp_path / "whole", tmp_path / "broken")
    path, landscape = invent(tmp_path, trials, more, space=TWO_VALUES, pruner=pruner, **changes), Landscape()
    search(path, tmp_path / "whole", landscape)
    pruned = [trial for trial in optuna_trials(path, tmp_path / "whole")[before:] if trial.state == TrialState.PRUNED]
    assert bool(pruned) == (pruner != "none")
    return path, landscape


@pytest.mark.parametrize(("how", "pruner"), [("killed", "wilcoxon"), ("killed", "hyperband"), ("interrupted", "none")])
def test_stopped_in_every_epoch(tmp_path: Path, pruner: str, how: str) -> None:
    path, whole = begin(tmp_path, pruner)
    begun = False

    def stop(trial: Trial, epoch: int) -> None:
        nonlocal begun
        if how == "interrupted":
            os.kill(os.getpid(), signal.SIGINT)  # the epoch under way is still done
        elif begun:
            raise Killed
        begun = True

    landscape = Landscape(before=stop)
    codes: list[int | None] = []
    while codes[-1:] != [0]:
        begun = False
        try:
            codes.append(search(path, tmp_path / "broken", landscape).exit_code)
        except Killed:
            codes.append(None)
    assert set(codes[:-1]) == {130 if how == "interrupted" else None}
    assert len(codes) == len(landscape.trained) + (how == "interrupted")
    assert told(optuna_trials(path, tmp_path / "broken")) == told(optuna_trials(path, tmp_path / "whole"))
    assert landscape.trained == whole.trained


@pytest.mark.parametrize("pruner", ["wilcoxon", "median"])
def test_killed_after_every_write(tmp_path: Path, pruner: str) -> None:
    """Between asking and telling: while values are sampled, before a pruner answers, before the end is told."""
    path, _ = begin(tmp_path, pruner, ENQUEUE)
    assert finish(path, tmp_path / "broken") > 8
    assert told(optuna_trials(path, tmp_path / "broken")) == told(optuna_trials(path, tmp_path / "whole"))


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "gp"])
def test_killed_while_a_sampler_learns(tmp_path: Path, sampler: str) -> None:
    changes: dict[str, Any] = {"space": TWO_VALUES, "sampler": sampler, "epochs": 1, "folds": 2}
    search(invent(tmp_path, 10, **changes), tmp_path / "whole")  # drawn at random
    shutil.copytree(tmp_path / "whole", tmp_path / "broken")
    path = invent(tmp_path, 11, **changes)
    search(path, tmp_path / "whole")
    assert finish(path, tmp_path / "broken", 4 if sampler == "gp" else 2) > 1  # GP itself writes what it samples
    assert told(optuna_trials(path, tmp_path / "broken")) == told(optuna_trials(path, tmp_path / "whole"))


def test_killed_while_a_grid_is_enqueued(tmp_path: Path) -> None:
    path = invent(tmp_path, 2, space="{dropout: [0.0, 0.1]}", sampler="grid", epochs=1, folds=2)
    search(path, tmp_path / "whole")
    finish(path, tmp_path / "broken")
    assert told(optuna_trials(path, tmp_path / "broken")) == told(optuna_trials(path, tmp_path / "whole"))


def test_killed_while_failed_candidates_are_brought_back(tmp_path: Path) -> None:
    path, broken = invent(tmp_path, 2, epochs=1, folds=2), [True]

    def before(trial: Trial, epoch: int) -> None:
        if broken[0]:
            raise ValueError("it broke")

    landscape = Landscape(before=before)
    assert len(search(path, tmp_path / "whole", landscape).failed) == 2
    shutil.copytree(tmp_path / "whole", tmp_path / "broken")
    broken[0] = False
    search(path, tmp_path / "whole", landscape)
    finish(path, tmp_path / "broken")
    assert told(optuna_trials(path, tmp_path / "broken")) == told(optuna_trials(path, tmp_path / "whole"))


def test_the_status_shows_a_damaged_record_beside_the_other_candidates(tmp_path: Path) -> None:
    path, runs = invent(tmp_path, 2, folds=2, epochs=1), tmp_path / "runs"
    landscape = Landscape()

    def kill(trial: Trial, epoch: int) -> None:
        if len(landscape.trained) == 3:  # both of the first candidate, one of the second
            raise Killed

    landscape.before = kill
    with pytest.raises(Killed):
        search(path, runs, landscape)
    result = trial_directory(runs, landscape.trained[2][0].id) / "result.json"
    result.write_text("{")
    shown = CliRunner().invoke(app, ["status", str(path), "--runs", str(runs)])
    assert isinstance(shown.exception, RecordError) and "2 candidates: 1 complete, 1 damaged" in shown.stdout
    (line,) = [line for line in shown.stdout.splitlines() if line.startswith("damaged: candidate 1, ")]
    assert f"{result}: cannot be read" in line
    with pytest.raises(RecordError, match="cannot be read"):
        load_search(path, runs=runs).candidates()
    assert search(path, runs).exit_code == 0
    assert CliRunner().invoke(app, ["status", str(path), "--runs", str(runs)]).exit_code == 0
