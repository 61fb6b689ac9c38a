"""An invented landscape instead of training: the error of a network in a fold at an epoch, recorded as a training would."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import optuna
from recorded import PROVENANCE

from ablate.api import load_search
from ablate.commands.outcome_text import search_text
from ablate.data.location import Location
from ablate.files import hold_lock
from ablate.launch.options import RunOptions
from ablate.records.attempts import begin_attempt, open_trial, write_result
from ablate.records.epochs import append_epoch, read_epochs, write_epochs
from ablate.records.records import trial_directory
from ablate.search.drivers import WORKER
from ablate.search.progress import SearchSummary
from ablate.search.storage import default_storage, study_name
from ablate.study.data import Data
from ablate.study.study import Trial
from ablate.train.images import ImageLoader
from ablate.train.job import Job

INVENTED = """\
name: invented_search
data: {{name: digits, train_size: 128}}
recipe: {{base: wrn_cifar, epochs: {epochs}, batch_size: 32}}
base: WRN-10-1
search:
  space: {space}
  validation: {{folds: {folds}}}
  trials: {trials}
  sampler: {sampler}
  pruner: {pruner}
  objective: {objective}_validation_error
"""
DROPOUT = "{dropout: {low: 0.0, high: 0.6, step: 0.05}}"


def valley(trial: Trial, epoch: int) -> float:
    """A valley at dropout 0.3 that deepens with the epochs, every fold a little worse than the one before it; percent."""
    fold = (trial.data.held_out.fold or 0) if trial.data.held_out else 0
    early = 20 * (1 - epoch / trial.recipe.epochs)
    return round(5 + 100 * (trial.architecture.dropout - 0.3) ** 2 + 0.1 * fold + early, 4)


@dataclass
class Landscape:
    """The work of a training that takes no time. before: called with the trial and each epoch, to break it there.

    diverges: which trials do, in their first epoch. trained: (trial, epoch), every epoch that was done, in order.
    """

    error: Callable[[Trial, int], float] = valley
    before: Callable[[Trial, int], None] = lambda trial, epoch: None
    diverges: Callable[[Trial], bool] = lambda trial: False
    trained: list[tuple[Trial, int]] = field(default_factory=list)

    def work(self, job: Job, stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]) -> str:
        """As train_trial(): what an earlier attempt did is kept, and its epochs are not done again."""
        trial, directory = job.trial, trial_directory(job.runs, job.trial.id)
        open_trial(directory, trial.definition)
        with hold_lock(directory / "lock", 0.5) as free:
            if not free:
                return "busy"
            begin_attempt(directory)
            rows = read_epochs(directory)[: trial.recipe.epochs - 1]  # a training that died before its result does more
            write_epochs(directory, rows)
            for epoch in range(len(rows) + 1, trial.recipe.epochs + 1):
                self.before(trial, epoch)
                self.trained.append((trial, epoch))
                diverged = self.diverges(trial)
                row = {"epoch": epoch, "lr": 0.1, "train_loss": None if diverged else 1.0, "train_error": 50.0}
                row |= {
                    "test_loss": 1.0,
                    "test_error": self.error(trial, epoch),
                    "train_seconds": 0.01,
                    "test_seconds": 0.0,
                }
                append_epoch(directory, row)
                report({**row, "epochs": trial.recipe.epochs, "images_per_second": 1.0})
                if diverged:
                    break
                if stop() and epoch < trial.recipe.epochs:
                    return "interrupted"
            status = "diverged" if diverged else "completed"
            final = {"test_error": None if diverged else row["test_error"], "epochs": epoch, "status": status}
            more = {"data_digest": digest(trial.data, job.location), "provenance": PROVENANCE}
            write_result(directory, {**final, "test_images": 40, **more})
            return status

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Within the block an inline search trains with this."""
        name = "ablate.train.trial"
        before = sys.modules.get(name)
        sys.modules[name] = SimpleNamespace(TrialWork=self.work)  # type: ignore[assignment]  # so torch is not needed
        try:
            yield
        finally:
            sys.modules.pop(name) if before is None else sys.modules.update({name: before})


@lru_cache
def digest(data: Data, location: Location) -> str:
    return ImageLoader(print).load(data, location)[1]


def invent(folder: Path, trials: int = 4, more: str = "", **changes: Any) -> Path:
    """A study file with a search over dropout. more: lines of `search`; changes: other values of INVENTED."""
    values = {"space": DROPOUT, "epochs": 2, "folds": 3, "sampler": "random", "pruner": "none", **changes}
    values.setdefault("objective", "median")
    path = folder / "invented_search.yaml"
    path.write_text(INVENTED.format(trials=trials, **values) + more)
    return path


def search(path: Path, runs: Path, landscape: Landscape | None = None, storage: str = "") -> SearchSummary:
    """Runs the search of a study file in this process, on an invented landscape."""
    with (landscape or Landscape()).installed():
        return load_search(path, runs=runs, storage=storage).run(RunOptions(inline=True, quiet=True))


def optuna_trials(path: Path, runs: Path, storage: str = "") -> list[optuna.trial.FrozenTrial]:
    """What Optuna's storage holds of a search."""
    name = study_name(load_search(path).study)
    url = storage or default_storage(runs)
    return optuna.load_study(study_name=name, storage=url).trials


def told(trials: list[optuna.trial.FrozenTrial]) -> list[dict[str, Any]]:
    """All that Optuna knows of its trials, but for when they were, and by whom."""
    return [
        {
            "number": trial.number,
            "state": trial.state.name,
            "params": trial.params,
            "values": trial.values,
            "intermediate": trial.intermediate_values,
            "attributes": {key: value for key, value in trial.user_attrs.items() if key != WORKER},
        }
        for trial in trials
    ]


def drive(study: str, runs: str, storage: str = "", seconds: float = 0.0) -> NoReturn:
    """Runs a search whose epochs take so long, says what it came to, and ends the process."""
    slow = Landscape(before=lambda trial, epoch: time.sleep(seconds))
    summary = search(Path(study), Path(runs), slow, storage)
    print(search_text(summary))
    sys.exit(summary.exit_code)
