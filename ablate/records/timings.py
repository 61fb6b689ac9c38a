"""Measured times: probes of networks, and the paces of recorded trials.

A probe says how long a step of a network takes on a device. Each is a small file, RUNS/probes/<device>/<hash>.json. The
hash is of the timed work (its Workload) and of the number of processes that shared the device, so timing again replaces
the file. A file that cannot be read is ignored: it costs another probe and no result. A pace says how long the epochs of a
recorded trial took, whichever study it was trained for.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from ablate.errors import RecordError
from ablate.files import content_id, is_real_directory, read_file, real_directory, write_atomically
from ablate.records.definitions import read_definitions
from ablate.records.records import TRIAL
from ablate.records.result import TEST, VALIDATION, renamed
from ablate.records.sealed import JSON_OPTIONS

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Workload:
    """Everything that decides how long a step takes on a device.

    Args:
        network: The architecture's identity as a text, see canonical().
        classes: How many.
        input_shape: (C, H, W).
        batch_size: Images a training step, of all GPUs together.
        precision: "float32" or "bfloat16".
        optimizer: A name of the table of optimizers.
        checkpoint_activations: "none" or "blocks", as in a recipe.
        compile: "never" or "always", as in a trial's recipe.
        gpus: How many GPUs train one trial.
    """

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
    """The median and the minimum of the timed rounds.

    Args:
        median: Milliseconds.
        min: Milliseconds.
    """

    median: Positive
    min: Positive


@dataclass(frozen=True)
class Probe:
    """The times of one process, out of those that shared the device.

    Args:
        net: The network's name at that time.
        workload: The timed work.
        device: The device's name.
        kind: "cpu" or "cuda".
        side_by_side: How many processes shared the device.
        threads: CPU threads of the process.
        torch: The version of torch.
        multiply_adds: Of one image and one forward pass.
        train_step_ms: Forward pass, backward pass and update of one batch.
        test_batch: Images in a batch of the evaluation.
        test_batch_ms: Forward pass of `test_batch` images.
        images_per_second: Training images a second.
        startup_seconds: To build the network, plus the additional time of its first step.
        peak_memory_bytes: Of training, on CUDA; None on a CPU.
        steps: How many steps were timed, over all processes.
        date: The time of the probe in ISO 8601.
        inference_ms: A forward pass of one image in the precision of the workload; None in probes of older versions.
        inference_128_ms: The same of 128 images; None also where they would take too long.
        energy_joules: That the device uses in a training step; None on a CPU and where NVML does not say it.
        together: How many seeds were timed side by side in one process; 1: only one.
        together_step_ms: The share of each of them in a training step of all; None if only one was timed.
        together_test_ms: The same of `test_batch` images.
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
    inference_ms: Milliseconds | None = None
    inference_128_ms: Milliseconds | None = None
    energy_joules: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None
    together: Whole = 1
    together_step_ms: Milliseconds | None = None
    together_test_ms: Milliseconds | None = None

    def epoch_seconds(self, train_images: int, test_images: int, together: bool = False) -> float:
        """Seconds of an epoch of training and evaluation. A partial batch takes the same fraction of a batch's time.

        With several GPUs, one GPU was timed with its part of the batch. The communication between them is not included.

        Args:
            train_images: How many images an epoch trains on.
            test_images: How many images are evaluated after it.
            together: Whether seeds are trained side by side; each then takes its share, if that was timed.
        """
        step = (together and self.together_step_ms) or self.train_step_ms
        test = (together and self.together_test_ms) or self.test_batch_ms
        train = train_images / self.workload.batch_size * step.median
        return (train + test_images / self.workload.gpus / self.test_batch * test.median) / 1000


_probes = TypeAdapter(Probe)


def canonical(network: dict[str, Any]) -> str:
    """A network's identity as a text. Equal networks have equal texts.

    Args:
        network: The architecture's identity, in plain values.
    """
    return orjson.dumps(network, option=orjson.OPT_SORT_KEYS).decode()


def write_probe(runs: Path, probe: Probe) -> Path:
    """Write a probe. It replaces an earlier probe of the same work on the same device.

    Args:
        runs: The runs directory.
        probe: Of any device.

    Returns:
        The file's path.

    Raises:
        OSError: The file cannot be written.
    """
    path = probe_path(runs, probe)
    real_directory(path.parent.parent).mkdir(parents=True, exist_ok=True)
    real_directory(path.parent).mkdir(exist_ok=True)
    write_atomically(path, probe_bytes(probe))
    return path


def probe_bytes(probe: Probe) -> bytes:
    """The bytes of a probe's file.

    Args:
        probe: Of any device.
    """
    value = asdict(probe)
    value["workload"]["network"] = orjson.loads(probe.workload.network)
    return orjson.dumps(value, option=JSON_OPTIONS)


def probe_path(runs: Path, probe: Probe) -> Path:
    """The path of a probe's file.

    Args:
        runs: The runs directory.
        probe: Of any device.
    """
    what = orjson.dumps([asdict(probe.workload), probe.side_by_side], option=orjson.OPT_SORT_KEYS)
    slug = re.sub(r"[^a-z0-9]+", "-", probe.device.lower()).strip("-") or "device"
    return runs / "probes" / slug / f"{content_id(what)}.json"


