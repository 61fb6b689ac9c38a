"""The CPU cores that this process may use."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import joblib


def count_cores(root: Path = Path("/")) -> int:
    """How many CPU cores this process may use: its affinity, and the quotas of its control group and of all above it.

    Args:
        root: The root of the file system; another one in tests.
    """
    cores = int(joblib.cpu_count())  # the affinity, and the quota of the topmost group
    return min([cores, *(max(1, math.ceil(quota)) for quota in _quotas(root))])


def _quotas(root: Path) -> Iterator[float]:
    """The quota, in cores, of each control group that this process is in; none where the system has no control groups."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)  # "4:cpu,cpuacct:/a/b"; "0::/a/b" in version 2
        mounts = {"": ["", "unified"]}.get(controllers, [controllers, "cpu"] if "cpu" in controllers.split(",") else [])
        for mount in mounts:
            top = root / "sys/fs/cgroup" / mount
            here = top / group.lstrip("/")
            for folder in (here, *here.parents):
                if folder.is_relative_to(top):
                    with contextlib.suppress(OSError, ValueError):
                        yield _quota(folder, version=1 if controllers else 2)


def _quota(folder: Path, version: int) -> float:
    """The quota of a control group in cores. Raises OSError or ValueError if it has none."""
    if version == 2:
        quota, period = (folder / "cpu.max").read_text().split()  # "max 100000" without a quota
    else:
        quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))  # -1 without one
    if int(quota) <= 0:
        raise ValueError
    return int(quota) / int(period)
