"""The energy that a GPU has used, from NVIDIA's management library (NVML); the extra `energy` installs its binding."""

from __future__ import annotations

from collections.abc import Callable

import torch


def energy_counter(device: torch.device) -> Callable[[], float] | None:
    """A function that returns the joules that a GPU has used since its driver was loaded; None where nothing says so.

    It is the energy of the whole GPU, of all processes that share it.

    Args:
        device: Of the work. A CPU has no counter.
    """
    if device.type != "cuda":
        return None
    try:
        import pynvml  # type: ignore[import-not-found,import-untyped,unused-ignore]

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # no binding, no driver, or a GPU without a counter: it costs a column and no result
        return None
    return lambda: float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
