"""Paces: how long the epochs of recorded trials took, whichever study they were trained for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ablate.errors import RecordError
from ablate.records.probes import Workload, canonical
from ablate.records.records import read_file
from ablate.records.result import TEST, VALIDATION, renamed


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
    return [pace for path in sorted(runs.glob("*/result.json")) if (pace := _read(path))]


def _read(path: Path) -> Pace | None:
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
