"""The epochs of a record as an array: what the curves of thousands of trials are read with.

Lines that are as append_epoch() writes them are read without a dict for each: their names are held against the known ones
and stripped, all at once, and the numbers are decoded as one list. Whatever else there is goes the plain way, through
parse_epochs(): a null, an exponent, a top-5 error, and all that is torn or damaged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import orjson

from ablate.records.records import EPOCH_FIELDS, Record, parse_epochs
from ablate.records.result import TEST, VALIDATION, renamed

Columns = npt.NDArray[np.float64]

_NUMBER = b"0123456789.-"
_LINE = {  # a line without its numbers
    kind: b"{%s}\n" % b",".join(b'"%s":' % name.encode() for name in renamed(dict.fromkeys(EPOCH_FIELDS), TEST, kind))
    for kind in (TEST, VALIDATION)
}
# The signs of a line that are kept. Its colons become minus signs and its braces blanks, so that a digit that stands before
# a colon or behind a brace, where no number is, leaves no JSON; the numbers come out negative.
_KEPT = bytes.maketrans(b":}\n", b"- ,")
_STRIPPED = bytes(set(range(256)) - set(_NUMBER + b",:}\n"))


def epoch_columns(record: Record, fields: Sequence[str]) -> Columns:
    """Some of EPOCH_FIELDS, shape (epochs, fields), NaN for null. Raises RecordError where epochs are lost."""
    measured = f"{record.split}_"
    lines = record.epoch_lines()
    values = _decode(lines, measured, fields)
    if values is None:
        rows = [[row[field] for field in fields] for row in parse_epochs(lines, measured)]
        values = np.array(rows, float).reshape(len(rows), len(fields))
    record.check_epochs(len(values))
    return values


def _decode(lines: bytes, measured: str, fields: Sequence[str]) -> Columns | None:
    """The fields, shape (epochs, fields); None where one line is not as most are, but for a torn last one."""
    lines, line = lines[: lines.rfind(b"\n") + 1], _LINE[measured]
    names = lines.translate(None, _NUMBER)
    epochs = len(names) // len(line)
    if names != line * epochs:
        return None
    try:
        numbers = orjson.loads(b"[%s]" % lines.translate(_KEPT, _STRIPPED)[:-1])
    except orjson.JSONDecodeError:
        return None
    table: Columns = np.abs(np.fromiter(numbers, float, len(numbers)).reshape(epochs, len(EPOCH_FIELDS)))
    if not np.array_equal(table[:, EPOCH_FIELDS.index("epoch")], np.arange(1, epochs + 1)):
        return None
    return table[:, [EPOCH_FIELDS.index(field) for field in fields]]
