"""run_rounds(): a study whose records say how many seeds are trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ablate.launch.connections import teller
from ablate.launch.options import RunOptions
from ablate.launch.summary import INCOMPLETE, RunSummary
from ablate.records.records import recover_record
from ablate.report.rounds import Rounds, round_lines
from ablate.schedule.shards import assign_shards
from ablate.study.program import ProgramTrial
from ablate.study.study import Trial

if TYPE_CHECKING:
    from rich.console import Console


AnyTrial = TypeVar("AnyTrial", Trial, ProgramTrial)


def run_rounds(
    follow: Callable[[], Sequence[Rounds]],
    asked: Callable[[Sequence[Rounds]], Sequence[AnyTrial]],
    most: Sequence[AnyTrial],
    train: Callable[[Sequence[AnyTrial], RunOptions], RunSummary],
    runs: Path,
    options: RunOptions,
    console: Console,
) -> RunSummary:
    """Train round after round of a study with `seeds.until`, until its records ask for no more; return a summary of all.

    A round is asked for by the complete rounds before it alone, so all runs that share the directory of the records ask for
    the same, and a trial that another run trains is waited for. A shard trains its part of a round first, then what is
    left.

    Args:
        follow: Reads what the records came to; with `tune`, at the chosen values and then at the variants' own.
        asked: The trials that this asks for, with those that are recorded.
        most: All trials that may be asked for.
        train: Trains the trials that are not recorded, such as run_trials().
        runs: Directory of the records.
        options: How to run.
        console: Shows progress.

    Raises:
        AblateError: A round cannot start.
    """
    say = teller(console, options.quiet)
    for trial in most:
        recover_record(runs, trial.id, say)  # a damaged one counts for nothing
    begun, trained, elsewhere = time.monotonic(), 0, 0
    if options.shard:
        say(f"{options.shard[1]} shards share each round through {runs}; a shard that runs alone there trains everything")
    followed = follow()
    for note in dict.fromkeys(rounds.note for rounds in followed if rounds.note):
        say(f"note: {note}")
    while True:
        for line in round_lines(followed):
            say(line)
        trials = asked(followed)
        if options.shard:
            shards = assign_shards({trial.id: 1.0 for trial in trials}, options.shard[1])
            trials = sorted(trials, key=lambda trial: shards[trial.id] != options.shard[0])  # type: ignore[index]
        summary = train(trials, replace(options, shard=None))
        trained, elsewhere = trained + summary.trained, elsewhere + summary.elsewhere
        if summary.open or summary.exit_code not in (0, INCOMPLETE):
            break
        followed = follow()
        if len(asked(followed)) == len(trials):
            break
    for line in round_lines(followed) if summary.failed else ():
        say(f"the {line}; it is not complete, so no further seed is trained")
    summary.trained, summary.elsewhere, summary.seconds = trained, elsewhere, time.monotonic() - begun
    summary.recorded_before = summary.trials - trained - elsewhere - summary.open
    return summary
