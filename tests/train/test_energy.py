"""The energy counter of a GPU, with a stand-in for NVIDIA's library."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ablate.train.energy import energy_counter


def stand_in(monkeypatch: pytest.MonkeyPatch, energy: Any) -> list[str]:
    asked: list[str] = []
    library = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: asked.append(uuid) or "handle",
        nvmlDeviceGetTotalEnergyConsumption=energy,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="1234-5678"))
    return asked


def test_joules_of_the_gpu_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    millijoules = iter([5_000, 5_000, 9_500])
    asked = stand_in(monkeypatch, lambda handle: next(millijoules))
    counter = energy_counter(torch.device("cuda"))
    assert counter is not None and (counter(), counter()) == (5.0, 9.5) and asked == ["GPU-1234-5678"]


def test_no_counter_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert energy_counter(torch.device("cpu")) is None

    def unsupported(handle: str) -> int:
        raise RuntimeError("Not Supported")

    stand_in(monkeypatch, unsupported)
    assert energy_counter(torch.device("cuda")) is None
    monkeypatch.setitem(sys.modules, "pynvml", None)  # not installed
    assert energy_counter(torch.device("cuda")) is None
