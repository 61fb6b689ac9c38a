"""`precision: auto` becomes what the device has before ids are made, is remembered, and is refused where devices differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablate.api import load_experiment
from ablate.errors import AblateError, RunError, StudyError
from ablate.kinds.precisions import PRECISIONS
from ablate.launch.options import RunOptions
from ablate.network_experiment import Experiment
from ablate.precision import check_precisions, settle_precision
from ablate.processes import devices as device_names
from ablate.records.merge import merge_runs
from ablate.records.records import trial_directory
from ablate.records.remembered import PRECISION as NAME
from ablate.records.remembered import ChosenPrecision, remember_precision, remembered_precision
from ablate.study.recipe import Recipe
from ablate.train import precision
from ablate.train.precision import check_precision, choose_precision

STUDY = """
name: automatic
data: {{name: digits, train_size: 64, test_size: 32}}
recipe: {{base: wrn_cifar, epochs: 1, batch_size: 32, precision: {precision}}}
seeds: 1
variants: [{{grid: {{net: [WRN-10-0.25]{axis}}}}}]
"""
GPUS = {"cuda:0": (9, 0), "cuda:1": (7, 5), "cuda:2": (6, 1)}


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> dict[str, frozenset[str]]:
    """The processor's instructions, which a test may change; and GPUs of three generations."""
    flags = {"cpu": frozenset({"fpu", "avx512_bf16"})}
    monkeypatch.setattr(precision, "cpu_flags", lambda: flags["cpu"])
    monkeypatch.setattr(precision, "cpu_model", lambda: "a processor")
    monkeypatch.setattr(precision, "_capability", GPUS.__getitem__)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"GPU {device[-1]}")
    return flags


@pytest.mark.parametrize(
    ("vendor", "flags", "chosen"),
    [
        ("GenuineIntel", "avx512f avx512_bf16", "float32"),
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16", "bfloat16"),
        ("AuthenticAMD", "avx512f avx512_bf16", "bfloat16"),
    ],
)
def test_bfloat16_is_chosen_where_a_processor_is_faster_with_it(
    vendor: str, flags: str, chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(f"vendor_id\t: {vendor}\nmodel name\t: a processor\nflags\t\t: fpu {flags}\n")
    monkeypatch.setattr(device_names, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(precision, "cpu_flags", device_names.cpu_flags.__wrapped__)
    assert choose_precision(["cpu"]).name == chosen


def load(folder: Path, name: str = "auto", axis: str = "", runs: str = "runs") -> Experiment:
    path = folder / "study.yaml"
    path.write_text(STUDY.format(precision=name, axis=axis))
    found = load_experiment(path, runs=folder / runs, device="cpu")
    assert isinstance(found, Experiment)
    return found


def ids(experiment: Experiment) -> list[str]:
    return [trial.id for trial in experiment.trials()]


def test_it_is_the_precision_that_the_device_has(tmp_path: Path, devices: dict[str, frozenset[str]]) -> None:
    assert ids(load(tmp_path)) == ids(load(tmp_path, "bfloat16"))
    assert "recipe.precision: auto is bfloat16, the fastest on this machine" in load(tmp_path).remarks()
    devices["cpu"] = frozenset({"avx2"})
    assert ids(load(tmp_path)) == ids(load(tmp_path, "float32")) != ids(load(tmp_path, "bfloat16"))
    assert [choose_precision([gpu]).name for gpu in GPUS] == ["bfloat16", "float16", "float32"]


def test_a_run_remembers_it_and_another_device_is_refused(tmp_path: Path, devices: dict[str, frozenset[str]]) -> None:
    first = load(tmp_path)
    assert not (tmp_path / "runs").exists()  # a plan writes nothing
    assert first.run(RunOptions("cpu", inline=True, quiet=True)).exit_code == 0
    assert remembered_precision(tmp_path / "runs") == ChosenPrecision("bfloat16", "a processor (avx512_bf16)")
    devices["cpu"] = frozenset()
    assert ids(load(tmp_path)) == ids(first)  # which can be read anywhere, but not continued
    record = trial_directory(tmp_path / "runs", ids(first)[0])
    record.rename(tmp_path / "aside")
    with pytest.raises(RunError) as error:
        load(tmp_path).run(RunOptions("cpu", inline=True, quiet=True))
    assert str(error.value) == (
        f"recipe.precision: auto is bfloat16 in {tmp_path / 'runs'}, for a processor (avx512_bf16); "
        "for a processor (without bfloat16) it is float32; use another directory, or run with -s recipe.precision=bfloat16"
    )
    (tmp_path / "aside").rename(record)
    merge_runs([tmp_path / "runs"], tmp_path / "merged")
    assert ids(load(tmp_path, runs="merged")) == ids(first)
    (tmp_path / "other" / "probes").mkdir(parents=True)
    remember_precision(tmp_path / "other", ChosenPrecision("float16", "GPU 1"))
    assert "float16" in merge_runs([tmp_path / "runs", tmp_path / "other"], tmp_path / "both").conflicts[0]
    with pytest.raises(AblateError, match="auto is float16"):  # two runs that began at once
        settle_precision("float32", tmp_path / "other", "local", "cpu")


def test_gpus_that_differ_are_refused(devices: dict[str, frozenset[str]]) -> None:
    with pytest.raises(RunError) as error:
        choose_precision(["cuda:0", "cuda:1"])
    assert str(error.value) == (
        "recipe.precision: auto is bfloat16 for GPU 0 (compute capability 9.0), float16 for GPU 1 (compute capability "
        "7.5); name one precision in the study, or hide one kind of device"
    )


def test_a_device_that_is_slower_is_named_and_one_without_is_refused(devices: dict[str, frozenset[str]]) -> None:
    assert check_precision("bfloat16", ["cuda:0", "cpu"]) == []
    assert check_precision("bfloat16", ["cuda:0", "cuda:1"]) == [
        "recipe.precision: GPU 1 (compute capability 7.5) is slower with bfloat16 than with float16 or float32"
    ]
    (line,) = check_precision("float16", ["cpu"])
    assert line == "recipe.precision: a processor (avx512_bf16) is slower with float16 than with bfloat16 or float32"
    for device in ("cpu", "cuda:1"):
        with pytest.raises(RunError, match="has no tf32; use float32"):
            check_precision("tf32", [device])
    assert check_precision("tf32", ["cuda:0"]) == []


def test_a_run_says_it(tmp_path: Path, devices: dict[str, frozenset[str]]) -> None:
    devices["cpu"] = frozenset()
    told: list[str] = []
    check_precisions("cpu", ["bfloat16", "float32", "bfloat16"], told.append)
    assert len(told) == 1 and told[0].endswith("is slower with bfloat16 than with float32")


def test_it_is_no_value_of_an_axis(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"recipe\.precision: auto is valid in the recipe of a study alone"):
        load(tmp_path, "float32", ", recipe.precision: [auto]")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"precision": "tf32", "device": "x"}', b'{"precision": "float32"}'])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / NAME).write_bytes(content)
    with pytest.raises(AblateError, match="is not a file of ablate; remove it"):
        load(tmp_path)


def test_every_precision_has_its_own_id() -> None:
    recipes = [Recipe.named("wrn_cifar", precision=name) for name in PRECISIONS]
    assert [one.identity()["precision"] for one in recipes] == list(PRECISIONS)
    assert [one.arithmetic.bytes for one in recipes] == [4, 4, 2, 2]
