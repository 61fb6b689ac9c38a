"""On a GPU the folds of a candidate are trained side by side, as the seeds of a run; here on the CPU by the same work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from search.landscape import invent

from ablate.api import load_search
from ablate.launch.options import RunOptions
from ablate.launch.tasks import COHORT_WORK
from ablate.records.epochs import read_epochs
from ablate.search.network_candidates import NetworkCandidates
from ablate.train import cohort
from ablate.train.job import Job

ONE = {"trials": 1, "epochs": 1, "space": "{dropout: [0.1]}"}


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[int, bool]]]:
    """Of each task that was trained as on a GPU: (fold, whether step by step) of its trainings."""
    trained: list[list[tuple[int, bool]]] = []
    train = cohort.train_cohort

    def note(jobs: Sequence[Job], *more: Any) -> str:
        held_out = [job.trial.data.held_out for job in jobs]
        trained.append([(one.fold, job.plain) for one, job in zip(held_out, jobs) if one])  # type: ignore[misc]
        return train(jobs, *more)

    monkeypatch.setattr(cohort, "train_cohort", note)
    monkeypatch.setattr(NetworkCandidates, "work_on", lambda self, device: COHORT_WORK)
    return trained


def search(path: Path, runs: Path) -> list[list[dict[str, Any]]]:
    """The epochs of each training of the only candidate."""
    found = load_search(path, runs=runs)
    summary = found.run(RunOptions(inline=True, quiet=True))
    assert (summary.evaluated + summary.pruned, summary.exit_code) == (1, 0)
    (candidate,) = found.candidates()
    rows = [read_epochs(runs / trial.id) for trial in candidate.trials]
    return [[{key: each[key] for key in each if "seconds" not in key} for each in one] for one in rows]


def test_folds_side_by_side_are_as_each_alone(tmp_path: Path, groups: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """128 images in three folds are 42 or 43 each, so two of them run side by side and one by itself."""
    path = invent(tmp_path, **ONE)
    together = search(path, tmp_path / "together")
    assert groups == [[(0, False), (1, False), (2, False)]]
    monkeypatch.undo()
    assert together == search(path, tmp_path / "alone") and all(together)


def test_what_fails_among_others_runs_again_alone_and_step_by_step(
    tmp_path: Path, groups: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    train: Callable[..., Any] = cohort.train_side_by_side

    def fail(attempts: Sequence[Any], *more: Any) -> Any:
        if not attempts[0].job.plain:
            raise RuntimeError("a capture failed")
        return train(attempts, *more)

    monkeypatch.setattr(cohort, "train_side_by_side", fail)
    assert all(search(invent(tmp_path, **ONE), tmp_path / "runs"))
    assert groups == [[(0, False), (1, False), (2, False)], [(0, True)], [(1, True)], [(2, True)]]


@pytest.mark.parametrize("pruner", ["wilcoxon", "median"])
def test_a_pruner_needs_the_folds_one_after_the_other(tmp_path: Path, groups: list[Any], pruner: str) -> None:
    assert all(search(invent(tmp_path, pruner=pruner, folds=5, **ONE), tmp_path / "runs"))
    assert groups == [[(fold, False)] for fold in range(5)]
