"""measured(): a record with the measures that its study asks for, computed from the logits that the trial has kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson

from ablate.errors import RecordError
from ablate.files import read_file
from ablate.kinds.measures import ERROR, OwnMeasure, key_of, name_of, take_measure
from ablate.records.logits import Logits, read_evaluation, read_logits
from ablate.records.records import Record
from ablate.records.result import CODE, FINAL, TEST
from ablate.study.data import Data


def measured(record: Record, data: Data) -> Record:
    """The record with as many of its study's measures as can be known without a network; the files are only read.

    A value that was measured while the trial was trained is taken first, then one that was kept at its end, then it is
    computed from the logits. Measures of further test images have names such as on_gaussian_noise_3_error.

    Args:
        record: Of a trial of a network.
        data: Of the trial: says the measures and the further test images.

    Raises:
        RecordError: A file of the record is damaged.
        NotationError: A measure of the user's own raises an error or returns no number.
    """
    measures = data.measures
    if not measures and not data.also_test:
        return record
    images = {TEST: record.split, **({FINAL: "test"} if _final(data) in record.result else {})}
    result = dict(record.result)
    for prefix, name in images.items():
        result |= _more(record, data, measures, prefix, name)
    for extra in data.also_test:
        result |= _more(record, data, (ERROR.name, *measures), f"{extra.column}_", extra.key)
    return replace(record, result=result)


def unmeasured(record: Record, data: Data) -> list[str]:
    """The columns that measured() cannot fill: the images must be passed through the network once more.

    Args:
        record: Of a trial of a network.
        data: Of the trial.

    Raises:
        AblateError: As measured().
    """
    prefixes = [TEST, *([FINAL] if _final(data) in record.result else [])]
    wanted = [f"{prefix}{name_of(one)}" for prefix in prefixes for one in data.measures]
    wanted += [f"{extra.column}_{name_of(one)}" for extra in data.also_test for one in (ERROR.name, *data.measures)]
    known = measured(record, data).result if wanted else {}
    return [column for column in wanted if column not in known]


def _final(data: Data) -> str:
    """A column that every trial has whose test images were evaluated once."""
    return f"{FINAL}{data.task.entry.measures[0].name}"


def _more(record: Record, data: Data, measures: Sequence[str | OwnMeasure], prefix: str, images: str) -> dict[str, Any]:
    """The measures of one set of images that are not in the result, by column; None where the trial diverged."""
    missing = [one for one in measures if not _is_known(record, one, f"{prefix}{name_of(one)}")]
    if record.diverged or not missing:
        return {f"{prefix}{name_of(one)}": None for one in missing}
    evaluation = read_evaluation(record, images)
    kept = dict(evaluation.measures) if evaluation else {}
    found: dict[str, Any] = {}
    logits: Logits | None = None
    for one in missing:
        column, key = f"{prefix}{name_of(one)}", key_of(one)
        if key not in kept and (logits := logits or read_logits(record, images, classes=data.classes)):
            kept[key] = take_measure(one, logits.values, logits.labels)
        if key in kept:
            found[column] = kept[key]
    return found


def _is_known(record: Record, measure: str | OwnMeasure, column: str) -> bool:
    """Whether the result has a value of a measure, taken by the code that the study has now."""
    if column not in record.result:
        return False
    if isinstance(measure, str):
        return True
    taken_by = record.result.get(CODE, {})
    if isinstance(taken_by, dict) and measure.name in taken_by:
        return bool(taken_by[measure.name] == key_of(measure))
    with suppress(OSError, RecordError, orjson.JSONDecodeError, KeyError, TypeError):  # of a version with measures in ids
        defined = orjson.loads(read_file(record.directory / "trial.json"))["data"]["measures"]
        return orjson.loads(orjson.dumps(measure.identity())) in defined
    return True
