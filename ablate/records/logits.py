"""The logits that a trial keeps of the images it is measured on at its last epoch.

For each set of images there are two files in the trial's directory: logits-NAME.safetensors, and evaluation-NAME.json,
which says under its hash whose they are, and the hash of the other. Logits are kept as float16 below the largest logit of
their image, which is kept as float32: so probabilities hardly change, and neither first predictions nor whether a label is
among the first five do. Where one would, all are kept as float32.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ablate.errors import DamagedRecord, RecordError
from ablate.files import read_file, write_atomically
from ablate.records.epochs import read_epoch_lines
from ablate.records.records import Record
from ablate.records.sealed import read_sealed, sealed_bytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

TESTED = ""  # the weights that were tested, whichever they are
MOST_BYTES = 1 << 31  # of a file of logits that is read
MOST_IMAGES = 1 << 31
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, eq=False)
class Logits:
    """The logits of a trial for some images, after its last epoch.

    Args:
        values: Shape (N, classes), float32.
        labels: Shape (N,), int64, from 0.
        positions: Shape (N,), int64: the number of each image in its part of the data set, from 0 in the files' order.
            The part is that of the test images; for held-out images that of the training images.
        images: The name of the set of images: "test" or "validation" (held-out images), or that of a further test set.
        weights: The weights that were tested: "trained", or "ema" for their moving average.
    """

    values: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    images: str
    weights: str = "trained"


class Evaluation(BaseModel):
    """A trial's evaluation-NAME.json, without its hash.

    Args:
        trial: The trial's id.
        epochs_sha256: Of the trial's epochs.jsonl.
        images: The name of the set of images.
        weights: "trained" or "ema".
        count: How many images were evaluated.
        data_digest: Of the files of the images, where they are not the trial's; "" else.
        logits_sha256: Of the file of logits; None: none are kept.
        measures: Measures of these images by name; None where logits were not finite.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    trial: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    epochs_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    images: Annotated[str, Field(min_length=1, max_length=64)]
    weights: Literal["trained", "ema"] = "trained"
    count: Annotated[int, Field(ge=1, lt=MOST_IMAGES)]
    data_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{0,64}$")] = ""
    logits_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    measures: dict[str, Annotated[float, Field(allow_inf_nan=False)] | None] = {}


def pack(logits: Logits) -> bytes | None:
    """The bytes of a file of logits; None if they are not all finite.

    Args:
        logits: At least one image.
    """
    import numpy as np
    from safetensors.numpy import save

    if not np.isfinite(logits.values).all():
        return None
    largest = logits.values.max(1)
    below = _half(logits.values - largest[:, None])
    # Rounding keeps the order but for ties, so a label can only come among the first five. One step puts it back.
    moved = np.nonzero(_in_first(_joined(below, largest), logits.labels) & ~_in_first(logits.values, logits.labels))[0]
    place = moved, logits.labels[moved]
    below[place] = np.nextafter(below[place], np.float16(-np.inf))
    restored = _joined(below, largest)
    same = (
        np.isfinite(below).all()
        and np.array_equal(restored.argmax(1), logits.values.argmax(1))
        and np.array_equal(_in_first(restored, logits.labels), _in_first(logits.values, logits.labels))
    )
    tensors: dict[str, Any] = {"below": below, "largest": largest} if same else {"logits": logits.values}
    kind = next(one for one in (np.uint8, np.uint16, np.int32) if logits.values.shape[1] - 1 <= np.iinfo(one).max)
    tensors["labels"] = logits.labels.astype(kind)
    if not np.array_equal(logits.positions, np.arange(len(logits.positions))):
        tensors["positions"] = logits.positions.astype(np.int32)
    return save({name: np.ascontiguousarray(array) for name, array in tensors.items()})


def unpack(data: bytes, images: str, weights: str) -> Logits:
    """The logits in the bytes of pack().

    Args:
        data: Of the file.
        images: The name of the set of images.
        weights: "trained" or "ema".

    Raises:
        ValueError: They are something else.
    """
    import numpy as np
    from safetensors.numpy import load

    try:
        found: dict[str, npt.NDArray[Any]] = load(data)
    except Exception:  # bytes that are no safetensors can raise any exception
        raise ValueError("not a safetensors file of logits") from None
    kinds = {"logits": "f4", "below": "f2", "largest": "f4", "labels": "iu", "positions": "i4"}
    for name, array in found.items():
        kind = kinds.get(name, "")
        if not kind or array.dtype.kind not in kind or (kind[-1].isdigit() and array.dtype.itemsize != int(kind[-1])):
            raise ValueError(f"{name}: of another type")
    match found:
        case {"below": below, "largest": largest} if below.ndim == 2 and largest.shape == below.shape[:1]:
            values = _joined(below, largest)
        case {"logits": values} if values.ndim == 2:
            pass
        case _:
            raise ValueError("without logits")
    labels = found.get("labels", np.empty(0)).astype(np.int64)
    positions = found.get("positions", np.arange(len(values))).astype(np.int64)
    if not len(values) or not labels.shape == positions.shape == values.shape[:1]:
        raise ValueError("arrays of other lengths")
    if not np.isfinite(values).all() or labels.min() < 0 or labels.max() >= values.shape[1] or positions.min() < 0:
        raise ValueError("values out of range")
    return Logits(values.astype(np.float32), labels, positions, images, weights)


