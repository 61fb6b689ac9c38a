"""What was timed: probes of networks, and the paces of recorded trials.

A probe says how long a step of a network takes on a device. Each is a small file, RUNS/probes/<device>/<hash>.json; the
hash is of what was timed (its Workload) and of how many processes shared the device, so timing again replaces it. A file
that cannot be read is passed over: it costs another probe and no result. A pace says how long the epochs of a recorded
trial took, whichever study it was trained for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from ablate.errors import RecordError
from ablate.files import write_atomically
from ablate.records.records import read_file
from ablate.records.result import TEST, VALIDATION, renamed

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=1)]
_JSON = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


@dataclass(frozen=True)
class Workload:
    """What decides how long a step takes. network: the architecture's identity, canonical(); input_shape: (C, H, W)."""

    network: str
    classes: int
    input_shape: tuple[int, int, int]
    batch_size: int
    precision: str
    optimizer: str
    checkpoint_activations: str = "none"
    compile: str = "never"
    gpus: int = 1


@dataclass(frozen=True)
class Milliseconds:
    """Of the rounds that were timed."""

    median: Positive
    min: Positive


@dataclass(frozen=True)
class Probe:
    """Times of one process of those that shared the device. net: its name then; steps: how many were timed, in all of them.

    train_step_ms: forward, backward and update of a batch; test_batch_ms: forward of test_batch images; startup_seconds:
    making the network, and what its first step takes longer than others; peak_memory_bytes: of training, on CUDA.
    """

    net: str
    workload: Workload
    device: str
    kind: Literal["cpu", "cuda"]
    side_by_side: Whole
    threads: Whole
    torch: str
    multiply_adds: Annotated[int, Field(ge=0)]
    train_step_ms: Milliseconds
    test_batch: Whole
    test_batch_ms: Milliseconds
    images_per_second: Positive
    startup_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    peak_memory_bytes: int | None
    steps: Whole
    date: str

    def epoch_seconds(self, train_images: int, test_images: int) -> float:
        """Seconds of an epoch that trains and tests on so many images; a part of a batch takes its part of the time.

        Of several GPUs one was timed, with its part of the batch: what they exchange is not counted.
        """
        train = train_images / self.workload.batch_size * self.train_step_ms.median
        return (train + test_images / self.workload.gpus / self.test_batch * self.test_batch_ms.median) / 1000


_probes = TypeAdapter(Probe)


def canonical(network: dict[str, Any]) -> str:
    """A network's identity as one text that is equal for equal networks."""
    return orjson.dumps(network, option=orjson.OPT_SORT_KEYS).decode()


def write_probe(runs: Path, probe: Probe) -> Path:
    """Keeps a probe in the place of an earlier one of the same; its path."""
    path = probe_path(runs, probe)
    path.parent.mkdir(parents=True, exist_ok=True)
    value = asdict(probe)
    value["workload"]["network"] = orjson.loads(probe.workload.network)
    write_atomically(path, orjson.dumps(value, option=_JSON))
    return path


def probe_path(runs: Path, probe: Probe) -> Path:
    """Where a probe is kept."""
    what = orjson.dumps([asdict(probe.workload), probe.side_by_side], option=orjson.OPT_SORT_KEYS)
    slug = re.sub(r"[^a-z0-9]+", "-", probe.device.lower()).strip("-") or "device"
    return runs / "probes" / slug / f"{hashlib.sha256(what).hexdigest()[:16]}.json"


def read_probes(runs: Path) -> list[Probe]:
    """Every probe that can be read, of every device, the oldest first."""
    found = filter(None, map(_read_probe, sorted(runs.glob("probes/*/*.json"))))
    return sorted(found, key=lambda probe: probe.date)


def find_probe(
    probes: Iterable[Probe], workload: Workload, device: str | None = None, side_by_side: int | None = None
) -> Probe | None:
    """The newest of the probes of a workload, of one device or any, with so many processes or any number."""
    fitting = [
        probe
        for probe in probes
        if probe.workload == workload and device in (None, probe.device) and side_by_side in (None, probe.side_by_side)
    ]
    return max(fitting, key=lambda probe: probe.date, default=None)


def devices_of(probes: Sequence[Probe], kind: str) -> list[str]:
    """The probed devices of a kind, the one that was probed last first."""
    return list(dict.fromkeys(probe.device for probe in reversed(probes) if probe.kind == kind))


def _read_probe(path: Path) -> Probe | None:
    try:
        value = orjson.loads(read_file(path))
        value["workload"]["network"] = canonical(value["workload"]["network"])
        return _probes.validate_python(value)
    except (OSError, RecordError, orjson.JSONDecodeError, TypeError, KeyError, ValidationError):
        return None


@dataclass(frozen=True)
class Pace:
    """Seconds an epoch of a recorded trial took, training and testing, and on how many images.

    workload: its checkpoint_activations is always "none": a trial's identity leaves it out, as it changes no result.
    """

    workload: Workload
    train_images: int
    test_images: int
    device: str
    epoch_seconds: float
    finished: str


def read_paces(runs: Path) -> list[Pace]:
    """The pace of every recorded trial that one kind of device trained from start to end; damaged ones are passed over."""
    return [pace for path in sorted(runs.glob("*/result.json")) if (pace := _read_pace(path))]


def _read_pace(path: Path) -> Pace | None:
    try:
        trial = orjson.loads(read_file(path.with_name("trial.json")))
        result = renamed(orjson.loads(read_file(path)), VALIDATION, TEST)
        devices = {made["device"] for made in (result["provenance"], *result.get("earlier_attempts", ()))}
        seconds = (result["train_seconds"] + result["test_seconds"]) / result["epochs"]
        workload = _workload(trial)
        sizes = int(result["train_images"]), int(result["test_images"])
        finished = str(result["provenance"].get("finished", ""))
    except (OSError, RecordError, AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return Pace(workload, *sizes, devices.pop(), seconds, finished) if len(devices) == 1 and seconds > 0 else None


def _workload(trial: dict[str, Any]) -> Workload:
    data, recipe = trial["data"], trial["recipe"]
    shape = (data["channels"], data["image_size"], data["image_size"])
    return Workload(
        canonical(trial["network"]),
        data["classes"],
        shape,
        recipe["batch_size"],
        recipe["precision"],
        recipe["optimizer"],
        gpus=recipe.get("gpus", 1),
    )
