"""What `ablate search` adds to Optuna: the same number of candidates that cost nothing, through ours and study.optimize.

    PYTHONPATH=tests python tests/search/benchmark_overhead.py [CANDIDATES [ROUNDS]]

Both keep an SQLite file in a temporary folder and sample the same two values. Every training of ours is recorded before
it is timed, so that what is measured is the driver. One fold, one seed. What a start costs is timed apart. Prints Markdown.
"""

from __future__ import annotations

import cProfile
import math
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import optuna
import sqlalchemy
from search.landscape import INVENTED, Landscape, search, valley

from ablate.api import load_search
from ablate.search.sampler import make_sampler
from ablate.search.storage import FILE, default_storage, open_storage
from ablate.study.study import Search, Trial

SPACE = "{dropout: {low: 0.0, high: 0.6}, recipe.lr: {low: 0.01, high: 1.0, log: true}}"
SAMPLERS = ("random", "tpe")
OURS = ("search/run.py", "search/sampler.py", "search/pruning.py", "search/distributions.py")
SHOWN = 16


def error(trial: Trial, epoch: int) -> float:
    """Of dropout and learning rate, in percent."""
    return valley(trial, epoch) + abs(math.log10(trial.recipe.lr / 0.1))


def write_study(folder: Path, sampler: str, candidates: int) -> Path:
    text = INVENTED.format(space=SPACE, epochs=1, folds=2, trials=candidates, sampler=sampler, pruner="none")
    path = folder / f"{sampler}.yaml"
    path.write_text(text.replace("{folds: 2}", "{holdout: 20}"))
    return path


class Cost(NamedTuple):
    """Of a run: milliseconds by the clock and of the processor, SQL statements, transactions."""

    clock: float
    processor: float
    statements: float
    commits: float

    def less(self, start: Cost, candidates: int) -> Cost:
        """A candidate's share, without that of a start."""
        return Cost(*((one - other) / candidates for one, other in zip(self, start)))


def cost(run: Callable[[], object]) -> Cost:
    counted = Counter[str]()

    def statement(*_: object) -> None:
        counted["statement"] += 1

    def commit(*_: object) -> None:
        counted["commit"] += 1

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", statement)
    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", commit)
    clock, processor = time.perf_counter(), time.process_time()
    run()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", statement)
    sqlalchemy.event.remove(sqlalchemy.Engine, "commit", commit)
    return Cost(1000 * clock, 1000 * processor, counted["statement"], counted["commit"])


def optimize(searched: Search, folder: Path) -> None:
    """The same without us."""

    def objective(trial: optuna.Trial) -> float:
        dropout = trial.suggest_float("dropout", 0.0, 0.6)
        rate = trial.suggest_float("recipe.lr", 0.01, 1.0, log=True)
        return 5 + 100 * (dropout - 0.3) ** 2 + abs(math.log10(rate / 0.1))

    (folder / FILE).unlink(missing_ok=True)
    study = optuna.create_study(storage=open_storage(default_storage(folder)), sampler=make_sampler(searched, seed=0))
    study.optimize(objective, n_trials=searched.trials)


def ours(path: Path, runs: Path) -> None:
    """A search from its beginning, every training of it recorded."""
    (runs / FILE).unlink(missing_ok=True)
    search(path, runs, Landscape(error))


def where(profile: cProfile.Profile, candidates: int) -> list[tuple[float, str]]:
    """(milliseconds a candidate, "caller > callee") of the calls that our driver makes out of itself, costliest first."""
    found = []
    for (file, _, name), (_, _, _, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        for (caller_file, _, caller), (_, _, _, cumulative) in callers.items():
            if caller_file.endswith(OURS) and not file.endswith(OURS):
                found.append((1000 * cumulative / candidates, f"{caller} > {Path(file).stem}.{name}"))
    return sorted(found, reverse=True)


def main(candidates: int = 200, rounds: int = 5) -> None:
    print(f"{candidates} candidates, medians of {rounds} rounds, a candidate:\n")
    print("| sampler | driver | ms | ms of the processor | SQL statements | transactions |\n|---|---|---|---|---|---|")
    profiles, starts = {}, []
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["ABLATE_CACHE"] = f"{temporary}/cache"
        for sampler in SAMPLERS:
            folder, plain = Path(temporary) / sampler, Path(temporary) / f"{sampler}-plain"
            folder.mkdir()
            plain.mkdir()
            path, runs = write_study(folder, sampler, candidates), folder / "runs"
            searched = load_search(path).search
            ours(path, runs)  # makes the records
            found: dict[str, list[Cost]] = {"ablate": [], "Optuna": []}
            for _ in range(rounds):
                whole, start = cost(partial(ours, path, runs)), cost(partial(search, path, runs))
                found["ablate"].append(whole.less(start, candidates))
                found["Optuna"].append(cost(partial(optimize, searched, plain)).less(Cost(0, 0, 0, 0), candidates))
                starts.append(start.clock)
            one, other = ([statistics.median(column) for column in zip(*costs)] for costs in found.values())
            for name, values in (*zip(found, (one, other)), ("ratio", [a / b for a, b in zip(one, other)])):
                print(f"| {sampler} | {name} | {' | '.join(f'{value:.2f}' for value in values)} |")
            profiles[sampler] = cProfile.Profile()
            profiles[sampler].runcall(ours, path, runs)
    print(f"\nA start of ours, beside that: {statistics.median(starts):.0f} ms.")
    for sampler, profile in profiles.items():
        print(f"\nWhere ours goes with {sampler}, under the profiler:\n\n| ms a candidate | call |\n|---|---|")
        print("\n".join(f"| {spent:.2f} | {call} |" for spent, call in where(profile, candidates)[:SHOWN]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
