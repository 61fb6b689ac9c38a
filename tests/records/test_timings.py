from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from ablate.records.timings import (
    MOST_ALIKE,
    Milliseconds,
    Probe,
    Workload,
    canonical,
    devices_of,
    find_probe,
    probe_path,
    read_paces,
    read_probes,
    write_probe,
)

NETWORK = {"family": "WRN", "N": 1, "k": 1.0, "block": (3, 3), "dropout": 0.0}
WORKLOAD = Workload(canonical(NETWORK), 10, (3, 32, 32), 32, "float32", "sgd")
PROBE = Probe(
    net="WRN-10-1",
    workload=WORKLOAD,
    device="A Processor (R) @ 3 GHz (AVX2)",
    kind="cpu",
    side_by_side=2,
    threads=1,
    torch="2.11",
    multiply_adds=1000,
    train_step_ms=Milliseconds(100.0, 90.0),
    test_batch=512,
    test_batch_ms=Milliseconds(200.0, 190.0),
    images_per_second=320.0,
    startup_seconds=0.5,
    peak_memory_bytes=None,
    steps=40,
    date="2026-01-02T00:00:00+00:00",
)


def test_a_probe_is_written_read_and_replaced(tmp_path: Path) -> None:
    path = write_probe(tmp_path, PROBE)
    assert path == probe_path(tmp_path, PROBE) and path.parent == tmp_path / "probes" / "a-processor-r-3-ghz-avx2"
    assert orjson.loads(path.read_bytes())["workload"]["network"]["block"] == [3, 3]
    assert read_probes(tmp_path) == [PROBE]
    newer = replace(PROBE, train_step_ms=Milliseconds(80.0, 70.0), date="2026-01-03T00:00:00+00:00")
    assert write_probe(tmp_path, newer) == path
    assert read_probes(tmp_path) == [newer]


def test_other_workloads_devices_and_numbers_side_by_side_are_kept_apart(tmp_path: Path) -> None:
    others = [
        replace(PROBE, workload=replace(WORKLOAD, batch_size=64)),
        replace(PROBE, workload=replace(WORKLOAD, checkpoint_activations="blocks")),
        replace(PROBE, side_by_side=1, date="2026-01-01T00:00:00+00:00"),
        replace(PROBE, device="NVIDIA X", kind="cuda", peak_memory_bytes=123, date="2026-01-04T00:00:00+00:00"),
    ]
    for probe in (PROBE, *others):
        write_probe(tmp_path, probe)
    probes = read_probes(tmp_path)
    assert len(probes) == 5 and [probes[0], probes[-1]] == [others[2], others[3]]  # oldest first
    assert find_probe(probes, WORKLOAD, PROBE.device) == PROBE
    assert find_probe(probes, WORKLOAD, PROBE.device, 1) == others[2]
    assert find_probe(probes, WORKLOAD) == others[3]  # the newest of any device
    assert find_probe(probes, WORKLOAD, PROBE.device, 3) is None
    assert devices_of(probes, "cuda") == ["NVIDIA X"] and devices_of(probes, "cpu") == [PROBE.device]


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b"{}", b'{"workload": {"network": 1}}', b"\xff\x00", b"REPLACE train_step_ms", b"TRUNCATE"],
)
def test_a_damaged_probe_is_passed_over(tmp_path: Path, text: bytes) -> None:
    whole = write_probe(tmp_path, PROBE)
    damaged = whole.with_name("0123456789abcdef.json")
    if text == b"TRUNCATE":
        text = whole.read_bytes()[:-10]
    elif text.startswith(b"REPLACE"):
        text = orjson.dumps({**orjson.loads(whole.read_bytes()), "train_step_ms": {"median": -1.0, "min": 1.0}})
    damaged.write_bytes(text)
    assert read_probes(tmp_path) == [PROBE]


def test_seconds_of_an_epoch() -> None:
    # 5 steps of 100 ms and a quarter of a test batch of 200 ms
    assert PROBE.epoch_seconds(160, 128) == pytest.approx(0.5 + 0.05)


def trial(runs: Path, name: str, **changes: object) -> None:
    directory = runs / name
    directory.mkdir(parents=True)
    data = {"name": "cifar10", "classes": 10, "image_size": 32, "channels": 3}
    recipe = {"batch_size": 32, "precision": "float32", "optimizer": "sgd"}
    (directory / "trial.json").write_bytes(orjson.dumps({"network": NETWORK, "data": data, "recipe": recipe}))
    result = {
        "train_seconds": 30.0,
        "test_seconds": 10.0,
        "epochs": 4,
        "train_images": 160,
        "test_images": 128,
        "provenance": {"device": "A", "finished": "2026-01-01"},
        "earlier_attempts": [],
    }
    (directory / "result.json").write_bytes(orjson.dumps({**result, **changes}))


def test_of_many_trials_alike_some_are_read_and_those_of_the_study_first(tmp_path: Path) -> None:
    names = [f"{number:016x}" for number in range(MOST_ALIKE + 2)]
    for name in names:
        trial(tmp_path, name, train_seconds=30.0 if name == names[-1] else 10.0)
    paces = read_paces(tmp_path, {WORKLOAD}, {names[-1]})
    assert len(paces) == MOST_ALIKE and paces[0].epoch_seconds == 10.0
    assert not read_paces(tmp_path, {replace(WORKLOAD, classes=3)}, {names[-1]})


def test_the_paces_of_recorded_trials(tmp_path: Path) -> None:
    trial(tmp_path, "aaaaaaaaaaaaaaaa")
    trial(tmp_path, "bbbbbbbbbbbbbbbb", earlier_attempts=[{"device": "A"}], epochs=8)
    trial(tmp_path, "cccccccccccccccc", earlier_attempts=[{"device": "B"}])
    trial(tmp_path, "dddddddddddddddd", epochs=0)
    trial(tmp_path, "eeeeeeeeeeeeeeee", train_images=None)
    (tmp_path / ("f" * 16)).mkdir()
    (tmp_path / ("f" * 16) / "result.json").write_text("{")
    paces = read_paces(tmp_path)
    assert [(pace.workload, pace.device, pace.epoch_seconds) for pace in paces] == [
        (WORKLOAD, "A", 10.0),
        (WORKLOAD, "A", 5.0),
    ]
    assert {(pace.train_images, pace.test_images) for pace in paces} == {(160, 128)}
