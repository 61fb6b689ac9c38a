"""SearchExperiment: run, plan and report a search. It has the methods that api.Experiment has for a study."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import AblateError
from ablate.launch.connections import following
from ablate.launch.options import RunOptions
from ablate.precision import precision_remarks, settle_precision
from ablate.records.remembered import remember_copies
from ablate.records.searches import KeptSearch, read_search, search_name
from ablate.report.candidate import Candidate
from ablate.running import status_of_runs
from ablate.search.candidates import Candidates, PlannedCandidates
from ablate.search.network_candidates import NetworkCandidates
from ablate.search.program_candidates import ProgramCandidates
from ablate.study.program import ProgramStudy
from ablate.study.search import Parameter, Search
from ablate.study.space import grid, is_finite
from ablate.study.study import Study

if TYPE_CHECKING:
    import optuna
    from rich.console import Console

    from ablate.data.location import Location
    from ablate.estimate.hardware import CostOptions
    from ablate.report.search_analysis import SearchAnalysis
    from ablate.report.search_report import SearchReport
    from ablate.search.progress import SearchSummary
    from ablate.tracking.follow import Epoch

DRAWN = 200  # the most random candidates that a plan uses to represent those not sampled yet
SMALL = 1000  # a space of at most this many candidates is enumerated


@dataclass(frozen=True, repr=False)
class SearchExperiment:
    """A search with its runs directory, its storage and its images.

    Args:
        study: A study that has a search.
        file: The name of the study file.
        runs: The runs directory.
        storage: The URL of a database or the path of a journal; "" for an SQLite file in the runs directory.
        location: Where the images are; None for a program.
        maker: Makes the variant of a candidate from its values by axis; None: as the study says.
    """

    study: Study | ProgramStudy
    file: str
    runs: Path
    storage: str
    location: Location | None
    maker: Callable[[dict[str, Any]], Any] | None = None

    def __repr__(self) -> str:
        return f"<SearchExperiment {self.study.name}: {self.search.trials} candidates>"

    def _repr_html_(self) -> str:
        """The finding and the main table so far, for a notebook."""
        from ablate.report.writers.notebook import brief_html

        try:
            report = self.report()
            tables = report.tables()
            return brief_html(self.study.title, report.finding(), tables[0] if tables else None)
        except AblateError as error:
            return brief_html(self.study.title, str(error), None)

    @property
    def search(self) -> Search:
        """The study's search."""
        assert self.study.search is not None
        return self.study.search

    @cached_property
    def kind(self) -> Candidates[Any, Any]:
        """What the candidates of the search are."""
        return candidates_of(self.study, self.location, self.maker)

    @property
    def url(self) -> str:
        """The URL of Optuna's storage, or the path of its journal.

        Raises:
            RunError: The storage is not a URL of the expected form.
        """
        from ablate.search.storage import check_url, default_storage

        return check_url(self.storage) or default_storage(self.runs)

    @cached_property
    def opened(self) -> optuna.Study | None:
        """Optuna's study, or None if the search has not begun.

        Raises:
            RunError: The storage cannot be read.
        """
        from ablate.search.storage import find_search

        return find_search(self.study, self.url, self.runs)

    @cached_property
    def kept(self) -> KeptSearch | None:
        """The search as its report found it, where it has no storage; None if there is a storage, or no such file.

        Raises:
            AblateError: The storage or the file cannot be read.
        """
        return read_search(self.runs, search_name(self.study.name, self.search.digest)) if self.opened is None else None

    @property
    def begun(self) -> bool:
        """Whether candidates of the search are known here."""
        return self.opened is not None or self.kept is not None

    @property
    def planned(self) -> int:
        """The number of candidates that the search evaluates in total."""
        from ablate.search.results import count_planned
        from ablate.search.storage import current_trials

        if self.kept:
            return self.kept.planned
        return count_planned(self.search, current_trials(self.opened.get_trials(deepcopy=False)) if self.opened else None)

    def candidates(self, damaged: bool = False) -> list[Candidate]:
        """Every candidate that has begun, in the order of the numbers.

        Args:
            damaged: Whether one with a damaged record is returned as such.

        Raises:
            RecordError: A record is damaged, unless `damaged`.
        """
        from ablate.search.results import kept_candidates, read_candidates

        if self.kept:
            return kept_candidates(self.kind, self.kept, self.runs)
        return read_candidates(self.kind, self.opened, self.runs, damaged) if self.opened else []

    def named_trials(self) -> list[tuple[str, Any]]:
        """The label of its candidate and each training of the candidates that have begun."""
        return [(one.label, trial) for one in self.candidates() for trial in one.trials]

    def known_trials(self) -> set[str]:
        """The ids of the trainings of all candidates that have begun."""
        return {trial.id for _, trial in self.named_trials()}

    def given_up(self) -> set[str]:
        """The ids of trainings that no candidate goes on with, as all of theirs are complete or pruned."""
        ids: dict[bool, set[str]] = {True: set(), False: set()}
        for one in self.candidates():
            ids[one.state in ("complete", "pruned")] |= {trial.id for trial in one.trials}
        return ids[True] - ids[False]

    def run(
        self,
        options: RunOptions | None = None,
        console: Console | None = None,
        on_epoch: Callable[[Epoch], object] | None = None,
    ) -> SearchSummary:
        """Evaluate the candidates that remain; return when all have ended, or when the search is stopped.

        Ctrl-C stops the search after the current epochs (exit code 130). A second Ctrl-C stops it immediately. SIGTERM and
        SIGUSR1 stop it like the first Ctrl-C (exit code 75).

        Args:
            options: How to run; None for the devices of this machine.
            console: Where progress is printed; None for stderr.
            on_epoch: As in Experiment.run(), of the trainings of all candidates.

        Raises:
            AblateError: The search cannot start, or its storage fails.
        """
        from rich.console import Console as RichConsole

        from ablate.search.run import run_searches

        if isinstance(self.study, Study):
            remember_copies(self.runs, self.study.copies)
            options = replace(options or RunOptions(), auto_precision=self.study.auto_precision)
            settle_precision(self.study.auto_precision, self.runs, options.on, options.usual_device)
        console = console or RichConsole(stderr=True)
        with following(self.study.name, self.runs, options or RunOptions(), on_epoch, console) as followed:
            return run_searches([self.kind], self.runs, self.url, followed, console)[0].summary

    def earlier(self) -> list[str]:
        """The records of candidates under earlier versions of own code, of those that have begun, and of a small space."""
        told = [copy.remark for copy in self.study.copies] if isinstance(self.study, Study) else []
        if isinstance(self.study, Study):
            told += precision_remarks(self.study.auto_precision, self.runs, self.begun)
        return told + self.kind.earlier((*self._every(), *(one.variant for one in self.candidates())), self.runs)

    def analysis(self) -> SearchAnalysis:
        """The analysis of the candidates so far: their order, comparisons, the Pareto set."""
        from ablate.report.search_analysis import ProgramSearchAnalysis, SearchAnalysis
        from ablate.search.results import importances

        found = importances(self.opened) if self.opened else self.kept.importances if self.kept else None
        more = tuple(self.candidates()), self.runs, self.file, found, self.planned
        if isinstance(self.study, ProgramStudy):
            return ProgramSearchAnalysis(self.study, *more)
        return SearchAnalysis(self.study, *more)

    def report(self) -> SearchReport:
        """The report of the candidates so far: tables, figures, files."""
        from ablate.report.search_analysis import ProgramSearchAnalysis
        from ablate.report.search_report import ProgramSearchReport, SearchReport

        analysis = self.analysis()
        if isinstance(analysis, ProgramSearchAnalysis):
            return ProgramSearchReport(analysis)
        return SearchReport(analysis)

    def plan(
        self, probe: bool = False, options: CostOptions | None = None, announce: Callable[[str], None] = lambda line: None
    ) -> dict[str, Any]:
        """The candidates that would be evaluated and their cost, as plain values; times in seconds.

        Candidates that are not sampled yet are represented by random candidates.

        Args:
            probe: Whether to time each network on this device first.
            options: The devices for which costs are estimated; None for the default ones.
            announce: Called with a line of text for each network that is timed.

        Raises:
            AblateError: No candidate is feasible, or a network cannot be timed.
        """
        from ablate.estimate.hardware import CostOptions

        candidates = self.candidates()
        left = self.planned - len(candidates)
        drawn, stand_for = self._draw(left)
        open_ = [candidate.variant for candidate in candidates if candidate.state in ("running", "interrupted")]
        begun, options = [candidate.variant for candidate in candidates], options or CostOptions()
        planned = PlannedCandidates(drawn, stand_for, open_, begun, self.runs, probe, options, announce)
        of_search, beside = self.kind.plan(planned)
        return {
            "study": self.study.name,
            "search": {
                "space": [describe_parameter(parameter) for parameter in self.search.parameters],
                "sampler": self.search.sampler,
                "pruner": self.search.pruner,
                "objective": self.search.objective,
                "also_minimize": [*self.search.also_minimize],
                "goal": self.study.decision.goal,
                "candidates": self.planned,
                "seeds": list(self.study.seeds),
                "states": self._states(candidates),
                "distinct": None if stand_for > 1 or len(drawn) >= left else len(drawn),
                "drawn": len(drawn),
                **of_search,
            },
            **beside,
        }

    def status(self) -> dict[str, Any]:
        """The progress of the search as plain values; errors in percent."""
        decision = self.study.decision
        candidates = self.candidates(damaged=True)
        described = [
            {
                "number": candidate.number,
                "net": candidate.label,
                "state": candidate.state,
                "cause": candidate.problem or None,
                "trainings": len(candidate.errors),
                "of": len(candidate.trials),
                decision.name: self.search.objective_of(candidate.errors.values()) if candidate.errors else None,
            }
            for candidate in candidates
        ]
        program = {"program": self.study.program.text} if isinstance(self.study, ProgramStudy) else {}
        under_way = [one for one in candidates if one.state == "running"]
        named = [(one.label, trial) for one in under_way for trial in one.trials]
        missing = max(0, self.planned - len(candidates))
        trainings = missing * max((len(one.trials) for one in under_way), default=0)
        runs = status_of_runs(named, (), self.runs, decision, trainings)
        return {"study": self.study.name, "states": self._states(candidates), "candidates": described, **runs, **program}

    def _states(self, candidates: list[Candidate]) -> dict[str, int]:
        """The number of candidates by state; "missing" counts those that have not begun."""
        states = Counter[str](candidate.state for candidate in candidates)
        missing = self.planned - len(candidates)
        return {**states, **({"missing": missing} if missing > 0 else {})}

    def _every(self) -> list[Any]:
        """All feasible candidates of a small space; empty for others."""
        cells = list(itertools.islice(grid(self.search.parameters), SMALL + 1)) if is_finite(self.search) else []
        return [*filter(None, map(self.kind.possible, cells if len(cells) <= SMALL else ()))]

    def _draw(self, left: int) -> tuple[list[Any], float]:
        """Candidates that represent `left` unsampled ones, and how many unsampled ones each of them represents.

        For a small space the result is all its candidates, because evaluating a candidate a second time costs nothing.

        Raises:
            StudyError: No candidate is feasible.
        """
        from ablate.search.sampler import draw_values

        make = self.kind.make
        draw_values(self.search, make)
        if (every := self._every()) and len(every) <= left:
            return every, 1.0
        drawn = [make(draw_values(self.search, make, seed)) for seed in range(min(left, DRAWN))]
        return drawn, left / len(drawn) if drawn else 0.0


def describe_parameter(parameter: Parameter) -> dict[str, Any]:
    """A parameter as plain values.

    Args:
        parameter: Of a search.
    """
    return {
        "axis": parameter.axis,
        "kind": parameter.kind,
        **({"low": parameter.low, "high": parameter.high} if parameter.low is not None else {}),
        **({"step": parameter.step} if parameter.step else {}),
        **({"log": True} if parameter.log else {}),
        **({"choices": list(parameter.choices)} if parameter.choices else {}),
        **({"when": {axis: list(values) for axis, values in parameter.when}} if parameter.when else {}),
    }


def candidates_of(
    study: Study | ProgramStudy, location: Location | None, maker: Callable[[dict[str, Any]], Any] | None = None
) -> Candidates[Any, Any]:
    """The candidates of a study's search.

    Args:
        study: It has a search.
        location: Where the images are; None for a program.
        maker: As in NetworkCandidates.
    """
    if isinstance(study, ProgramStudy):
        return ProgramCandidates(study, maker)
    assert location is not None
    return NetworkCandidates(study, location, maker)
