"""MATLAB files of version 5 -> arrays of numbers, and nothing else that such a file can hold.

What a file says of its own sizes is believed only as far as its bytes bear it out, so a damaged or hostile one is an error
and takes no more memory than an honest one; scipy's reader can end the process. Source: MATLAB, "MAT-File Format".
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MATRIX, COMPRESSED, INT8, INT32 = 14, 15, 1, 5
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # by type
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}  # of arrays
COMPLEX, LOGICAL = 0x0800, 0x0200  # flags
FREE, MOST = 1 << 26, 100  # bytes of any file that may be unpacked; beyond it, so many times its own size

Array = np.ndarray[Any, Any]


class Element(NamedTuple):
    """A part of a file: its type, its bytes, and those that follow it."""

    kind: int
    content: memoryview
    rest: memoryview


def read_matlab(path: Path, names: Iterable[str]) -> dict[str, Array]:
    """The arrays of these names in a file, those that it has. Raises ValueError for what is no such file, and OSError."""
    data = memoryview(path.read_bytes())
    if len(data) < 128 or bytes(data[126:128]) not in (b"IM", b"MI"):
        raise ValueError("no MATLAB file of version 5")
    order = "<" if bytes(data[126:128]) == b"IM" else ">"
    most = max(FREE, MOST * len(data))
    found = {}
    for element in _elements(data[128:], order, padded=False):
        kind, content = element.kind, element.content
        if kind == COMPRESSED:
            content = _unpack(content, most)
            most -= len(content)
            kind, content, _ = _element(content, order, padded=False)
        if kind == MATRIX and (array := _matrix(content, order, set(names))):
            found[array[0]] = array[1]
    return found


def _element(data: memoryview, order: str, padded: bool = True) -> Element:
    """The first element; what is padded to 8 bytes, as all inside an array is, is followed by the padding."""
    if len(data) < 8:
        raise ValueError("it is cut off")
    kind, size = (int(number) for number in np.frombuffer(data[:8], f"{order}u4"))
    start = 8
    if kind >> 16:  # a small one: its bytes lie in the tag
        kind, size, start = kind & 0xFFFF, kind >> 16, 4
    end = start + size
    if end > (8 if start == 4 else len(data)):
        raise ValueError("it is cut off")
    after = 8 if start == 4 else end + (-size % 8 if padded else 0)
    return Element(kind, data[start:end], data[after:])


def _elements(data: memoryview, order: str, padded: bool = True) -> Iterator[Element]:
    while data:
        element = _element(data, order, padded)
        data = element.rest
        yield element


def _unpack(content: memoryview, most: int) -> memoryview:
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(content, most)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not unpacking.eof:
        raise ValueError("it is cut off, or unpacks to too much" if unpacking.unconsumed_tail else "it is cut off")
    return memoryview(data)


def _matrix(data: memoryview, order: str, names: set[str]) -> tuple[str, Array] | None:
    """The name and the array of a matrix, None of one that is not asked for or holds something else than real numbers."""
    flags, sizes, name, *parts = _elements(data, order)
    if (sizes.kind, name.kind) != (INT32, INT8) or len(flags.content) != 8 or len(sizes.content) % 4:
        raise ValueError("an array without flags, sizes or name")
    text = bytes(name.content).decode("ascii", "replace")
    flag = int(np.frombuffer(flags.content, f"{order}u4")[0])
    if text not in names or flag & 0xFF not in CLASSES or flag & COMPLEX or len(parts) != 1:
        return None
    (stored,), shape = parts, [int(size) for size in np.frombuffer(sizes.content, f"{order}i4")]
    kind = STORED.get(stored.kind)
    if kind is None or not shape or min(shape) < 0 or len(stored.content) != math.prod(shape) * np.dtype(kind).itemsize:
        raise ValueError(f"{text}: its bytes are not those of an array {tuple(shape)}")
    array = np.frombuffer(stored.content, order + kind).reshape(shape, order="F")
    return text, array.astype(CLASSES[flag & 0xFF], copy=False)
