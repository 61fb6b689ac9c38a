"""run_tunings(): gives each variant of a study with `tune` its search, and keeps what the searches chose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.launch import RunOptions
from ablate.records.choices import Choice, Tried, read_choice, write_choice
from ablate.search.candidates import Candidates, NetworkCandidates, ProgramCandidates
from ablate.study.program import ProgramStudy
from ablate.study.tuning import Tuning

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.data.cache import Location
    from ablate.report.candidate import Candidate
    from ablate.search.progress import SearchSummary

ENDED = ("complete", "pruned")


def candidates_of(tuning: Tuning[Any], location: Location | None) -> Candidates[Any, Any]:
    """The candidates of a tuning.

    Args:
        tuning: Of a variant.
        location: Where the images are; None for a program.
    """
    if isinstance(tuning.study, ProgramStudy):
        return ProgramCandidates(tuning.study, tuning.make)
    assert location is not None
    return NetworkCandidates(tuning.study, location, tuning.make)


def run_tunings(
    tunings: Sequence[Tuning[Any]],
    runs: Path,
    storage: str,
    location: Location | None,
    options: RunOptions,
    console: Console,
) -> list[SearchSummary]:
    """Evaluate the candidates that remain of each tuning, side by side, and keep what is chosen.

    Args:
        tunings: Of variants.
        runs: The runs directory.
        storage: URL of Optuna's database or path of a journal; "" for an SQLite file in the runs directory.
        location: Where the images are; None for a program.
        options: How to run; its shard has no effect.
        console: Where progress is printed.

    Returns:
        The summary of each search that had candidates left.

    Raises:
        AblateError: A search cannot start, or the storage fails.
    """
    groups: dict[int, list[tuple[str, Candidates[Any, Any]]]] = {}
    for tuning in {one.id: one for one in tunings if read_choice(runs, one.id) is None}.values():
        candidates = candidates_of(tuning, location)
        groups.setdefault(candidates.gpus, []).append((tuning.id, candidates))
    if not groups:
        return []
    from ablate.search.results import read_candidates
    from ablate.search.run import run_searches
    from ablate.search.storage import check_url, default_storage

    url, summaries = check_url(storage) or default_storage(runs), list[SearchSummary]()
    for gpus in sorted(groups, reverse=True):
        drivers = run_searches([candidates for _, candidates in groups[gpus]], runs, url, options, console)
        summaries += [driver.summary for driver in drivers]
        for (tuning_id, kind), driver in zip(groups[gpus], drivers):
            tried = read_candidates(kind, driver.opened, runs)[: driver.count_planned()]
            if len(tried) == driver.count_planned() and all(one.state in ENDED for one in tried):
                write_choice(runs, make_choice(tuning_id, kind, tried))
        if any(summary.exit_code not in (0, 3) for summary in summaries):  # it was stopped
            break
    return summaries


def make_choice(tuning_id: str, kind: Candidates[Any, Any], candidates: Sequence[Candidate]) -> Choice:
    """What a search chose: the candidate with the best objective; of several the first.

    Where all diverged, and where the best is not better than it, that is the variant's own values.

    Args:
        tuning_id: Of the choice.
        kind: What the candidates are.
        candidates: All of the search, each ended.
    """
    search, decision = kind.search, kind.decision

    def cost(index: int) -> float:
        one = candidates[index]
        return decision.cost(search.objective_of(one.errors.values())) if one.state == "complete" else math.inf

    tried = []
    for one in candidates:
        errors = tuple(value if math.isfinite(value := one.errors[i]) else None for i in sorted(one.errors))
        tried.append(Tried(one.values, errors, one.recorded_ids))
    best = min(range(len(candidates)), key=lambda index: (cost(index), index))
    return Choice(tuning_id, search.objective, tuple(tried), best)
