"""Epochs as an array: the same as row by row, whatever is in the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ablate.errors import RecordError
from ablate.records.attempts import open_trial, write_result
from ablate.records.columns import _decode, epoch_columns
from ablate.records.epochs import EPOCH_FIELDS, Row, append_epoch, parse_epochs
from ablate.records.records import Record, read_record
from ablate.records.result import TEST, VALIDATION, renamed

HELD_OUT = b'{"data": {"held_out": {"folds": 5, "fold": 0}}}\n'
VALUES: dict[str, Any] = dict(zip(EPOCH_FIELDS, (1, 0.1, 2.302585, 90.0, 0.1 + 0.2, 100, 0, 12.345678901234567)))


def lines(count: int, measured: str = TEST, **changes: Any) -> bytes:
    rows = [renamed({**VALUES, "epoch": epoch, **changes}, TEST, measured) for epoch in range(1, count + 1)]
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def plain_epochs(data: bytes, measured: str) -> list[Row]:
    """Row by row, rule by rule."""
    rows: list[Row] = []
    for line in data.split(b"\n")[:-1]:
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            break
        if not isinstance(row, dict) or row.get("epoch") != len(rows) + 1:
            break
        needed = {field.replace(TEST, measured) for field in EPOCH_FIELDS}
        if not set(row) & {"train_error", "test_error", "validation_error"}:  # of another task, with another measure
            needed -= {"train_error", f"{measured}error"}
            if not [key for key in row if key.startswith(measured) and key not in needed]:
                break
        if not needed <= set(row):
            break
        if not all(value is None or isinstance(value, (int, float)) for value in row.values()):
            break
        rows.append({key.replace(measured, TEST) if key.startswith(measured) else key: row[key] for key in row})
    return rows


def as_array(rows: list[Row]) -> np.ndarray[Any, Any]:
    return np.array([[row.get(field) for field in EPOCH_FIELDS] for row in rows], float).reshape(
        len(rows), len(EPOCH_FIELDS)
    )


def assert_read_alike(directory: Path, data: bytes, measured: str = TEST) -> int:
    """Reads these lines both ways; the number of epochs in them."""
    (directory / "epochs.jsonl").write_bytes(data)
    plain = plain_epochs(data, measured)
    assert parse_epochs(data, measured) == plain
    found = epoch_columns(
        Record(directory.name, directory.parent, {}, "test" if measured == TEST else "validation"), EPOCH_FIELDS
    )
    assert found.dtype == float and np.array_equal(found, as_array(plain), equal_nan=True)
    return len(plain)


@pytest.mark.parametrize("measured", [TEST, VALIDATION])
def test_what_a_training_writes_is_read_at_once(tmp_path: Path, measured: str) -> None:
    for tail in (b"", b'{"epoch":4,"lr":0.', b'{"epoch":4,"lr":0.1'):
        data = lines(3, measured) + tail
        assert assert_read_alike(tmp_path, data, measured) == 3
        decoded = _decode(data, measured, EPOCH_FIELDS)
        assert decoded is not None and np.array_equal(decoded, as_array(plain_epochs(data, measured)))
    assert assert_read_alike(tmp_path, b"") == 0


GOOD = lines(3)
FIRST, SECOND, THIRD = GOOD.splitlines(keepends=True)
LEAST = 5e-324


@pytest.mark.parametrize(
    ("data", "epochs"),
    [
        (lines(3, train_loss=None), 3),
        (lines(3, train_loss=1e-7), 3),
        (lines(3, train_loss=1e300, lr=LEAST), 3),
        (lines(3, train_loss=-0.5), 3),
        (lines(3, train_loss=-0.0), 3),
        (lines(3, test_seconds=2**64 - 1), 3),
        (GOOD.replace(b'"lr":0.1', b'"lr":123456789012345678901'), 3),
        (lines(3, train_loss=True), 3),
        (lines(3, test_top5_error=1.5), 3),
        (lines(3, train_loss="2.5"), 0),
        (lines(3, extra=[1]), 0),
        (lines(3, VALIDATION), 0),
        (b"\n" + GOOD, 0),
        (GOOD + b"\n", 3),
        (GOOD.replace(b",", b", "), 3),
        (FIRST + THIRD, 1),
        (SECOND + THIRD, 0),
        (FIRST + FIRST + SECOND, 1),
        (FIRST.replace(b'"lr"', b'"lr2"') + SECOND, 0),
        (FIRST.replace(b'"lr":0.1', b'"lr0.":1') + SECOND, 0),
        (FIRST.replace(b'"lr":0.1', b'"lr0.1":') + SECOND, 0),
        (FIRST.replace(b'"lr":', b'"lr":,') + SECOND, 0),
        (FIRST.replace(b'"lr":0.1', b'"lr":') + SECOND, 0),
        (FIRST.replace(b'"lr":0.1', b'"lr":-') + SECOND, 0),
        (FIRST.replace(b'"lr":0.1', b'"lr":0.1.1') + SECOND, 0),
        (FIRST.replace(b'"lr":0.1', b'"lr":00.1') + SECOND, 0),
        (FIRST.replace(b'"lr":0.1', b'"lr"-:0.1') + SECOND, 0),
        (FIRST.replace(b"}", b"}7") + SECOND, 0),
        (FIRST + SECOND.replace(b"{", b"7{"), 1),
        (FIRST + SECOND.replace(b"{", b"-{"), 1),
        (FIRST + SECOND[:-20] + b"\n" + THIRD, 1),
        (FIRST + b"\0" * len(SECOND) + THIRD, 1),
        (GOOD.replace(b'"epoch":2', b'"epoch":2.0'), 3),
        (GOOD.replace(b'"epoch":2', b'"epoch":-2'), 1),
        (GOOD.replace(b'"epoch":2', b'"epoch":"2"'), 1),
        (lines(3).replace(b'"test_error"', b'"test_AP"').replace(b'"train_error":90.0,', b""), 3),
        (lines(3).replace(b'"test_error"', b'"test_AP"'), 0),
        (lines(3).replace(b'"test_error":100,', b"").replace(b'"train_error":90.0,', b""), 0),
        (json.dumps(dict(reversed(VALUES.items()))).encode() + b"\n", 1),
    ],
)
def test_other_lines_are_read_as_they_are_row_by_row(tmp_path: Path, data: bytes, epochs: int) -> None:
    assert assert_read_alike(tmp_path, data) == epochs


EDITS = st.tuples(st.integers(0, len(GOOD)), st.integers(0, 3), st.text('0123456789.-+e,:"{}\n lrn[]', max_size=3))


@given(edits=st.lists(EDITS, min_size=1, max_size=3))
@example(edits=[(GOOD.index(b"}") + 1, 0, "7")])
@example(edits=[(GOOD.index(b":"), 0, "7")])
def test_no_damage_reads_otherwise_than_row_by_row(tmp_path_factory: pytest.TempPathFactory, edits: Any) -> None:
    data = GOOD
    for place, removed, put in edits:
        data = data[:place] + put.encode() + data[place + removed :]
    assert_read_alike(tmp_path_factory.mktemp("damaged"), data)


@pytest.mark.parametrize("definition", [b"{}", HELD_OUT])
def test_a_record_that_lost_epochs_is_refused_as_row_by_row(tmp_path: Path, definition: bytes) -> None:
    directory = tmp_path / ("a" * 16)
    open_trial(directory, definition)
    for epoch in (1, 2):
        append_epoch(directory, {**VALUES, "epoch": epoch})
    write_result(directory, {"status": "completed", "epochs": 2, "test_error": 100})
    record, path = read_record(tmp_path, directory.name), directory / "epochs.jsonl"
    assert record is not None and epoch_columns(record, ("test_loss", "epoch")).tolist() == [[0.1 + 0.2, 1], [0.1 + 0.2, 2]]
    whole = path.read_bytes()
    for left in (whole[:-3], whole + whole, whole + whole.replace(b":2,", b":4,").replace(b":1,", b":3,"), b"", None):
        path.unlink(missing_ok=True)
        if left is not None:
            path.write_bytes(left)
        with pytest.raises(RecordError) as plain:
            record.epochs()
        with pytest.raises(RecordError, match=r"damaged, its epochs.jsonl is not that of its result.json") as error:
            epoch_columns(record, ("epoch",))
        assert str(error.value) == str(plain.value)
