from __future__ import annotations

from pathlib import Path

import pytest

from ablate.errors import RunError
from ablate.processes import limits
from ablate.processes.limits import count_cores, memory_limit
from ablate.schedule import slots
from ablate.schedule.slots import find_slots


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
    monkeypatch.setattr(limits.joblib, "cpu_count", lambda: 64)
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
    monkeypatch.setattr(slots, "_gpus", lambda: ["0", "1"])
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in find_slots()] == ["0", "1"]
    twice = find_slots("cuda", slots_per_gpu=2)
    # The first trials go to different GPUs.
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in twice] == ["0", "1", "0", "1"]
    assert len(find_slots("auto", slots=3, slots_per_gpu=2)) == 3
    assert find_slots("cpu")[0].device == "cpu"


def test_visible_devices_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(slots, "DEVICE_FILES", ("/dev/null",))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
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
    monkeypatch.setattr("ablate.schedule.slots._gpus", lambda: ["3", "5", "6", "7", "9"])
    found = find_slots("cuda", slots_per_gpu=2, gpus_per_slot=2)
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in found] == ["3,5", "6,7"]
    assert [slot.name for slot in found] == ["gpus 0 to 1", "gpus 2 to 3"]
    with pytest.raises(RunError, match=r"recipe\.gpus: found 8; there are 5 GPUs"):
        find_slots("cuda", gpus_per_slot=8)