def read_probes(runs: Path) -> list[Probe]:
    """Every probe of every device that can be read, the oldest first.

    Args:
        runs: The runs directory.
    """
    folder = runs / "probes"
    paths = folder.glob("*/*.json") if is_real_directory(folder) else ()
    found = filter(None, (_read_probe(path) for path in sorted(paths) if is_real_directory(path.parent)))
    return sorted(found, key=lambda probe: probe.date)


def probes_beside(runs: Path, trials: Iterable[str]) -> list[Probe]:
    """The probes of any network under the conditions of some trials: their data, batch size, precision and optimizer.

    Networks that these trials do not have count too, as a study may have left them out for what was measured.

    Args:
        runs: The runs directory.
        trials: Their ids.
    """
    alike = set()
    for trial in trials if (probes := read_probes(runs)) else ():
        with suppress(OSError, RecordError, AttributeError, KeyError, TypeError, ValueError):  # no trial of a network
            alike.add(_conditions(_workload(orjson.loads(read_file(runs / trial / "trial.json")))))
    return [probe for probe in probes if _conditions(probe.workload) in alike]


def _conditions(workload: Workload) -> Workload:
    return replace(workload, network="", checkpoint_activations="none", compile="never", gpus=1)


def find_probe(
    probes: Iterable[Probe], workload: Workload, device: str | None = None, side_by_side: int | None = None
) -> Probe | None:
    """The newest probe of a workload; None if there is none.

    Args:
        probes: Of read_probes().
        workload: The work to look for.
        device: The device's name; None: any device.
        side_by_side: How many processes shared the device; None: any number.
    """
    fitting = [
        probe
        for probe in probes
        if probe.workload == workload and device in (None, probe.device) and side_by_side in (None, probe.side_by_side)
    ]
    return max(fitting, key=lambda probe: probe.date, default=None)


def devices_of(probes: Sequence[Probe], kind: str) -> list[str]:
    """The names of the probed devices of a kind, the last probed first.

    Args:
        probes: Of read_probes(), the oldest first.
        kind: "cpu" or "cuda".
    """
    return list(dict.fromkeys(probe.device for probe in reversed(probes) if probe.kind == kind))


def _read_probe(path: Path) -> Probe | None:
    """The probe in a file; None if it cannot be read."""
    try:
        value = orjson.loads(read_file(path))
        value["workload"]["network"] = canonical(value["workload"]["network"])
        return _probes.validate_python(value)
    except (OSError, RecordError, orjson.JSONDecodeError, TypeError, KeyError, ValidationError):
        return None


@dataclass(frozen=True)
class Pace:
    """How long an epoch of a recorded trial took, training and evaluation together.

    Args:
        workload: Of the trial. Its checkpoint_activations is always "none", as a trial's identity leaves it out: it changes
            no result.
        train_images: How many images an epoch trained on.
        test_images: How many images were evaluated after it.
        device: The device's name.
        epoch_seconds: The mean of all epochs.
        finished: The time in ISO 8601; "" if not recorded.
    """

    workload: Workload
    train_images: Whole
    test_images: Whole
    device: str
    epoch_seconds: Positive
    finished: str


_paces = TypeAdapter(Pace)
MOST_ALIKE = 100


def read_paces(runs: Path, workloads: Collection[Workload] | None = None, first: Collection[str] = ()) -> list[Pace]:
    """The paces of recorded trials that were each trained on one kind of device. Damaged records are ignored.

    Of each workload at most MOST_ALIKE results are read, so that a plan beside many records is fast.

    Args:
        runs: The runs directory.
        workloads: Those that are asked for; None: any.
        first: The ids of trials that come before others, such as those of the study.
    """
    alike: dict[Workload, list[str]] = {}
    for name, definition in read_definitions(runs):
        with suppress(AttributeError, KeyError, TypeError, ValueError):  # no trial of a network
            workload = _workload(orjson.loads(definition))
            if workloads is None or workload in workloads:
                alike.setdefault(workload, []).append(name)
    found: list[Pace] = []
    for workload, names in alike.items():
        paces = (_read_pace(runs, name, workload) for name in sorted(names, key=lambda name: name not in first))
        found += itertools.islice(filter(None, paces), MOST_ALIKE)
    return found


def _read_pace(runs: Path, name: str, workload: Workload) -> Pace | None:
    """The pace of a trial; None if its record is damaged or if several kinds of device were used."""
    try:
        result = orjson.loads(read_file(f"{runs}/{name}/result.json"))
        result = renamed(result, VALIDATION if f"{VALIDATION}images" in result else TEST, TEST)
        devices = {made["device"] for made in (result["provenance"], *result.get("earlier_attempts", ()))}
        if len(devices) != 1 or result.get(TRIAL, name) != name:
            return None
        found = {
            "workload": asdict(workload),
            "train_images": result["train_images"],
            "test_images": result["test_images"],
            "device": devices.pop(),
            "epoch_seconds": (result["train_seconds"] + result["test_seconds"]) / result["epochs"],
            "finished": str(result["provenance"].get("finished", "")),
        }
        return _paces.validate_python(found)
    except (OSError, RecordError, AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def _workload(trial: dict[str, Any]) -> Workload:
    """The workload of a trial, from the values of its trial.json."""
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
