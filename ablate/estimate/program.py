"""What a plan says of a study of a program."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ablate.records.records import FILES, read_record, trial_directory
from ablate.study.program import ProgramStudy, ProgramTrial


def plan_program(study: ProgramStudy, trial: ProgramTrial, runs: Path) -> dict[str, Any]:
    """What a plan says of a program, in plain values.

    Args:
        study: With the program.
        trial: The trial whose command is shown.
        runs: The runs directory.
    """
    return {
        "command": shlex.join(program_command(trial, runs)),
        "folder": str(study.folder),
        "files": dict(study.program.files),
        "decide_by": study.decide_by,
        "goal": study.decision.goal,
    }


def program_command(trial: ProgramTrial, runs: Path) -> list[str]:
    """The words of the command of a program's trial.

    Args:
        trial: Of a program.
        runs: The runs directory.
    """
    return trial.command(str((trial_directory(runs, trial.id) / FILES).absolute()))


def program_cost(trials: Sequence[ProgramTrial], runs: Path) -> dict[str, Any]:
    """How long a recorded trial took, the median in seconds (None without one), and how many trials are open.

    Args:
        trials: Of a program.
        runs: The runs directory.
    """
    records = [read_record(runs, trial.id) for trial in trials]
    seconds = [float(record.result.get("seconds", 0.0)) for record in records if record]
    return {"trial_seconds": statistics.median(seconds) if seconds else None, "open_trials": records.count(None)}
