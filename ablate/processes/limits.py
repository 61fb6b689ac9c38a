"""What the system lets this process use: CPU cores and memory."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def count_cores(root: Path = ROOT) -> int:
    """How many CPU cores this process may use: its affinity, and the quotas of its control group and of all above it.

    Args:
        root: The root of the file system; another one in tests.
    """
    import joblib

    cores = int(joblib.cpu_count())  # the affinity, and the quota of the topmost group
    for folder, version in _groups("cpu", root):
        with contextlib.suppress(OSError, ValueError):
            if version == 2:
                quota, period = (folder / "cpu.max").read_text().split()  # "max 100000" without a quota
            else:
                quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            if int(quota) > 0:  # -1 without a quota
                cores = min(cores, max(1, math.ceil(int(quota) / int(period))))
    return cores


def memory_limit(root: Path = ROOT) -> int:
    """How many bytes of memory this process may use: those of the machine, or the limit of its control groups if lower.

    Args:
        root: The root of the file system; another one in tests.
    """
    import psutil  # type: ignore[import-untyped]

    most = int(psutil.virtual_memory().total)
    for folder, version in _groups("memory", root):
        with contextlib.suppress(OSError, ValueError):
            most = min(most, int((folder / ("memory.max" if version == 2 else "memory.limit_in_bytes")).read_text()))
    return most


def _groups(controller: str, root: Path) -> Iterator[tuple[Path, int]]:
    """(folder, version) of each control group that this process is in; none where the system has no control groups."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)  # "4:cpu,cpuacct:/a/b"; "0::/a/b" in version 2
        if not controllers:
            mounts = ["", "unified"]
        else:
            mounts = [controllers, controller] if controller in controllers.split(",") else []
        for mount in mounts:
            top = root / "sys/fs/cgroup" / mount
            here = top / group.lstrip("/")
            yield from ((folder, 1 if controllers else 2) for folder in (here, *here.parents) if folder.is_relative_to(top))
