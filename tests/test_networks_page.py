"""The page on networks: its tables are what the command prints, its example runs as it stands."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from ablate.api import load_study
from ablate.nets.describe import describe_families

PAGE = (Path(__file__).parents[1] / "studies" / "NETWORKS.md").read_text()
CELLS = [cell.strip() for line in PAGE.splitlines() if line.startswith("|") for cell in re.split(r"(?<!\\)\|", line)]


def test_every_family_and_option_is_in_the_tables() -> None:
    described = describe_families()
    written = " ".join(CELLS).replace("\\|", "|").replace("`", "")
    for family in described["families"]:
        assert family["form"] in written and family["family"] in written
    for option in described["options"]:
        assert option["option"] in written and option["meaning"] in CELLS and option["axis"] in written


def test_the_example_is_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, study = (re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL) for kind in ("python", "yaml"))
    assert code and study
    (tmp_path / "my_networks.py").write_text(code[1])
    (tmp_path / "study.yaml").write_text(study[1])
    monkeypatch.setattr(sys, "path", [*sys.path])
    nets = [variant.net for variant in load_study(tmp_path / "study.yaml").variants]
    assert nets == [
        "my_networks:plain, width 16",
        "my_networks:plain, width 32",
        "WRN-10-1-B(3,3)",
        "WRN-10-1-my_networks:SqueezeExcite",
    ]
