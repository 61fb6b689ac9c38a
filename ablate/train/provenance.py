"""What a result was made with: versions, device, code revision. It contains no paths, host names or user names."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

import ablate
from ablate.processes.devices import bfloat16_unit, cpu_model, nvidia_driver
from ablate.train.revision import revision as _revision


def provenance(device: torch.device) -> dict[str, Any]:
    """The provenance of a result, as plain values for result.json."""
    gpu = device.type == "cuda"
    return {
        "ablate": ablate.__version__,
        "revision": _revision(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a plain string: checkpoints contain no other classes
        "torchvision": _version("torchvision"),
        "numpy": _version("numpy"),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name(device) if gpu else _processor(),
        "threads": torch.get_num_threads(),
        **(_libraries() if gpu else {}),
    }


def _processor() -> str:
    """The processor with the instructions that torch uses, such as "Intel(R) Xeon(R) Processor (AVX512, AMX)"."""
    used = filter(None, [torch.backends.cpu.get_cpu_capability(), bfloat16_unit()])
    return f"{cpu_model()} ({', '.join(used)})"


def _libraries() -> dict[str, Any]:
    """The versions of what computes on a GPU: CUDA (or ROCm), cuDNN, and the driver where the system tells it."""
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return {"cuda": torch.version.cuda or torch.version.hip, "cudnn": cudnn and str(cudnn), "driver": nvidia_driver()}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
