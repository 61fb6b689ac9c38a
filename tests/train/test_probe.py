from __future__ import annotations

import gc
import itertools
import statistics
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ablate.api import load_study
from ablate.estimate.probing import make_probe, probe_text
from ablate.processes.devices import cpu_model, gpu_models
from ablate.records.timings import read_probes, write_probe
from ablate.study.costs import training_memory
from ablate.study.study import Variant
from ablate.train import probe as module
from ablate.train.estimates import images_of, images_trained, workload_of
from ablate.train.job import ProbeJob
from ablate.train.probe import images_at_once, probe
from ablate.train.provenance import provenance
from ablate.train.setup import network_of


def variants(tmp_path: Path, text: str, *overrides: str) -> tuple[Variant, ...]:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return load_study(path, overrides).variants


STUDY = """\
name: study
data: {name: digits, augment: flip_crop}
recipe: {base: wrn_cifar, batch_size: 16}
seeds: 1
variants:
  - net: [WRN-10-0.25-dropout0.3]
"""


def run(variant: Variant, side_by_side: int = 1, memory: int | None = None) -> tuple[str, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    job = ProbeJob(variant.trials((0,))[0], "cpu", side_by_side, memory)
    return probe(job, lambda: False, events.append), events


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.05)


@pytest.mark.parametrize(
    "override", ["recipe.optimizer=sgd", "recipe.precision=bfloat16", "recipe.checkpoint_activations=blocks"]
)
@pytest.mark.usefixtures("quick")
def test_a_network_is_timed(tmp_path: Path, override: str) -> None:
    (variant,) = variants(tmp_path, STUDY, override)
    status, (event,) = run(variant)
    assert status == "probed" and event["device"] == provenance(torch.device("cpu"))["device"]
    assert event["steps"] == len(event["train_ms"]) >= 2 and min(event["train_ms"] + event["test_ms"]) > 0
    assert 1 <= event["test_batch"] <= 512 and event["peak_memory_bytes"] is None and event["startup_seconds"] >= 0
    kept = make_probe(variant, [event, event], "cpu", 2)
    assert kept.train_step_ms.median == pytest.approx(statistics.median(event["train_ms"]))
    assert kept.train_step_ms.min == min(event["train_ms"]) and kept.steps == 2 * event["steps"]
    assert kept.images_per_second == pytest.approx(16_000 / kept.train_step_ms.median)
    write_probe(tmp_path, kept)
    assert read_probes(tmp_path) == [kept] and kept.workload == workload_of(variant)


@pytest.mark.usefixtures("quick")
def test_seeds_side_by_side_are_timed_too_and_each_by_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[int] = []
    run = module.SideBySide.run
    monkeypatch.setattr(module.SideBySide, "run", lambda self, epochs: (together.append(len(epochs)), run(self, epochs))[1])
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=itertools.count().__next__))  # a second each
    (variant,) = variants(tmp_path, STUDY)
    events: list[dict[str, Any]] = []
    assert probe(ProbeJob(variant.trials((0,))[0], "cpu", 1, together=3), lambda: False, events.append) == "probed"
    (event,) = events
    assert event["together"] == 3 and set(together) == {1, 3} and together[-1] == 3
    assert len(event["together_ms"]) >= 2 and set(event["train_ms"]) == {1000}
    assert set(event["together_ms"] + event["together_test_ms"]) == {1000 * (1 / 3)}  # of one, not of three
    kept = make_probe(variant, events, "cpu", 1)
    assert kept.together == 3 and kept.together_step_ms is not None and kept.together_test_ms is not None
    write_probe(tmp_path, kept)
    assert read_probes(tmp_path) == [kept]
    assert probe_text(kept).endswith(f"; 3 seeds side by side, {kept.together_step_ms.median:,.1f} ms a seed")
    assert kept.epoch_seconds(160, 0, True) == pytest.approx(10 * kept.together_step_ms.median / 1000)
    assert kept.epoch_seconds(160, 0) == pytest.approx(10 * kept.train_step_ms.median / 1000)


@pytest.mark.usefixtures("quick")
def test_stochastic_depth_and_another_input_are_timed(tmp_path: Path) -> None:
    nets = STUDY.replace("digits,", "cifar100,").replace("WRN-10-0.25-dropout0.3", "pre-ResNet-8-survival0.5")
    (variant,) = variants(tmp_path, nets)
    status, (event,) = run(variant)
    assert status == "probed" and event["steps"] >= 2


