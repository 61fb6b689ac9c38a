"""What a report directory has, so that an emptier report does not replace a fuller one by mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from ablate.errors import AblateError, RunError
from ablate.files import open_regular, read_file
from ablate.records.kept import FOLDER
from ablate.records.records import FINAL, own_record
from ablate.report.compared import Compared
from ablate.report.numbers import counted
from ablate.report.search_analysis import SearchAnalysis
from ablate.report.trace import read_csv
from ablate.study.axis_text import plain
from ablate.study.chosen import BestFile
from ablate.study.document import read_document

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("recipe", "data", "axes")  # of a definition: what an option of a command can change
MOST_NAMED = 3  # options that a message names
PREDICTIONS = ("predictions", "classes", "confusion")  # data frames that are made from kept logits


def check_replaces(analysis: Compared[Any] | SearchAnalysis, frames: Mapping[str, pd.DataFrame], out: Path) -> None:
    """Check that a report may replace the one in its directory.

    A report with fewer finished trials replaces a fuller one only if its study is finished: then the study has become
    smaller. A report without any finished trial replaces none that has one, and one without predictions none that has some.

    Args:
        analysis: Of the new report.
        frames: Its data frames by name; without "trials" for a study that trains nothing.
        out: The directory of reports.

    Raises:
        RunError: It may not; the message says which option is probably missing.
    """
    directory = out / analysis.study.name
    _check_search(analysis, directory / "best.yaml")
    before = _recorded(directory / "trials.csv")
    trials = frames.get("trials")
    now = 0 if trials is None or "state" not in trials else int(trials["state"].isin(FINAL).sum())
    finished = now > 0 and analysis.recorded >= analysis.planned
    if now < len(before) and not finished:
        found = f"{directory} has {counted(len(before), 'finished trial')}, this report would have {now or 'none'}"
        raise RunError(f"{found}; {_advice(analysis, before, directory)}, or use `replace`")
    if (directory / f"{PREDICTIONS[0]}.csv").exists() and PREDICTIONS[0] not in frames:
        found = f"{directory} has predictions, this report would have none, as {analysis.runs} has no kept logits"
        raise RunError(f"{found}; name `runs` {analysis.runs} and another `out`, or use `replace`")


def _check_search(analysis: Compared[Any] | SearchAnalysis, path: Path) -> None:
    """Raise RunError if a report would replace the result of a finished search by fewer candidates of the same search.

    If the search was changed, only a report without candidates is refused.
    """
    if not isinstance(analysis, SearchAnalysis):
        return
    try:
        there = BestFile.model_validate(read_document(path, opened=open_regular).value)
    except (AblateError, ValueError):
        return
    search = analysis.search
    same = there.digest in (search.digest, search.former_digest)
    if there.finished and analysis.recorded < (there.candidates if same else 1):
        found = f"{path} has what {there.candidates} candidates came to, {analysis.runs} has {analysis.recorded} of them"
        raise RunError(f"{found}; use another `runs` or `out` directory, or use `replace`")


def _recorded(path: Path) -> list[str]:
    """The ids of the finished trials that a trials.csv lists; none if it cannot be read."""
    try:
        _, rows = read_csv(path)
    except (OSError, AblateError):
        return []
    return [row["id"] for row in rows if row.get("state") in FINAL and row.get("id")]


def _advice(analysis: Compared[Any] | SearchAnalysis, before: Sequence[str], directory: Path) -> str:
    """What to do about it, in words."""
    earlier = [found for one in before for runs in (analysis.runs, directory / FOLDER) if (found := _definition(runs, one))]
    if options := _missing_options(earlier, _definitions(analysis)):
        named = " ".join(f"-s {path}={value}" for path, value in options[:MOST_NAMED])
        return f"'{named}' is probably missing: add it, name another `out`"
    if any(_is_recorded(analysis.runs, one) for one in before):
        return f"-s or `scale` is probably missing, as {analysis.runs} has those trials: add it, name another `out`"
    return f"{analysis.runs} has none of those trials, so another `runs` is probably meant: name it, or another `out`"


def _is_recorded(runs: Path, trial: str) -> bool:
    try:
        return own_record(runs, trial) is not None
    except (OSError, AblateError):
        return False


def _definition(runs: Path, trial: str) -> bytes:
    """The definition of a trial; empty if it cannot be read."""
    try:
        return read_file(runs / trial / "trial.json")
    except (OSError, AblateError):
        return b""


def _definitions(analysis: Compared[Any] | SearchAnalysis) -> list[bytes]:
    """The definitions of the trials that the study asks for."""
    if isinstance(analysis, SearchAnalysis):
        return [trial.definition for one in analysis.candidates for trial in one.trials]
    return [one.trial.definition for summary in analysis.summaries for one in summary.trials]


def _missing_options(before: Sequence[bytes], now: Sequence[bytes]) -> list[tuple[str, str]]:
    """The keys at which all earlier trials have one value that none has now, with that value."""
    then, present = _values(before), _values(now)
    found = [(path, values) for path, values in then.items() if path in present and not values & present[path]]
    return [(path, next(iter(values))) for path, values in found if len(values) == 1]


def _values(definitions: Sequence[bytes]) -> dict[str, set[str]]:
    """The values of each key of some definitions, as a user writes them."""
    found: dict[str, set[str]] = {}
    for definition in definitions:
        try:
            value = orjson.loads(definition)
        except orjson.JSONDecodeError:
            continue
        for path, leaf in _leaves({part: value.get(part) for part in PARTS} if isinstance(value, dict) else {}):
            found.setdefault(path, set()).add(plain(leaf))
    return found


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else str(key))
    elif value is not None:
        yield path, value
