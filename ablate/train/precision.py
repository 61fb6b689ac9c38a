"""Which precisions a device has, and what `precision: auto` becomes on it. No torch, unless the device is a GPU."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from ablate.errors import RunError
from ablate.kinds.precisions import CHOSEN, PRECISIONS, Precision
from ablate.processes.devices import cpu_flags, cpu_model
from ablate.records.remembered import ChosenPrecision


def has(device: str, precision: Precision) -> bool:
    """Whether a device computes in a precision, and faster than in float32.

    Args:
        device: As torch names it: "cpu", "cuda" or "cuda:1".
        precision: An entry of the table.
    """
    if device == "cpu":
        return precision.instructions is None or not cpu_flags().isdisjoint(precision.instructions)
    return _capability(device) >= precision.capability


def choose_precision(devices: Sequence[str]) -> ChosenPrecision:
    """What `precision: auto` becomes on the devices of a machine: the first of CHOSEN that they have.

    Args:
        devices: As torch names them, at least one.

    Raises:
        RunError: It is not the same on all of them.
    """
    found: dict[str, ChosenPrecision] = {}
    for device in devices:
        name = next(name for name in CHOSEN if has(device, PRECISIONS[name]))
        found.setdefault(name, ChosenPrecision(name, _describe_device(device)))
    if len(found) > 1:
        each = ", ".join(f"{one.name} for {one.device}" for one in found.values())
        raise RunError(f"recipe.precision: auto is {each}; name one precision in the study, or hide one kind of device")
    return next(iter(found.values()))


def check_precision(name: str, devices: Sequence[str]) -> list[str]:
    """A line for each kind of device on which a precision is slower than float32.

    Args:
        name: Of the precision.
        devices: Those of a run, as torch names them.

    Raises:
        RunError: A device lacks the precision.
    """
    precision = PRECISIONS[name]
    lines: dict[str, None] = {}
    for device in devices:
        if has(device, precision):
            continue
        others = [other for other in CHOSEN if other != name and has(device, PRECISIONS[other])]
        where = _describe_device(device)
        if precision.required:
            raise RunError(f"recipe.precision: {where} has no {name}; use float32, or another device")
        lines[f"recipe.precision: {where} is slower with {name} than with {' or '.join(others)}"] = None
    return list(lines)


def untried(kind: str) -> str:
    """What nobody has tried of the devices of this machine, in a line; "" for nothing.

    Args:
        kind: "cpu" or "cuda", where trials run.
    """
    if kind == "cpu":
        apple = platform.system() == "Darwin" and platform.machine() == "arm64"
        return "Apple's GPU (MPS) is not supported; trials run on the processor's cores" if apple else ""
    import torch

    if torch.version.hip:
        return "AMD GPUs (ROCm) are used as NVIDIA's are, but nobody has tried; `ablate verify` says whether results repeat"
    return ""


def devices_of(kind: str) -> list[str]:
    """The devices of this machine that trials run on, as torch names them.

    Args:
        kind: "cpu" or "cuda".
    """
    if kind == "cpu":
        return [kind]
    import torch

    return [f"{kind}:{i}" for i in range(torch.cuda.device_count())]


def _describe_device(device: str) -> str:
    """The name of a device in messages: a GPU with its compute capability, a processor with its fast instructions."""
    if device == "cpu":
        asked = {flag for precision in PRECISIONS.values() for flag in precision.instructions or ()}
        return f"{cpu_model()} ({', '.join(sorted(cpu_flags() & asked)) or 'without bfloat16'})"
    import torch

    return f"{torch.cuda.get_device_name(device)} (compute capability {'.'.join(map(str, _capability(device)))})"


def _capability(device: str) -> tuple[int, int]:
    import torch

    return torch.cuda.get_device_capability(device)
