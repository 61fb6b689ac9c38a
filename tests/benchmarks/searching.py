"""What a search costs beside its training: candidates that cost nothing, through ours and Optuna's study.optimize().

Both keep an SQLite file in a temporary folder and sample the same two values. Every training of ours is recorded before it
is timed, so that the driver alone is measured. Its start, a search with nothing left to do, is timed apart and subtracted.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import sqlalchemy
from search.landscape import Landscape, invent, search, valley  # type: ignore[import-not-found]

from ablate.api import load_search
from ablate.search.sampler import make_sampler
from ablate.search.storage import FILE, default_storage, open_storage
from ablate.study.study import Trial
from tests.benchmarks.comparison import Announce, Comparison, compare

SPACE = "{dropout: {low: 0.0, high: 0.6}, recipe.lr: {low: 0.01, high: 1.0, log: true}}"
SAMPLERS = ("random", "tpe")
OPTUNA, OURS = "Optuna, study.optimize", "ablate"


def bench_search(trials: int = 200, rounds: int = 5, announce: Announce = lambda line: None) -> list[Comparison]:
    """One comparison a sampler.

    Args:
        trials: Candidates of one fold and one seed in a round.
        rounds: How often each way is timed.
        announce: Called with one line before each step.
    """
    with tempfile.TemporaryDirectory() as folder:
        return [_compare(sampler, Path(folder), trials, rounds, announce) for sampler in SAMPLERS]


def error(trial: Trial, epoch: int) -> float:
    """Of dropout and learning rate, in percent."""
    return float(valley(trial, epoch)) + abs(math.log10(trial.recipe.lr / 0.1))


def _compare(sampler: str, folder: Path, trials: int, rounds: int, announce: Announce) -> Comparison:
    ours_in, optuna_in = folder / sampler, folder / f"{sampler}-optuna"
    for path in (ours_in, optuna_in):
        path.mkdir()
    study_file = invent(ours_in, trials, space=SPACE, epochs=1, folds=2, sampler=sampler)
    study_file.write_text(study_file.read_text().replace("{folds: 2}", "{holdout: 20}"))
    searched = load_search(study_file).search
    own: list[float] = []  # seconds without the start

    def through_ours() -> None:
        (ours_in / FILE).unlink(missing_ok=True)
        begun = time.perf_counter()
        search(study_file, ours_in, Landscape(error))
        done = time.perf_counter()
        search(study_file, ours_in)
        own.append(done - begun - (time.perf_counter() - done))

    def objective(trial: optuna.Trial) -> float:
        dropout = trial.suggest_float("dropout", 0.0, 0.6)
        rate = trial.suggest_float("recipe.lr", 0.01, 1.0, log=True)
        return 5 + 100 * (dropout - 0.3) ** 2 + abs(math.log10(rate / 0.1))

    def through_optuna() -> None:
        (optuna_in / FILE).unlink(missing_ok=True)
        storage, optuna_sampler = open_storage(default_storage(optuna_in)), make_sampler(searched, seed=0)
        optuna.create_study(storage=storage, sampler=optuna_sampler).optimize(objective, n_trials=trials)

    ways: dict[str, Callable[[], object]] = {OPTUNA: through_optuna, OURS: through_ours}
    timed = compare(f"{sampler}, {trials} candidates", "candidate", ways, float(trials), rounds, announce=announce)
    counted = {name: _count_sql(way) for name, way in ways.items()}
    figures = {unit: {name: float(counts[unit]) for name, counts in counted.items()} for unit in ("statements", "commits")}
    return replace(timed, seconds={**timed.seconds, OURS: tuple(own[1 : rounds + 1])}, figures=figures)


def _count_sql(way: Callable[[], object]) -> Counter[str]:
    """How many SQL statements and commits a call makes."""
    counted = Counter[str]()
    events = {"before_cursor_execute": "statements", "commit": "commits"}
    listeners = {event: lambda *_, unit=unit: counted.update([unit]) for event, unit in events.items()}
    for event, listener in listeners.items():
        sqlalchemy.event.listen(sqlalchemy.Engine, event, listener)
    way()
    for event, listener in listeners.items():
        sqlalchemy.event.remove(sqlalchemy.Engine, event, listener)
    return counted
