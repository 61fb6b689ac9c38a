"""StudyExperiment: what can be done with a study's variants, be they networks or runs of a training program."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import AblateError, RecordError
from ablate.launch.connections import following
from ablate.launch.options import RunOptions
from ablate.launch.rounds import run_rounds
from ablate.launch.summary import RunSummary
from ablate.records.attempts import read_failure
from ablate.records.records import state_or_damage, trial_directory
from ablate.report.between import compare_studies
from ablate.report.export import ExportFormat, NetworkFormat, epochs_frame, export_study
from ablate.report.rounds import comparison_states
from ablate.report.writers.notebook import brief_html
from ablate.running import status_of_runs
from ablate.search.tuning import (
    ANSWERS,
    choosing,
    how_tuned,
    run_tunings,
    tuning_states,
    tunings_of_shard,
    variants_at_best,
)
from ablate.study.decision import Decision
from ablate.study.tuning import Tuning
from ablate.study_trials import StudyTrials, T, V

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from ablate.adopt import Adoption
    from ablate.tracking.follow import Epoch
    from ablate.verify import Verification


class StudyExperiment(StudyTrials[V, T]):
    """A study with its runs directory, and what can be done with it."""

    def __repr__(self) -> str:
        trials = self._trials(self._followed())
        return f"<{type(self).__name__} {self.study.name}: {len(self.variants)} variants, {len(trials)} trials>"

    def _repr_html_(self) -> str:
        """The finding and the main table so far, for a notebook."""
        try:
            report = self.report()
            tables = report.tables()
            return brief_html(self.study.title, report.finding(), tables[0] if tables else None)
        except AblateError as error:
            return brief_html(self.study.title, str(error), None)

    def compare(self, other: StudyExperiment[Any, Any]) -> pd.DataFrame:
        """One row for each variant of this experiment or the other: its medians in both, and what the seeds say of them.

        `difference` is this experiment's value less the other's, with its interval; `p_family` is adjusted for all variants
        on one data set. Variants are the same if name and data set are; seeds that both have are compared in pairs.

        Args:
            other: Such as the same study with another recipe: load_study(path, ["recipe.epochs=30"]).

        Raises:
            StudyError: The two decide by different measures, or have no variant in common.
            RecordError: As analysis().
        """
        return compare_studies(self.analysis(), other.analysis())

    @abstractmethod
    def remarks(self) -> list[str]:
        """What there is to know before a run, a line each."""

    @abstractmethod
    def report(self) -> Any:
        """The report of the records: tables, figures, files.

        Raises:
            RecordError: As analysis().
        """

    @abstractmethod
    def _run_trials(
        self, trials: Sequence[T], runs: Path, labels: Mapping[str, str], options: RunOptions, console: Console
    ) -> RunSummary:
        """Run those of some trials that are not recorded in a runs directory."""

    def _cost(self, variant: V) -> float:
        """The cost of a training of a variant, in any unit."""
        return 1.0

    @property
    def _measure(self) -> Decision | None:
        """The measure of a program; None: the error on the images of each record's split."""
        return None

    def status(self) -> dict[str, Any]:
        """The state of each trial and the cause of each failure, in the plain values that `ablate status --json` prints."""
        trials: list[dict[str, Any]] = []
        refused = None
        try:
            followed = self._followed()
        except RecordError as error:  # which trials are asked for is not known
            followed, refused = [], error
        named = list[tuple[str, T]]()
        for net, variant, seeds in self._asked(followed):
            for trial in self._trials_of(variant, seeds):
                named.append((net, trial))
                state, problem = state_or_damage(self.runs, trial.id)
                cause, log = problem or None, None
                if state == "failed":
                    directory = trial_directory(self.runs, trial.id)
                    cause, log = read_failure(directory), str(directory / "log.txt")
                about = {"net": net, **self._about(variant, trial), "id": trial.id}
                trials.append({**about, "state": state, "cause": cause, "log": log})
        if refused and all(one["state"] != "damaged" for one in trials):
            raise refused
        tunings = list(tuning_states(self.tunings, self.runs, self.storage, self.location(), damaged=True))
        return {
            "study": self.study.name,
            "states": dict(Counter(trial["state"] for trial in trials)),
            "trials": trials,
            **({"comparisons": comparison_states(followed, ANSWERS)} if followed else {}),
            "remarks": self.earlier(),
            **status_of_runs(named, choosing(tunings), self.runs, self.study.decision.each_epoch),
            **({"tuning": [one.as_json() for one in tunings]} if tunings else {}),
        }

    def analysis(self) -> Any:
        """The analysis of the records: summaries, comparisons, sentences.

        Raises:
            RecordError: A record is damaged, or lacks the measure that the study decides by.
        """
        found = self._analyze(self.variants)
        if not self.tunings:
            return found
        untuned = self._analyze([one.untuned for one in self.tunings])
        both = untuned if all(summary.n for summary in untuned.summaries) else None
        return replace(found, tuned=how_tuned(self.tunings, self.runs, self.study), untuned=both)

    def results(self) -> pd.DataFrame:
        """One row for each trial: net, the varied axes, seed, id, state, the measure that the study decides by, such as
        test_error (percent), or the measures of a program as reported last, seconds and where it ran.

        Raises:
            RecordError: As analysis().
        """
        found: pd.DataFrame = self.report().trials
        return found

    def epochs(self) -> pd.DataFrame:
        """One row for each epoch of each trial, finished or not: the columns of results() that identify the trial, the
        state, and what was measured. Errors in percent, losses in nats, times in seconds. Of a program all it reported.

        Raises:
            RecordError: As analysis().
        """
        return epochs_frame(self.results(), self.runs)

    def export(
        self, to: ExportFormat, out: str | Path = "exports", announce: Callable[[str], None] = lambda line: None
    ) -> list[Path]:
        """Write the records or the networks for other programs into out/<study>/, and return the paths.

        Args:
            to: "csv", "parquet" or "tensorboard" for trials and epochs; "state_dict" (safetensors), "onnx" or
                "torch_export" for the network of each recorded trial, checked on the test images.
            out: The directory of exports.
            announce: Receives a line for each network.

        Raises:
            AblateError: Nothing is recorded, a package is missing, or a network is not what its file computes.
        """
        if to == "csv" or to == "parquet" or to == "tensorboard":
            return export_study(self.study.name, self.results(), self.runs, to, Path(out))
        return self._export_networks(to, Path(out), announce)

    @abstractmethod
    def _export_networks(self, to: NetworkFormat, out: Path, announce: Callable[[str], None]) -> list[Path]:
        """Write the network of each recorded trial."""

    def run(
        self,
        options: RunOptions | None = None,
        console: Console | None = None,
        on_epoch: Callable[[Epoch], object] | None = None,
    ) -> RunSummary:
        """Train the trials that are not recorded; returns when all are recorded or failed, or the run was stopped.

        The first Ctrl-C stops the run after the running epochs, the second at once; the exit code is 130. SIGTERM and
        SIGUSR1 stop it after the running epochs; the exit code is 75. A program is ended with SIGTERM.

        Args:
            options: How to run; None: the defaults.
            console: Shows progress; None: standard error.
            on_epoch: Called with each epoch after it is recorded, one at a time, in a thread of its own; of a program when
                the next epoch begins. An error in it is said, with its line, and stops nothing.

        Raises:
            AblateError: The run cannot start.
        """
        shown = _console(console)
        with following(self.study.name, self.runs, options or RunOptions(), on_epoch, shown) as followed:
            return self._run(followed, shown)

    def _run(self, options: RunOptions, shown: Console) -> RunSummary:
        """Train the trials that are not recorded, first what `tune` chooses."""
        mine = tunings_of_shard(self.tunings, options, self._cost, bool(self.study.until))
        tuned = run_tunings(mine, self.runs, self.storage, self.location(), options, shown)
        if tuned.stopped:
            return tuned.add_to(RunSummary(shard=options.shard))
        done = self._run_rounds(options, shown) if self.study.until else self._run_seeds(mine, options, shown)
        return tuned.add_to(done)

    def _run_seeds(self, mine: Sequence[Tuning[V]], options: RunOptions, console: Console) -> RunSummary:
        """Train all seeds; in a study with `tune` those of some tunings, as a shard has whole variants."""
        if not self.tunings:
            return self._run_trials(self._trials(self._followed()), self.runs, self.labels(), options, console)
        found = [variant for one in mine for variant in variants_at_best([one], self.runs)]
        found += [one.variant for one in mine] if self._also_untuned else []
        trials = list({trial.id: trial for trial in self._all_trials(found)}.values())
        summary = self._run_trials(trials, self.runs, self.labels(), replace(options, shard=None), console)
        summary.shard = options.shard
        return summary

    def _run_rounds(self, options: RunOptions, console: Console) -> RunSummary:
        """Train round after round of seeds, until the records ask for no more."""
        most = [trial for variants in self._answers for trial in self._all_trials(variants)]
        train = self._runner(self.runs, console)
        return run_rounds(self._followed, self._trials, most, train, self.runs, options, console)

    def _runner(self, runs: Path, console: Console) -> Callable[[Sequence[T], RunOptions], RunSummary]:
        """A function that runs those of some trials that are not recorded in a runs directory."""
        labels = self.labels()
        return lambda trials, options: self._run_trials(trials, runs, labels, options, console)

    def verify(self, count: int, seed: int, options: RunOptions, console: Console) -> Verification:
        """Train some recorded trials again in a temporary directory and compare the results with the records.

        Args:
            count: How many trials to choose at random, from 1.
            seed: The seed of the random choice.
            options: How to run.
            console: Shows progress.

        Raises:
            AblateError: The run cannot start, or too few trials are recorded.
        """
        from ablate.verify import verify_trials

        def run(chosen: Sequence[T], again: Path) -> RunSummary:
            return self._runner(again, console)(chosen, options)

        return verify_trials(run, self._trials(self._followed()), self.labels(), self.runs, count, seed, self._measure)

    def adopt(self, options: RunOptions | None = None, console: Console | None = None) -> Adoption:
        """Take over the records of earlier versions of the reader's own code, of each variant that still has equal results.

        One trial of each variant is trained again, unless its code differs in comments, docstrings and formatting alone.

        Args:
            options: How to run; None: the defaults. The device "auto" is that of the records.
            console: Shows progress; None: standard error.

        Raises:
            AblateError: The run cannot start.
        """
        from ablate.adopt import adopt_records

        variants = [(name, self._trials_of(variant, seeds)) for name, variant, seeds in self._asked(())]
        run = self._runner(self.runs, _console(console))
        return adopt_records(run, variants, self.runs, options or RunOptions(), self._measure)


def _console(console: Console | None) -> Console:
    """A console; standard error if there is none."""
    from rich.console import Console as RichConsole

    return console or RichConsole(stderr=True)
