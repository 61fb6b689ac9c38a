"""The names of this machine's processor and GPUs, found without torch: a plan compares them with what was timed."""

from __future__ import annotations

import platform
import re
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
NVIDIA = Path("/proc/driver/nvidia/gpus")
DRIVER = Path("/proc/driver/nvidia/version")


def cpu_model() -> str:
    """The name of the processor; provenance() adds the instructions that torch uses, in brackets."""
    return next(iter(_values(CPUINFO, "model name")), "") or platform.processor() or "CPU"


def gpu_models() -> list[str]:
    """The names of the NVIDIA GPUs, as torch names them; empty where the driver does not list them."""
    return [name for path in sorted(NVIDIA.glob("*/information")) for name in _values(path, "Model")]


def nvidia_driver() -> str | None:
    """The version of the NVIDIA driver; None where there is none."""
    try:
        found = re.search(r"\b\d{3,}\.\d[\d.]*", DRIVER.read_text())
    except OSError:
        return None
    return found.group() if found else None


def _values(path: Path, key: str) -> list[str]:
    """The values of the lines "key : value" of a system file; none if it cannot be read."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    return [" ".join(line.partition(":")[2].split()) for line in lines if line.startswith(key)]


@cache
def cpu_flags() -> frozenset[str]:
    """The fast instructions that the processor says it has, such as "amx_bf16"; empty where they are not known.

    "avx512_bf16" of Intel's processors is not among them: it multiplies half as fast as float32. What is fast there is AMX,
    which a virtual machine may hide.
    """
    return _flags() - {"avx512_bf16"} if "GenuineIntel" in _values(CPUINFO, "vendor_id") else _flags()


def bfloat16_unit() -> str:
    """What the processor multiplies bfloat16 with, "AMX" or "BF16"; "" if it has no such instructions, or none are known.

    The last bits of a product depend on it, and one model of a processor may have it on one virtual machine only.
    """
    flags = _flags()
    return "AMX" if "amx_bf16" in flags else "BF16" if flags & {"avx512_bf16", "bf16"} else ""


def _flags() -> frozenset[str]:
    found = (value for key in ("flags", "Features") for value in _values(CPUINFO, key))  # the second is ARM's
    return frozenset(next(found, "").split())
