"""The epochs of a record as an array, to read the curves of thousands of trials quickly.

Lines in the form that append_epoch() writes are read without a dict for each: the names are compared with the known names
and removed from all lines at once, and the numbers are decoded as one list. All other lines are read by parse_epochs():
those with a null, an exponent or a top-5 error, and torn or damaged ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import orjson

from ablate.records.epochs import EPOCH_FIELDS, parse_epochs
from ablate.records.records import PREFIX, Record
from ablate.records.result import TEST, VALIDATION, renamed

Columns = npt.NDArray[np.float64]

_NUMBER = b"0123456789.-"
_LINE = {  # a line without its numbers
    kind: b"{%s}\n" % b",".join(b'"%s":' % name.encode() for name in renamed(dict.fromkeys(EPOCH_FIELDS), TEST, kind))
    for kind in (TEST, VALIDATION)
}
# The characters of a line that are kept. Colons become minus signs and braces become blanks. A digit before a colon or
# after a brace, where no number is allowed, then makes the text invalid JSON. The numbers are negative.
_KEPT = bytes.maketrans(b":}\n", b"- ,")
_STRIPPED = bytes(set(range(256)) - set(_NUMBER + b",:}\n"))


def epoch_columns(record: Record, fields: Sequence[str]) -> Columns:
    """Some fields of every epoch of a record, shape (epochs, fields). A null is NaN.

    Args:
        record: Of read_record().
        fields: Names of EPOCH_FIELDS, or of other measures.

    Raises:
        RecordError: epochs.jsonl is not the one that was recorded, or epochs are missing.
    """
    measured = PREFIX[record.split]
    lines = record.epoch_lines()
    values = _decode(lines, measured, fields)
    if values is None:
        rows = [[row.get(field) for field in fields] for row in parse_epochs(lines, measured)]
        values = np.array(rows, float).reshape(len(rows), len(fields))
    record.check_epochs(len(values))
    return values


def _decode(lines: bytes, measured: str, fields: Sequence[str]) -> Columns | None:
    """The fields, shape (epochs, fields), without a torn last line; None where a line has an unusual form."""
    lines, line = lines[: lines.rfind(b"\n") + 1], _LINE[measured]
    if not set(fields) <= set(EPOCH_FIELDS):
        return None
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