def _half(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    import numpy as np

    with np.errstate(over="ignore", under="ignore"):
        half: npt.NDArray[np.float16] = np.maximum(values, np.finfo(np.float16).min).astype(np.float16)
        return half


def _joined(below: npt.NDArray[np.float16], largest: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    import numpy as np

    return below.astype(np.float32) + largest[:, None]


def _in_first(values: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether each label is among the first five predictions: fewer than five classes have a larger logit."""
    import numpy as np

    return np.asarray((values > np.take_along_axis(values, labels[:, None], 1)).sum(1) < 5)


def file_name(images: str, weights: str = TESTED) -> str:
    """NAME in the names of the two files.

    Args:
        images: The name of the set of images.
        weights: TESTED, or "trained" for those that were not tested because their moving average was.

    Raises:
        RecordError: The name cannot be that of a file.
    """
    name = f"{images}-{weights}" if weights else images
    if not _NAME.fullmatch(name):
        raise RecordError(f"evaluation {name!r}: not a name of images; use lower-case letters, digits, '_' and '-'")
    return name


def write_evaluation(
    directory: Path,
    logits: Logits,
    weights: str = TESTED,
    measure: Callable[[Logits | None], Mapping[str, float | None]] = lambda logits: {},
    most: float = math.inf,
    data_digest: str = "",
) -> int:
    """Write the two files of an evaluation and return the bytes of the logits that are kept, 0 for none.

    Args:
        directory: Of the trial; its epochs are complete.
        logits: Of the images.
        weights: As in file_name().
        measure: Called with the logits as they would be read again, or None if they are not all finite; returns measures by
            name.
        most: Bytes that the logits may have; more are not kept.
        data_digest: As in Evaluation.

    Raises:
        OSError: A file cannot be written.
    """
    name = file_name(logits.images, weights)
    path = directory / f"logits-{name}.safetensors"
    packed = pack(logits)
    measures = measure(unpack(packed, logits.images, logits.weights) if packed else None)
    data = packed if packed and len(packed) <= most else None
    evaluation = directory / f"evaluation-{name}.json"
    evaluation.unlink(missing_ok=True)  # so that none is of other logits if this process is killed
    if data:
        write_atomically(path, data)
    else:
        path.unlink(missing_ok=True)
    fields = Evaluation(
        trial=directory.name,
        epochs_sha256=hashlib.sha256(read_epoch_lines(directory)).hexdigest(),
        images=logits.images,
        weights="ema" if logits.weights == "ema" else "trained",
        count=len(logits.labels),
        logits_sha256=hashlib.sha256(data).hexdigest() if data else None,
        data_digest=data_digest,
        measures=dict(measures),
    )
    write_atomically(evaluation, sealed_bytes(fields.model_dump()))
    return len(data) if data else 0


def read_evaluation(record: Record, images: str = "", weights: str = TESTED) -> Evaluation | None:
    """An evaluation of a trial; None where it has none, as records of earlier versions.

    Args:
        record: Of the trial.
        images: The name of the set of images; "": those that the trial is evaluated on after each epoch.
        weights: As in file_name().

    Raises:
        DamagedRecord: The file is damaged, or of another trial or training.
    """
    name = file_name(images or record.split, weights)
    path = record.directory / f"evaluation-{name}.json"
    if not os.path.lexists(path):
        return None
    try:
        found = Evaluation.model_validate(read_sealed(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise DamagedRecord(f"{path}: {where}: {first['msg']}; remove it") from None
    if found.trial != record.id:
        raise DamagedRecord(f"{path}: is of trial {found.trial}, not of this one; remove it")
    if found.epochs_sha256 != (record.epochs_sha256 or hashlib.sha256(record.epoch_lines()).hexdigest()):
        raise DamagedRecord(f"{path}: is of another training of this trial; remove it")
    if found.images != (images or record.split):
        raise DamagedRecord(f"{path}: is of other images ({found.images!r}); remove it")
    return found


def read_evaluations(record: Record) -> dict[str, Evaluation]:
    """All evaluations of a trial, by NAME in the names of their files.

    Args:
        record: Of the trial.

    Raises:
        DamagedRecord: As read_evaluation().
    """
    found = {}
    for path in sorted(record.directory.glob("evaluation-*.json")):
        name = path.stem.removeprefix("evaluation-")
        images = name.removesuffix("-trained")
        if evaluation := read_evaluation(record, images, TESTED if images == name else "trained"):
            found[name] = evaluation
    return found


def read_logits(record: Record, images: str = "", weights: str = TESTED, classes: int = 0) -> Logits | None:
    """The logits of a trial after its last epoch; None where none are kept.

    Records of earlier versions have none, nor has a diverged trial, one of a study with `keep: {logits: false}`, or one of
    more images than `keep` allows.

    Args:
        record: Of the trial.
        images: The name of the set of images: "test", "validation" or that of a further test set; "": those that the trial
            is evaluated on after each epoch.
        weights: TESTED, or "trained" for those that were not tested because their moving average was.
        classes: How many the trial's data has; 0: any.

    Raises:
        DamagedRecord: A file is damaged, or of another trial or training.
    """
    found = read_evaluation(record, images, weights) if record.split else None
    if found is None or found.logits_sha256 is None:
        return None
    path = record.directory / f"logits-{file_name(found.images, weights)}.safetensors"
    try:
        data = read_file(path, MOST_BYTES)
    except FileNotFoundError:  # removed to save space
        return None
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error}); try again") from None
    if hashlib.sha256(data).hexdigest() != found.logits_sha256:
        raise DamagedRecord(f"{path}: damaged, its SHA-256 is not that of its evaluation; remove it")
    try:
        logits = unpack(data, found.images, found.weights)
    except ValueError as error:
        raise DamagedRecord(f"{path}: {error}; remove it") from None
    if len(logits.labels) != found.count:
        raise DamagedRecord(f"{path}: has {len(logits.labels):,} images, its evaluation {found.count:,}; remove it")
    if classes and logits.values.shape[1] != classes:
        raise DamagedRecord(f"{path}: has {logits.values.shape[1]:,} classes, its trial {classes:,}; remove it")
    return logits
