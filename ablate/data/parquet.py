"""Tables of encoded images and labels in Parquet files, as the Hugging Face hub stores them. They need pyarrow."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ablate.data.arrays import MOST_CLASSES, called, count_classes, from_parts
from ablate.data.decoding import SAMPLED, facts_of, read_header, read_pixels, to_square
from ablate.data.folders import MOST_BYTES
from ablate.data.read_options import ColumnNames, Facts, ReadOptions
from ablate.data.sources import Labelled, Labels, Source, stratified
from ablate.data.split import draw_test
from ablate.errors import DataError, allowed

ROWS = 256  # that are read at a time
LOOKED_FOR = "train*.parquet and test*.parquet, in the directory itself or in data/"


def parquet(options: ReadOptions) -> Source:
    """The source of the tables DIR/train*.parquet, DIR/test*.parquet and DIR/validation*.parquet, or in DIR/data."""

    def read(root: Path, part: str, image_size: int) -> Labelled:
        paths = _find_tables(root, part)
        image, label = _find_columns(paths[0], options.columns)
        labels = _read_labels(paths, label, _read_names(_find_tables(root, "train"), label))
        chosen = _used(labels, part, options)
        channels = options.channels or _facts(root, options).channels
        images = np.zeros((len(chosen), image_size, image_size, channels), np.uint8)
        wanted = iter([*chosen.tolist(), -1])
        row, n = next(wanted), 0
        for index, (path, data) in enumerate(_encoded(paths, image)):
            if index == row:
                images[n] = to_square(_decode(path, index, data, channels), image_size, options.resize or "crop")
                row, n = next(wanted), n + 1
        return Labelled(images, labels[chosen])

    def files(root: Path, parts: tuple[str, ...]) -> list[Path]:
        found = [_find_tables(root, part) for part in parts]
        return [path for paths in found for path in paths] if all(found) else []

    source = from_parts(read, files, lambda root: _facts(root, options), LOOKED_FOR, options)
    return source._replace(labels=lambda root, training_only: _labels(root, options, training_only))


def _used(labels: Labels, part: str, options: ReadOptions) -> Labels:
    """The rows that are decoded: those in use, or all of which some are drawn."""
    size = dict(zip(("train", "test"), options.sizes)).get(part)
    if options.split or size is None or size >= len(labels):
        return np.arange(len(labels))
    return stratified(labels, size)


def _labels(root: Path, options: ReadOptions, training_only: bool) -> tuple[Labels, ...]:
    """The labels of all training and all test images, or of the former."""
    paths = _find_tables(root, "train")
    _, label = _find_columns(paths[0], options.columns)
    names = _read_names(paths, label)
    train = _read_labels(paths, label, names)
    if options.split:
        first, second = draw_test(train, options.split)
        return (train[first],) if training_only else (train[first], train[second])
    return (train,) if training_only else (train, _read_labels(_find_tables(root, "test"), label, names))


def _facts(root: Path, options: ReadOptions) -> Facts:
    """What the tables say: the label column is read, and the headers of the first images."""
    paths = _find_tables(root, "train")
    if not paths:
        raise DataError(f"{LOOKED_FOR} not found in {root.absolute()}")
    image, label = _find_columns(paths[0], options.columns)
    labels = _read_labels(paths, label, _read_names(paths, label))
    headers = []
    for index, (path, data) in enumerate(_encoded(paths, image, SAMPLED)):
        if index == SAMPLED:
            break
        try:
            headers.append(read_header(io.BytesIO(data)))
        except Exception as error:  # damaged bytes can raise any error
            raise _damaged(path, index, error) from None
    tests = [] if options.split else _find_tables(root, "test")
    images = len(labels), sum(_table(path).metadata.num_rows for path in tests)
    return facts_of(count_classes(labels), headers)._replace(images=images)


def _find_tables(root: Path, part: str) -> list[Path]:
    """The files of a part, in the directory or in its data/, in order of their names; empty if there are none."""
    for folder in (root, root / "data"):
        for name in called(part):
            found = [path for form in (name, f"{name}-*", f"{name}_*") for path in folder.glob(f"{form}.parquet")]
            if paths := sorted(path for path in found if path.is_file()):
                return paths
    return []


def _find_columns(path: Path, said: ColumnNames) -> tuple[str, str]:
    """The names of the columns of images and labels: those that a study says, or those that only they can be."""
    import pyarrow.types as types

    schema = _table(path).schema_arrow
    columns = {name: schema.field(name).type for name in schema.names}

    def holds_images(kind: Any) -> bool:
        if types.is_struct(kind):
            kind = next((field.type for field in kind if field.name == "bytes"), kind)
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    def holds_labels(kind: Any) -> bool:
        return bool(types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind))

    found = []
    for key, name, holds in (("image", said.image, holds_images), ("label", said.label, holds_labels)):
        fitting = [name for name, kind in columns.items() if holds(kind)]
        if name and name not in fitting:
            raise DataError(f"{path}: data.columns.{key}: found '{name}'; {allowed(name, fitting)}")
        usual = [name or key] if (name or key) in fitting else fitting
        if len(usual) != 1:
            among = (
                f"several columns can hold it ({', '.join(usual)})" if usual else f"no column of {', '.join(columns)} does"
            )
            raise DataError(f"{path}: which column is the {key}: {among}; set data.columns: {{{key}: NAME}}")
        found.append(usual[0])
    image, label = found
    return image, label


def _read_names(paths: Sequence[Path], label: str) -> list[str]:
    """The names of the classes where the labels are texts, sorted; empty where they are numbers."""
    import pyarrow.types as types

    if types.is_integer(_table(paths[0]).schema_arrow.field(label).type):
        return []
    return sorted({str(name) for values in _columns(paths, label) for name in values})


def _read_labels(paths: Sequence[Path], label: str, names: Sequence[str]) -> Labels:
    """The labels of all rows, int64 (N,); `names` are the classes, where labels are texts."""
    values = [value for column in _columns(paths, label) for value in column]
    index = {name: i for i, name in enumerate(names)}
    if odd := [
        value for value in values if value is None or (value not in index if names else not 0 <= value < MOST_CLASSES)
    ][:1]:
        wanted = "a class of the training images" if names else "whole numbers from 0"
        raise DataError(f"{paths[0]}: column {label}: found {odd[0]!r}; allowed: {wanted}")
    if not values:
        raise DataError(f"{paths[0]}: has no row; allowed: one image or more")
    return np.array([index[value] for value in values] if names else values, np.int64)


def _columns(paths: Sequence[Path], label: str) -> Iterator[list[Any]]:
    for path in paths:
        try:
            yield _table(path).read(columns=[label]).column(label).to_pylist()
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{path}: column {label} cannot be read: {error}") from None


def _encoded(paths: Sequence[Path], image: str, rows: int = ROWS) -> Iterator[tuple[Path, bytes]]:
    """(file, encoded image) of all rows, in order."""
    for path in paths:
        try:
            for batch in _table(path).iter_batches(rows, columns=[image]):
                for value in batch.column(0).to_pylist():
                    data = value.get("bytes") if isinstance(value, dict) else value
                    if not isinstance(data, bytes) or len(data) > MOST_BYTES:
                        raise DataError(f"{path}: column {image}: a row has no image in it; store the images' bytes")
                    yield path, data
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: column {image} cannot be read: {error}") from None


def _decode(path: Path, index: int, data: bytes, channels: int) -> Any:
    try:
        return read_pixels(io.BytesIO(data), channels)
    except Exception as error:  # damaged bytes can raise any error
        raise _damaged(path, index, error) from None


def _damaged(path: Path, index: int, error: Exception) -> DataError:
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return DataError(f"{path}: image {index:,} of the part, from 0, cannot be read: {said}")


def _table(path: Path) -> Any:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise DataError("parquet files need pyarrow: pip install pyarrow") from None
    try:
        return ParquetFile(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: damaged, or not a Parquet file: {error}") from None
