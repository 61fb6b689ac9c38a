"""JSON files whose last field is the SHA-256 of all before it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from ablate.errors import DamagedRecord, RecordError
from ablate.files import read_file

HASH = "sha256"  # the last field: the hash of all before it
JSON_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
_HASH, _END = b',\n  "%s": ' % HASH.encode(), b"\n}\n"


def sealed_bytes(fields: Mapping[str, Any]) -> bytes:
    """The bytes of a file whose last field is the SHA-256 of all before it.

    Args:
        fields: Plain values.
    """
    return _sealed(orjson.dumps(fields, option=JSON_OPTIONS).removesuffix(_END))


def read_sealed(path: Path) -> dict[str, Any]:
    """The fields of a file of sealed_bytes(), without the hash.

    Args:
        path: Of the file.

    Raises:
        RecordError: The file is missing or damaged.
    """
    value = find_sealed(path)
    if value is None:
        raise RecordError(f"{path}: is missing; run again")
    return value


def find_sealed(path: Path, sealed: Callable[[dict[str, Any]], bool] = lambda fields: True) -> dict[str, Any] | None:
    """The fields of a file of sealed_bytes(), without the hash; None if there is no such file.

    Args:
        path: Of the file.
        sealed: (fields) -> whether the file must have the hash.

    Raises:
        RecordError: The file is damaged, or cannot be read.
    """
    try:
        data = read_file(path)
        value = orjson.loads(data)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error}); try again") from None
    except orjson.JSONDecodeError as error:
        raise DamagedRecord(f"{path}: cannot be read ({error}); remove it and run again") from None
    if not isinstance(value, dict):
        raise DamagedRecord(f"{path}: not a JSON object; remove it and run again")
    if sealed(value) and data != _sealed(data[: data.rfind(_HASH)]):
        raise DamagedRecord(f"{path}: damaged, its {HASH} is not that of its content; remove it and run again")
    value.pop(HASH, None)
    return value


def _sealed(head: bytes) -> bytes:
    """The bytes of a file: `head` and the last line, which holds the SHA-256 of `head`."""
    return b'%s%s"%s"%s' % (head, _HASH, hashlib.sha256(head).hexdigest().encode(), _END)
