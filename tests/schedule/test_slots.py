from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ablate.errors import RunError
from ablate.processes import devices
from ablate.processes.limits import count_cores, memory_limit
from ablate.schedule import slots
from ablate.schedule.slots import Gpu, find_slots, has_kernels


def test_a_slot_a_core_of_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "count_cores", lambda: 3)
    found = find_slots("cpu")
    assert len(found) == 3 and {slot.device for slot in found} == {"cpu"}
    assert all(slot.environment["OMP_NUM_THREADS"] == "1" for slot in found)
    assert len(find_slots("cpu", slots=2)) == 2


@pytest.mark.parametrize(
    ("group", "files"),
    [
        ("0::/a/b", {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000"}),
        ("4:cpu,cpuacct:/a/b\n0::/", {"cpu/a/cpu.cfs_quota_us": "150000", "cpu/a/cpu.cfs_period_us": "100000"}),
        ("4:cpu,cpuacct:/a", {"cpu,cpuacct/a/cpu.cfs_quota_us": "150000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"}),
    ],
)
def test_a_quota_of_the_processes_own_group_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, files: dict[str, str]
) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 64)
    (tmp_path / "proc/self").mkdir(parents=True)
    assert count_cores(tmp_path) == 64
    (tmp_path / "proc/self/cgroup").write_text(f"3:memory:/a\n{group}\n")
    assert count_cores(tmp_path) == 64
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert count_cores(tmp_path) == 2  # a core and a half
    for path in (tmp_path / "sys").rglob("*quota*"):
        path.write_text("-1")
    for path in (tmp_path / "sys").rglob("cpu.max"):
        path.write_text("max 100000")
    assert count_cores(tmp_path) == 64


@pytest.mark.parametrize(
    ("group", "file"), [("0::/a/b", "a/memory.max"), ("4:memory:/a/b", "memory/a/memory.limit_in_bytes")]
)
def test_the_memory_of_the_processes_own_group_counts(tmp_path: Path, group: str, file: str) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    whole = memory_limit(tmp_path)
    (tmp_path / "proc/self/cgroup").write_text(f"{group}\n")
    path = tmp_path / "sys/fs/cgroup" / file
    path.parent.mkdir(parents=True)
    for text, most in (("max", whole), ("9223372036854771712", whole), ("1000000\n", 1_000_000)):
        path.write_text(text)
        assert memory_limit(tmp_path) == most


def test_a_slot_a_gpu_and_more_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "_gpus", lambda: [Gpu("0"), Gpu("1")])
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in find_slots()] == ["0", "1"]
    twice = find_slots("cuda", slots_per_gpu=2)
    # The first trials go to different GPUs.
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in twice] == ["0", "1", "0", "1"]
    assert len(find_slots("auto", slots=3, slots_per_gpu=2)) == 3
    assert find_slots("cpu")[0].device == "cpu"


def see_gpus(monkeypatch: pytest.MonkeyPatch, *capabilities: tuple[int, int]) -> None:
    """GPUs of these capabilities, as torch counts them; for (0, 0) it raises an error."""

    def about(index: int) -> SimpleNamespace:
        major, minor = capabilities[index]
        if not major:
            raise RuntimeError("CUDA error: uncorrectable ECC error encountered\nCUDA kernel errors may come later")
        return SimpleNamespace(name=f"GPU {major}.{minor}", major=major, minor=minor)

    monkeypatch.setattr(slots, "DEVICE_FILES", ("/dev/null",))
    monkeypatch.setattr(slots, "NVIDIA", ("/dev/null",))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(capabilities))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
    monkeypatch.setattr(torch.cuda, "get_device_properties", about)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80", "sm_90"])


def test_visible_devices_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    see_gpus(monkeypatch, (9, 0), (9, 0))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6, 7")
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in find_slots()] == ["6", "7"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in find_slots()] == ["0", "1"]


@pytest.mark.parametrize("words", [{"device": "tpu"}, {"slots": 0}, {"slots_per_gpu": 0}])
def test_impossible_wishes_are_refused(words: dict[str, object]) -> None:
    with pytest.raises(RunError, match=r"`device`: found .tpu|`slots` and `slots_per_gpu` must be 1 or more"):
        find_slots(**words)  # type: ignore[arg-type]