@pytest.mark.usefixtures("quick")
def test_the_memory_of_a_network_is_free_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[torch.nn.Module]] = []
    left: list[bool] = []

    def noted(*given: Any) -> torch.nn.Module:
        network = network_of(*given)
        made.append(weakref.ref(network))
        return network

    def free_memory() -> None:
        gc.collect()
        left.extend(network() is not None for network in made)

    monkeypatch.setattr(module, "network_of", noted)
    monkeypatch.setattr(module, "free_memory", free_memory)
    (variant,) = variants(tmp_path, STUDY)
    assert run(variant)[0] == "probed" and left == [False]


def test_what_does_not_fit_is_skipped(tmp_path: Path) -> None:
    (variant,) = variants(tmp_path, STUDY, "recipe.batch_size=256")
    status, (event,) = run(variant, side_by_side=4, memory=2**20)
    assert status == "skipped"
    needed = round(training_memory(variant.counts, variant.recipe).total / 2**20)
    assert event["remark"] == f"needs about {needed} MiB to train; there are 1 MiB for each of 4 processes"
    assert needed > 1


def test_a_slow_step_is_timed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.0)  # any step is longer
    (variant,) = variants(tmp_path, STUDY)
    assert run(variant)[1][0]["steps"] == 2


def test_the_test_batch_shrinks_with_the_time_it_would_take() -> None:
    assert images_at_once(0.01, 128) == 512  # 6 s of forward passes would be 76,800 images
    assert images_at_once(3.0, 128) == 256  # a second for 128
    assert images_at_once(600.0, 128) == 16
    assert images_at_once(600.0, 4) == 4


def test_the_processor_has_the_name_that_records_give_it() -> None:
    assert provenance(torch.device("cpu"))["device"].startswith(f"{cpu_model()} (")


@pytest.mark.parametrize(
    ("flags", "unit"),
    [
        ("flags: fpu avx512f", ""), ("flags: avx512_bf16", "BF16"), ("flags: avx512_bf16 amx_bf16", "AMX"),
        ("Features: asimd bf16", "BF16"), ("", ""),
    ],
)  # fmt: skip
def test_a_record_names_what_multiplies_bfloat16(
    flags: str, unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ablate.processes import devices

    (tmp_path / "cpuinfo").write_text(f"vendor_id: GenuineIntel\nmodel name: A Processor\n{flags}\n")
    monkeypatch.setattr(devices, "CPUINFO", tmp_path / "cpuinfo")
    used = ", ".join(filter(None, [torch.backends.cpu.get_cpu_capability(), unit]))
    assert provenance(torch.device("cpu"))["device"] == f"A Processor ({used})"


def test_names_of_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ablate.processes import devices

    monkeypatch.setattr(devices, "NVIDIA", tmp_path)
    monkeypatch.setattr(devices, "CPUINFO", tmp_path / "cpuinfo")
    assert gpu_models() == [] and cpu_model()
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A  Processor\nmodel name\t: Another\n")
    assert cpu_model() == "A Processor"
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0" / "information").write_text("Model: \t\t NVIDIA X 80GB\nIRQ:   16\n")
    assert gpu_models() == ["NVIDIA X 80GB"]


def test_how_many_images_an_epoch_reads(tmp_path: Path) -> None:
    folder = STUDY.replace("digits,", "image_folder, title: Mine, classes: 10, image_size: 32,")
    (digits,), (some,), (unknown,), (copy,), (fewer,) = (
        variants(tmp_path, text, *overrides)
        for text, overrides in [
            (STUDY, ()),
            (STUDY, ("data.train_size=100",)),
            (folder, ()),
            (folder, ("data.copy_of=cifar10",)),
            (folder, ("data.train_size=5000", "data.test_size=300")),
        ]
    )
    assert images_of(digits.data) == (1297, 500) and images_of(some.data) == (100, 500)
    assert images_of(unknown.data) is None
    assert images_of(copy.data) == (50_000, 10_000) and images_of(fewer.data) == (5000, 300)
    assert images_trained(100, some.recipe) == 96  # of 16 each, the last is dropped
    assert images_trained(100, some.recipe.model_copy(update={"last_batch": "keep"})) == 100
