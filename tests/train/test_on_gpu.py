"""What a trial does on a GPU and this machine can check without one: by stand-ins for the device, or on torch's `meta`."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from ablate.errors import RunError
from ablate.processes import devices
from ablate.study.recipe import Recipe
from ablate.train import batches, precision, setup, side_by_side
from ablate.train.arithmetic import refusals_explained, set_as
from ablate.train.batches import TestBatches, resident_batch
from ablate.train.optimization import restore
from ablate.train.provenance import provenance
from ablate.train.setup import configured
from ablate.train.side_by_side import SideBySide

GPU = torch.device("cuda")


def test_the_steps_of_adam_are_counted_on_the_device_that_continues() -> None:
    """An update that is part of a CUDA graph reads them there; the checkpoint of a CPU has them on the CPU."""
    begun = nn.Parameter(torch.ones(3))
    first = torch.optim.Adam([begun])
    begun.grad = torch.ones(3)
    first.step()
    there = torch.optim.Adam([nn.Parameter(torch.ones(3, device="meta"))], capturable=True, foreach=True)
    restore(there, first.state_dict())
    (state,) = there.state.values()
    assert {state[name].device.type for name in ("step", "exp_avg")} == {"meta"}
    assert there.param_groups[0]["capturable"] and there.param_groups[0]["foreach"]
    restore(first, first.state_dict())
    assert first.state[begun]["step"].device.type == "cpu" and not first.param_groups[0]["capturable"]


def test_training_and_testing_share_their_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory that one stream has freed is of no use to another."""
    monkeypatch.setattr(side_by_side, "_side", {})
    monkeypatch.setattr(side_by_side, "_stream", lambda device: object())
    training, testing = side_by_side._streams(GPU, 3), side_by_side._streams(GPU, 2)
    assert testing == training[:2] and len({*training, *testing}) == 3
    assert side_by_side._streams(torch.device("cuda:1"), 1)[0] not in training


def test_generators_are_registered_where_torch_still_wants_it() -> None:
    seen: list[Any] = []

    def deprecated(generator: Any) -> None:
        seen.append(generator)
        warnings.warn("CUDAGraph.register_generator_state() is deprecated, and will be removed", stacklevel=1)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        side_by_side._register(SimpleNamespace(register_generator_state=deprecated), [torch.Generator()])
        side_by_side._register(SimpleNamespace(), [torch.Generator()])  # a version that has removed it
    assert len(seen) == 1


def test_passes_side_by_side_share_the_processes_that_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = torch.zeros(4, dtype=torch.int64)
    streamed = batches.Streamed(SimpleNamespace(), labels, 8, torch.device("cpu"))  # type: ignore[arg-type]
    normalization: Any = SimpleNamespace(mean=torch.zeros(3))
    three = [SimpleNamespace(batches=TestBatches(streamed, normalization, 2), capturable=False) for _ in range(3)]
    for one in three:
        one.device = torch.device("cpu")
    SideBySide(three)  # type: ignore[arg-type]
    shared: list[int] = []
    monkeypatch.setattr(batches, "stream", lambda *about: shared.append(about[5]))
    three[0].batches.begin(1)
    assert shared == [3]


def test_a_test_batch_divides_ten_thousand_images_on_a_gpu() -> None:
    assert (resident_batch(GPU), resident_batch(torch.device("cpu"))) == (500, 512)


def test_what_an_operation_without_a_deterministic_algorithm_says() -> None:
    """`put_` has none on any device."""
    strict, warn = (Recipe.named("wrn_cifar", deterministic=each) for each in ("require", "warn"))
    assert "deterministic" not in strict.identity() and warn.identity()["deterministic"] == "warn"

    def put() -> None:
        torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))

    with configured("cpu"):
        with pytest.raises(RunError) as error, refusals_explained("my_net:build"), set_as(strict):
            put()
        assert str(error.value) == (
            "my_net:build: put_ has no deterministic algorithm here; use another operation, or recipe.deterministic: warn, "
            "with which a trial cannot be repeated bit for bit"
        )
        with pytest.warns(UserWarning, match="does not have a deterministic"), set_as(warn):
            put()
        with pytest.raises(RuntimeError, match="does not have"):  # what comes after is strict again
            put()
        with pytest.raises(RuntimeError, match="another"), refusals_explained("my_net:build"):
            raise RuntimeError("another error")


def test_the_provenance_of_a_gpu_names_its_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Release Build\nGCC 12\n")
    monkeypatch.setattr(devices, "DRIVER", tmp_path / "version")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    made = provenance(GPU)
    assert (made["device"], made["cudnn"], made["driver"]) == ("NVIDIA H100", "91002", "570.86.15")
    assert made["cuda"] == torch.version.cuda
    monkeypatch.setattr(devices, "DRIVER", tmp_path / "none")
    assert provenance(GPU)["driver"] is None and "driver" not in provenance(torch.device("cpu"))


def test_what_compiling_needs_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"triton": True, "gcc": True}
    monkeypatch.setattr(setup, "find_spec", lambda name: there[name] or None)
    monkeypatch.setattr(setup.shutil, "which", lambda name: there.get(name))
    monkeypatch.delenv("CC", raising=False)
    assert setup._missing_to_compile(GPU) == ""
    there["gcc"] = False
    assert setup._missing_to_compile(GPU) == "on a GPU it needs a C compiler, such as gcc"
    there["triton"] = False
    assert setup._missing_to_compile(GPU).startswith("on a GPU it needs the package triton")


def test_devices_that_nobody_has_tried_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert precision.untried("cpu") == precision.untried("cuda") == ""
    monkeypatch.setattr(torch.version, "hip", "7.0")
    assert precision.untried("cuda").startswith("AMD GPUs (ROCm)") and precision.untried("cpu") == ""
    monkeypatch.setattr(precision.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(precision.platform, "machine", lambda: "arm64")
    assert precision.untried("cpu") == "Apple's GPU (MPS) is not supported; trials run on the processor's cores"