def test_cuda_is_refused_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "_gpus", list)
    with pytest.raises(RunError, match="no CUDA device"):
        find_slots("cuda")


def test_slots_of_several_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablate.schedule.slots._gpus", lambda: [Gpu(name, "A") for name in "35679"])
    found = find_slots("cuda", slots_per_gpu=2, gpus_per_slot=2)
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in found] == ["3,5", "6,7"]
    assert [slot.name for slot in found] == ["gpus 0 to 1", "gpus 2 to 3"]
    with pytest.raises(RunError, match=r"recipe\.gpus: found 8; there are 5 GPUs"):
        find_slots("cuda", gpus_per_slot=8)


@pytest.mark.parametrize(
    ("code", "gpu", "runs"),
    [
        ("sm_80", (8, 0), True),
        ("sm_80", (8, 6), True),
        ("sm_86", (8, 0), False),
        ("sm_75 sm_80", (9, 0), False),
        ("sm_75 sm_80 compute_80", (9, 0), True),
        ("compute_90", (8, 9), False),
        ("sm_90a", (9, 0), True),
        ("sm_100a", (10, 3), False),
        ("sm_100f", (10, 3), True),
        ("sm_120", (12, 0), True),
        ("sm_75", (7, 0), False),
        ("", (7, 0), True),  # torch does not know what it was built for
    ],
)
def test_which_code_runs_on_which_gpu(code: str, gpu: tuple[int, int], runs: bool) -> None:
    assert has_kernels(code.split(), gpu) is runs


def test_a_gpu_without_kernels_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    see_gpus(monkeypatch, (9, 0), (3, 7), (0, 0), (7, 5))
    said: list[str] = []
    found = find_slots(slots_per_gpu=2, say=said.append)
    assert [slot.words for slot in found] == ["gpu 0 (GPU 9.0)", "gpu 3 (GPU 7.5)"] * 2
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in found] == ["0", "3"] * 2
    line, kinds = said
    assert kinds.startswith("slots on different kinds of GPUs: 2 on GPU 9.0, 2 on GPU 7.5; their last bits differ")
    assert line.startswith(f"gpu 1 (GPU 3.7, sm_37) is left out: torch {torch.__version__} has kernels for sm_75, sm_80,")
    assert line.endswith("gpu 2 is left out, as torch cannot use it: CUDA error: uncorrectable ECC error encountered")
    see_gpus(monkeypatch, (3, 7))
    assert {slot.device for slot in find_slots(say=said.append)} == {"cpu"} and said[-1].endswith("the processor is used")
    with pytest.raises(RunError, match=r"sm_37\) is left out: .*; or use the device cpu"):
        find_slots("cuda")


@pytest.mark.parametrize(
    ("version", "driver", "cuda", "words"),
    [
        ("Kernel Module  470.57.02  Tue", "470.57.02", "12.6", "torch {} for CUDA 12.6 cannot use it: The NVIDIA driver"),
        ("Open Kernel Module for x86_64  570.86.15  Release", "570.86.15", None, "torch {} is built without CUDA; install"),
        (None, "of unknown version", "13.0", "torch {} for CUDA 13.0 cannot use it: The NVIDIA driver"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None, driver: str, cuda: str | None, words: str
) -> None:
    def too_old() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040). Please update it.")

    see_gpus(monkeypatch)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "init", too_old)
    monkeypatch.setattr(devices, "DRIVER", tmp_path / "version")
    if version:
        (tmp_path / "version").write_text(f"NVRM version: NVIDIA UNIX x86_64 {version} 2021\nGCC version:  gcc 12.2.0\n")
    said: list[str] = []
    assert {slot.device for slot in find_slots("auto", say=said.append)} == {"cpu"}
    (line,) = said
    assert f"(driver {driver}), but {words.format(torch.__version__)}" in line and "\n" not in line
    with pytest.raises(RunError, match=r"an NVIDIA GPU is in this machine .*; or use the device cpu"):
        find_slots("cuda")
    assert find_slots("cpu", say=said.append) and len(said) == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # hidden on purpose
    assert find_slots("auto", say=said.append) and len(said) == 1
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(slots, "NVIDIA", ("/no/such/file",))  # another maker's
    assert find_slots("auto", say=said.append) and len(said) == 1
