"""with_kept_records(): an experiment that reads the records beside its report, for who has the report and no runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ablate.api import AnyExperiment
from ablate.errors import AblateError, StudyError
from ablate.files import is_real_directory
from ablate.records.kept import FOLDER


def with_kept_records(load: Callable[..., AnyExperiment], runs: Path, out: Path) -> tuple[AnyExperiment, str]:
    """The experiment on its runs directory, and ""; or on the records of its report, and a sentence that says so.

    The records of the report are read only if the runs directory has nothing of the experiment, and they have something.

    Args:
        load: Returns the experiment of a study or a search; it takes `runs`.
        runs: The runs directory; it need not exist.
        out: The directory of reports.

    Raises:
        AblateError: The study is not valid, or a record is damaged.
    """
    try:
        experiment = load(runs=runs)
    except StudyError:  # valid only with the copies of images that the records name, such as copies of another size
        found = _valid_with_kept_copies(load, out)
        if found is None or not found.begun:
            raise
        other, kept = found, found.runs
    else:
        kept = out / experiment.study.name / FOLDER
        if not is_real_directory(kept) or experiment.begun or not (other := load(runs=kept)).begun:
            return experiment, ""
    told = f"{runs} has none of these trials; the records are read from {kept}"
    return other, f"{told}; `ablate merge` takes {kept} over into {runs}"


def _valid_with_kept_copies(load: Callable[..., AnyExperiment], out: Path) -> AnyExperiment | None:
    """The experiment on the records of its report, if one has records with which the study is valid."""
    for kept in sorted(out.glob(f"*/{FOLDER}")):
        with suppress(AblateError):  # of another study
            if is_real_directory(kept) and (found := load(runs=kept)).study.name == kept.parent.name:
                return found
    return None
