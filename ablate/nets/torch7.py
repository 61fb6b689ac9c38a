"""A bounded reader of Torch7's binary files (.t7), which runs nothing of them.

A file is one object. Each begins with its type as a 4-byte number: nothing, number, text, table, object of a class,
boolean; functions are refused. Tables and objects have a number of their own and are written once. A tensor is sizes,
strides, an offset and a storage; a storage is a length and its numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablate.errors import DataError

NIL, NUMBER, TEXT, TABLE, OBJECT, BOOLEAN, FUNCTIONS = 0, 1, 2, 3, 4, 5, (6, 7, 8)
MOST_DEPTH, MOST_OBJECTS, MOST_TEXT, MOST_AXES = 100, 1_000_000, 1 << 16, 8
STORAGES = {
    "Double": "<f8", "Float": "<f4", "Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1", "Byte": "u1",
    "Cuda": "<f4", "CudaDouble": "<f8", "CudaHalf": "<f2", "CudaLong": "<i8", "CudaInt": "<i4",
}  # fmt: skip
WEIGHTS = ("weight", "bias", "running_mean", "running_var")


@dataclass
class Torch7Object:
    """An object of a class, such as nn.SpatialConvolution.

    Args:
        kind: The name of the class.
        fields: Its fields by name.
    """

    kind: str
    fields: dict[Any, Any]


def read_torch7(path: Path) -> Any:
    """The object in a file: numbers, texts, tables as dictionaries, tensors as arrays, Torch7Object.

    Raises:
        DataError: The file is not of this form, or is larger than it may be.
    """
    try:
        return _Reader(np.memmap(path, np.uint8, "r")).read()
    except (ValueError, struct.error, OSError, RecursionError, UnicodeDecodeError) as error:
        raise DataError(f"weights {path}: damaged, or no Torch7 file ({error})") from None


def modules_with_weights(value: Any) -> Iterator[dict[str, NDArray[Any]]]:
    """The tensors of each module that has a weight, by the names of its fields, in the order of the network.

    Args:
        value: A network as read_torch7() reads it, also as a field `model` of a table.

    Raises:
        DataError: The value is no network.
    """
    if isinstance(value, dict) and isinstance(value.get("model"), Torch7Object):
        value = value["model"]
    if not isinstance(value, Torch7Object):
        raise DataError(f"a Torch7 file of {type(value).__name__}; allowed: a network, or a table with 'model'")
    yield from _modules(value, set())


def _modules(module: Any, seen: set[int], depth: int = 0) -> Iterator[dict[str, NDArray[Any]]]:
    """The tensors of a module and of those inside it, each once."""
    if not isinstance(module, Torch7Object) or id(module) in seen:
        return
    if depth > MOST_DEPTH:
        raise DataError(f"a Torch7 network with modules nested more than {MOST_DEPTH} deep; it is not read")
    seen.add(id(module))
    fields = module.fields
    if isinstance(fields.get("weight"), np.ndarray):
        found = {name: fields[name] for name in WEIGHTS if isinstance(fields.get(name), np.ndarray)}
        if "running_var" not in found and isinstance(
            fields.get("running_std"), np.ndarray
        ):  # 1 / sqrt(var + eps), of old files
            if not isinstance(eps := fields.get("eps", 1e-5), float):
                raise DataError(f"a Torch7 module whose eps is {type(eps).__name__}; allowed: a number")
            with np.errstate(divide="ignore"):
                found["running_var"] = fields["running_std"].astype(np.float64) ** -2 - eps
        yield found
    inside = fields.get("modules")
    if isinstance(inside, dict):
        for i in range(1, len(inside) + 1):
            yield from _modules(inside.get(i), seen, depth + 1)


class _Reader:
    """Reads a file from its first byte.

    Args:
        data: The bytes of the file.
    """

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self.data, self.place = data, 0
        self.known: dict[int, Any] = {}

    def read(self, depth: int = 0) -> Any:
        """The next object."""
        if depth > MOST_DEPTH:
            raise ValueError(f"nested more than {MOST_DEPTH} deep")
        kind = self._int()
        if kind == NIL:
            return None
        if kind == NUMBER:
            return self._one("<d")
        if kind == TEXT:
            return self._text()
        if kind == BOOLEAN:
            return self._int() == 1
        if kind in FUNCTIONS:
            raise ValueError("has a function, which is not run; save the network without it")
        if kind not in (TABLE, OBJECT):
            raise ValueError(f"unknown type {kind}")
        index = self._int()
        if index in self.known:
            return self.known[index]
        if len(self.known) >= MOST_OBJECTS:
            raise ValueError(f"more than {MOST_OBJECTS:,} objects")
        if kind == TABLE:
            self.known[index] = {}
            self._fill(self.known[index], depth)
            return self.known[index]
        return self._object(index, depth)

    def _fill(self, table: dict[Any, Any], depth: int) -> None:
        """Read the pairs of a table."""
        for _ in range(self._length()):
            key, value = self.read(depth + 1), self.read(depth + 1)
            if not isinstance(key, (str, float, bool)):
                raise ValueError(f"a {type(key).__name__} as a key")
            table[int(key) if isinstance(key, float) and key.is_integer() else key] = value

    def _object(self, index: int, depth: int) -> Any:
        """An object of a class: a tensor, a storage, or one with a table of fields."""
        name = self._text()
        name = self._text() if name.startswith("V ") else name
        kind = name.removeprefix("torch.")
        if kind.endswith("Storage") and kind[:-7] in STORAGES:
            self.known[index] = storage = self._numbers(STORAGES[kind[:-7]], self._one("<q"))
            return storage
        if kind.endswith("Tensor") and kind[:-6] in STORAGES:
            self.known[index] = None
            self.known[index] = tensor = self._tensor(depth)
            return tensor
        self.known[index] = made = Torch7Object(name, {})
        fields = self.read(depth + 1)
        if isinstance(fields, dict):
            made.fields = fields
        return made

    def _tensor(self, depth: int) -> NDArray[Any]:
        """A tensor: its axes, sizes, strides, offset from 1, and storage."""
        axes = self._int()
        if not 0 <= axes <= MOST_AXES:
            raise ValueError(f"a tensor of {axes} axes")
        sizes, strides = (tuple(self._numbers("<i8", axes).tolist()) for _ in range(2))
        first, storage = self._one("<q") - 1, self.read(depth + 1)
        if not axes:
            return np.zeros(0, np.float32)
        if not isinstance(storage, np.ndarray) or storage.ndim != 1:
            raise ValueError("a tensor without a storage")
        last = first + sum((size - 1) * stride for size, stride in zip(sizes, strides))
        if first < 0 or min(sizes) < 1 or min(strides) < 0 or last >= len(storage):
            raise ValueError("a tensor outside of its storage")
        found = np.lib.stride_tricks.as_strided(
            storage[first:], sizes, [stride * storage.itemsize for stride in strides], writeable=False
        )
        if found.size > len(storage):
            raise ValueError("a tensor larger than its storage")
        return found

    def _numbers(self, kind: str, length: int) -> NDArray[Any]:
        """Numbers of one type."""
        size = np.dtype(kind).itemsize * length
        if length < 0 or size > len(self.data) - self.place:
            raise ValueError("ends too early")
        self.place += size
        return self.data[self.place - size : self.place].view(kind)

    def _one(self, form: str) -> Any:
        size = struct.calcsize(form)
        (found,) = struct.unpack(form, self.data[self.place : self.place + size].tobytes())
        self.place += size
        return found

    def _int(self) -> int:
        return int(self._one("<i"))

    def _length(self) -> int:
        if not 0 <= (length := self._int()) <= MOST_OBJECTS:
            raise ValueError(f"a length of {length}")
        return length

    def _text(self) -> str:
        if (length := self._length()) > MOST_TEXT:
            raise ValueError(f"a text of {length:,} bytes")
        return bytes(self._numbers("u1", length)).decode("utf-8", "replace")
