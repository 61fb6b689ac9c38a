"""The origin of a study's numbers: versions, devices, code, and one row per trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.files import read_file
from ablate.kinds.measures import ERROR, name_of
from ablate.records.code import changed_codes
from ablate.records.earlier import Earlier, earlier_lines
from ablate.records.epochs import Row
from ablate.records.former import former_ids
from ablate.records.records import Record, trial_state
from ablate.records.result import FINAL, TEST, VALIDATION, renamed
from ablate.records.timings import Probe, find_probe, read_probes
from ablate.report.numbers import counted, device_time, finite
from ablate.report.seeds import Seeds
from ablate.report.summary import Summary
from ablate.report.table import NO_VALUE, Cell, Column, Table, make_table, words
from ablate.study.labels import fold_of
from ablate.train.estimates import images_trained, workload_of

if TYPE_CHECKING:
    import pandas as pd

_RESULT_COLUMNS = (
    "train_error", "test_loss", "train_loss", "epochs", "train_seconds", "test_seconds",
    "train_images", "test_images", "data_digest",
)  # fmt: skip
_FINAL = ("loss", "images", "seconds")  # of the one evaluation of the test images, besides measures
_MADE_COLUMNS = ("ablate", "revision", "python", "torch", "device", "threads", "started", "finished")


def made_with(summaries: Sequence[Summary], runs: Path) -> list[str]:
    """The versions, devices and code of the records, and their estimated and actual times, one text each.

    Args:
        summaries: The summaries of a study or of the trainings of a search.
        runs: The runs directory.
    """
    records = [record for summary in summaries for record in summary.records]
    lines = made_by(records, ", torch {torch}")
    if records:
        passes = ("train_seconds", "test_seconds", f"{FINAL}seconds")
        seconds = sum(record.result.get(key, 0) for record in records for key in passes)
        lines.append(f"{device_time(seconds)} of training and testing")
        lines += adopted_lines(summaries, runs)
        lines.append("images: " + ", ".join(sorted({f"digest {r.result.get('data_digest', '?')}" for r in records})))
    return lines + foreseen_lines(summaries, read_probes(runs))


def made_by(records: Iterable[Record], packages: str = "") -> list[str]:
    """The versions, devices and threads of some records, and how many trials each has, one text each.

    Args:
        records: Of trials.
        packages: Further versions that are named, such as ", torch {torch}".
    """
    kinds: Counter[str] = Counter()
    for record in records:
        made = {**dict.fromkeys(_MADE_COLUMNS, "?"), **record.result.get("provenance", {})}
        made |= {"revision": (made["revision"] or "release")[:12], "threads": counted(made["threads"], "thread")}
        text = f"ablate {{ablate}} ({{revision}}){packages}, Python {{python}}, {{device}}, {{threads}} per trial"
        kinds[text.format(**made)] += 1
    return [f"{kind}: {counted(n, 'trial')}" for kind, n in sorted(kinds.items())]


def adopted_lines(summaries: Iterable[Seeds[Any]], runs: Path) -> list[str]:
    """The records that were made by earlier code, one text for each version.

    Args:
        summaries: Of the variants of a study, or of the trainings of a search.
        runs: The runs directory.
    """
    found = []
    for one in (one for summary in summaries for one in summary.trials):
        if one.record and one.record.id not in (one.trial.id, *former_ids(runs, one.trial.id)):
            definition = read_file(one.record.directory / "trial.json")
            found.append(Earlier(one.record, changed_codes(definition, one.trial.definition)))
    return [f"{line}, taken over by `ablate adopt`" for line in earlier_lines(found)]


def trials_frame(summaries: Sequence[Summary], runs: Path) -> pd.DataFrame:
    """One row per trial, with one column per axis that varies. Errors in percent, losses in nats, times in seconds.

    The measure that the study decides by, such as test_error, is of the epoch that its epoch rule selects; all other
    measures are of the last epoch.

    Args:
        summaries: The summaries of a study or of the trainings of a search.
        runs: The runs directory.
    """
    import pandas as pd

    rows = []
    networks = [summary.variant.network for summary in summaries]
    axes = dict.fromkeys(axis for network in networks for axis in network)
    differing = [axis for axis in axes if len({repr(network.get(axis)) for network in networks}) > 1]
    for summary in summaries:
        for one in summary.trials:
            result = one.record.result if one.record else {}
            made = result.get("provenance", {})
            rows.append(
                {
                    "net": summary.net,
                    **{axis: summary.variant.network.get(axis) for axis in differing},
                    **summary.axes,
                    "parameters": summary.variant.counts.parameters,
                    **({"fold": fold_of(one.trial)} if summary.variant.folds else {}),
                    "seed": one.trial.seed,
                    "id": one.record.id if one.record else one.trial.id,
                    "state": one.record.state if one.record else trial_state(runs, one.trial.id),
                    "epoch_rule": summary.epoch_rule if one.record else None,
                    summary.decision.name: finite(summary.value(one.record)) if one.record else None,
                    **_measured(summary, result),
                    "attempts": len(result.get("earlier_attempts", ())) + 1 if result else None,
                    **{key: made.get(key) for key in _MADE_COLUMNS},
                }
            )
    return pd.DataFrame(rows)


def _measured(summary: Summary, result: Row) -> Row:
    """The columns of a result. Those of held-out images begin with validation_, those of the one evaluation with test_."""
    usual = [one.name for one in summary.variant.data.task.entry.measures]
    more = [one.name for one in summary.more_measures if one in summary.measures or one.name in usual]
    columns = [*_RESULT_COLUMNS, *(f"{TEST}{name}" for name in more if summary.decision.split)]
    asked = [ERROR.name, *map(name_of, summary.variant.data.measures)]
    columns += [f"{extra.column}_{name}" for extra in summary.variant.data.also_test for name in asked]
    if summary.decision.split != "validation":
        return {key: result.get(key) for key in columns}
    tested = dict.fromkeys((usual[0], summary.decision.measure, *more))
    columns += [f"{FINAL}{name}" for name in (*tested, *_FINAL)]
    return renamed({key: result.get(key) for key in columns}, TEST, VALIDATION)


def provenance_table(frame: pd.DataFrame, fields: Sequence[str]) -> Table:
    """The table of the provenance of each trial.

    Args:
        frame: One row per trial, with the column "id".
        fields: The other columns to show; those that the frame lacks are left out.
    """
    shown = [field for field in fields if field in frame]
    rows = [[words(row["id"]), *(_field_cell(field, row[field]) for field in shown)] for row in frame.to_dict("records")]
    values = [[row[i].value for row in rows if row[i].value is not None] for i in range(len(shown) + 1)]
    numeric = [bool(found) and all(isinstance(value, (int, float)) for value in found) for found in values]
    titles = ("trial", *(field.replace("_", " ") for field in shown))
    return make_table([*map(Column, titles, numeric)], rows, caption="Every trial and where it comes from")


def _field_cell(field: str, value: Any) -> Cell:
    import pandas as pd

    if pd.isna(value):
        return NO_VALUE
    if field == "revision":
        return words(str(value)[:12])
    if field == "threads":
        return Cell(value, f"{value:g}")
    return Cell(value, f"{value:.2f}" if isinstance(value, float) else str(value))


_TIMED = {"train_images", "test_images", "epochs", "train_seconds", "test_seconds"}


def foreseen_lines(summaries: Iterable[Summary], probes: Sequence[Probe]) -> list[str]:
    """One sentence per device, sorted by name: the time of its recorded trials, and as probes on this device estimated it.

    Both times are of training and testing only, without start-up. A trial that was moved between devices is left out.

    Args:
        summaries: The summaries of a study.
        probes: As returned by read_probes().
    """
    sums: dict[str, tuple[int, float, float]] = {}
    for summary in summaries:
        workload = workload_of(summary.variant)
        for record in summary.records:
            result = record.result
            device = result.get("provenance", {}).get("device")
            probe = find_probe(probes, workload, device) if device else None
            moved = any(attempt.get("device") != device for attempt in result.get("earlier_attempts", ()))
            if probe is None or moved or not result.keys() >= _TIMED:
                continue
            images = images_trained(result["train_images"], summary.variant.recipe), result["test_images"]
            trials, estimated, actual = sums.get(device, (0, 0.0, 0.0))
            estimated += result["epochs"] * probe.epoch_seconds(*images)
            sums[device] = trials + 1, estimated, actual + result["train_seconds"] + result["test_seconds"]
    return [
        f"{device}: {counted(trials, 'trial')} took {actual / 3600:.3g} device-hours; the probes estimated "
        f"{estimated / 3600:.3g} ({actual / estimated - 1:+.0%})"
        for device, (trials, estimated, actual) in sorted(sums.items())
    ]
