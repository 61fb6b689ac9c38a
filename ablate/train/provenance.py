"""What a result was made with: versions, device, code revision. It contains no paths, host names or user names."""

from __future__ import annotations

import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import ablate
from ablate.train.devices import cpu_model


def provenance(device: torch.device) -> dict[str, Any]:
    """The provenance of a result, as plain values for result.json.

    Args:
        device: Where the trial is trained.
    """
    return {
        "ablate": ablate.__version__,
        "revision": _revision(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a plain string: checkpoints contain no other classes
        "torchvision": _version("torchvision"),
        "numpy": _version("numpy"),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": _device_name(device),
        "threads": torch.get_num_threads(),
    }


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{cpu_model()} ({torch.backends.cpu.get_cpu_capability()})"


@lru_cache(maxsize=1)
def _revision() -> str | None:
    """The git commit of the code, with "+" if it has uncommitted changes; None if the code is not in a checkout."""
    package = Path(ablate.__file__).parent

    def git(*words: str) -> str:
        command = ["git", "-C", str(package), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != package.parent:
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
