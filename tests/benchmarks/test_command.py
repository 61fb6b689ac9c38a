"""`python -m tests.benchmarks`: what it refuses, what it prints and writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ablate.errors import AblateError
from tests.benchmarks import planning, training
from tests.benchmarks.__main__ import app
from tests.benchmarks.test_comparison import ONE

FILES = ["plan-cpu.json", "plan-cpu.md", "plan-cpu.png", "plan-cpu.svg"]


def benchmark(*words: object) -> Any:
    return CliRunner().invoke(app, [*map(str, words)])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "WRN-16-2"), "plan takes no network; leave WRN-16-2 out"),
        (("train", "--images", 100), "--images 100 is less than a batch; use 128 or more"),
        (("efficiency", "--images", 31), "--images 31 is less than a batch; use 32 or more"),
        (("cohort", "WRN-17-2"), "depth 17 with B(3,3)"),
        (("train", "WRN-16-2", "WRN-16-x"), "WRN-16-x"),
        (("train", "--device", "cuda"), "no CUDA device is visible"),
    ],
)
def test_bad_input_is_one_line(words: tuple[object, ...], said: str) -> None:
    error = benchmark(*words).exception
    assert isinstance(error, AblateError) and said in str(error) and "\n" not in str(error)


def test_ratios_are_printed_and_all_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(planning, "bench_plan", lambda **options: asked.append(options) or [ONE])
    done = benchmark("plan", "--out", tmp_path, "--rounds", 3, "--variants", 7)
    assert done.exit_code == 0 and (asked[0]["rounds"], asked[0]["variants"]) == (3, 7)
    assert "4.00" in done.stdout and "2.00–6.00" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    kept = json.loads((tmp_path / "plan-cpu.json").read_text())
    assert kept["comparisons"][0]["ways"]["ours"]["seconds"] == [2.0, 2.0, 5.0] and kept["made_with"]["torch"]
    text = (tmp_path / "plan-cpu.md").read_text()
    assert "Medians of 3 rounds" in text and "plan-cpu.svg" in text
    as_json = json.loads(benchmark("plan", "--out", tmp_path, "--json").stdout)
    assert as_json == kept["comparisons"]


def test_what_trains_is_told_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    for name in ("bench_cohort", "bench_efficiency"):
        monkeypatch.setattr(training, name, lambda **options: asked.append(options) or [ONE])
    assert benchmark("cohort", "--seeds", 3, "--out", tmp_path).exit_code == 0
    assert benchmark("efficiency", "--out", tmp_path).exit_code == 0
    assert (asked[0]["nets"], asked[0]["seeds"], asked[0]["batch_size"], asked[0]["images"]) == (["WRN-16-2"], 3, 128, None)
    assert "nets" not in asked[1] and (asked[1]["batch_size"], asked[1]["images"]) == (32, None)
