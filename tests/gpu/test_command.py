"""`python -m tests.gpu`: a part that fails or hangs costs nothing but itself, and the page has what there is."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gpu import __main__ as command
from tests.gpu import checks
from tests.gpu.figures import read, say
from tests.gpu.parts import PARTS, Part, Setting, compare, rows, write_images, write_studies


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    (tmp_path / "out").mkdir()
    return Setting("cpu", tmp_path, tmp_path / "out")


def test_each_part_ends_in_its_time_and_with_all_that_it_started(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[str, float]] = []

    def run(words: list[str], environment: dict[str, str], seconds: float, log: Any) -> str:
        begun.append((words[3], seconds))
        assert words[1:3] == ["-m", "tests.gpu.parts"] and environment["GPU_OUT"] == str(setting.out)
        return "ok"

    monkeypatch.setattr(command, "_run", run)
    parts = {name: Part(seconds, lambda setting: None, "") for name, seconds in (("a", 5), ("b", 500))}
    with open(tmp_path / "log.txt", "wb") as log:
        assert [one.how for one in command.run_parts(parts, setting, 100, log)] == ["ok", "ok"]
        assert begun[0] == ("a", 30) and begun[1][0] == "b" and begun[1][1] <= 100
        assert [one.how for one in command.run_parts(parts, setting, 11, log)] == ["not begun"] * 2


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("pass", "ok"),
        ("raise SystemExit(3)", "FAILED (3)"),
        ("import time; print('begun', flush=True); time.sleep(99)", "TIME OUT"),
    ],
)
def test_how_a_part_ends(tmp_path: Path, code: str, how: str) -> None:
    with open(tmp_path / "log.txt", "wb") as log:
        assert command._run([sys.executable, "-c", code], os.environ, 20 if how != "TIME OUT" else 3, log) == how


def test_the_page_has_figures_goals_and_what_is_wrong(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_OUT", str(setting.out))
    thin = "speed WRN-16-2 bfloat16"
    for name, value in {
        f"{thin} plain": {"ms": 8.0, "images/s": 16_000},
        f"{thin} graph x1": {"ms": 2.0, "images/s": 64_000},
        f"{thin} graph x5": {"ms": 3.0, "images/s": 213_333},
        "bits NIN": {"plain == graph": False},
        "syncs VGG": "FAILED RuntimeError: called a synchronizing CUDA operation",
        "resume": {"equal": True},
    }.items():
        say(name, value)
    assert command.ratios(read(setting.out)) == [
        ("WRN-16-2 in a graph, times step by step", "4.00", "at least 4"),
        ("five seeds together, times one", "1.50", "at most 2"),
    ]
    text = command.page(setting, [command.Ended("speed", "TIME OUT", 80.0)], ["A GPU"], 123.0)
    wrong = text[text.index("## Not as it should be") : text.index("## All figures")]
    assert "bits NIN" in wrong and "syncs VGG" in wrong and "resume" not in wrong
    assert "| speed | TIME OUT | 80 |" in text and "A GPU" in text and "resume: {'equal': True}" in text


def test_the_studies_are_valid_and_their_images_are_there(setting: Setting) -> None:
    from ablate.api import load_experiment, load_search

    write_images(setting)
    write_studies(setting)
    assert len(load_experiment(setting.folder / "whole.yaml").trials()) == 6
    load_search(setting.folder / "find.yaml")
    assert len(list(setting.folder.glob("images/train/*/*.png"))) == 80


def test_trials_that_differ_are_told(setting: Setting) -> None:
    for name, loss in (("one", 1.0), ("other", 1.0), ("wrong", 2.0)):
        (setting.folder / name / "trial").mkdir(parents=True)
        line = f'{{"epoch": 1, "train_loss": {loss}, "train_seconds": {len(name)}}}\n'
        (setting.folder / name / "trial" / "epochs.jsonl").write_text(line)
    one, other, wrong = (setting.folder / name for name in ("one", "other", "wrong"))
    assert rows(one) == {"trial": [{"epoch": 1, "train_loss": 1.0}]}
    compare("same", one, other)
    with pytest.raises(AssertionError, match="trials differ"):
        compare("other", one, wrong)


def test_the_checks_pass_on_a_cpu(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPU_OUT", str(setting.out))
    checks.main(["bits", "resume", "syncs", "--device", "cpu"])
    figures = read(setting.out)
    bits = figures["bits WRN-10-0.25-dropout0.3 float32"]
    assert bits["plain == graph"] and bits["graph == three"] and bits["finite"]
    assert [value for name, value in figures.items() if name.startswith("resume {")] == [{"equal": True}] * 2
    assert not any("FAILED" in str(value) for value in figures.values())


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--only", "speed,sped"])
    assert "found sped; allowed: correctness, killed" in capsys.readouterr().err
    assert list(PARTS)[:3] == ["correctness", "killed", "speed"]
