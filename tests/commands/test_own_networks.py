"""show, draw and evaluate on a network of the user's own: module:callable with its arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from console import Command
from torch import nn

CODE = """\
from torch import nn


def build(width=8, norm="layer", num_classes=10):
    inner = [nn.Linear(64, width), nn.ReLU()] if norm == "layer" else [nn.Linear(64, width), nn.BatchNorm1d(width)]
    return nn.Sequential(nn.Flatten(), *inner, nn.Linear(width, num_classes))
"""
TASK = ("--image-size", 8, "--channels", 1)


@pytest.fixture(autouse=True)
def shown_here(tmp_path: Path) -> None:
    (tmp_path / "shown_here.py").write_text(CODE)


def test_show_counts_a_network_with_its_arguments(ablate: Command) -> None:
    words = ("show", "shown_here:build", *TASK, "--json", "--args", "{width: 4, norm: layer}", "-a", "width=16")
    network = json.loads(ablate(*words).stdout)
    assert network["net"] == "shown_here:build(norm='layer', width=16)"
    assert network["parameters"] == 64 * 16 + 16 + 16 * 10 + 10
    assert network["axes"] == {"python": "shown_here:build", "args.width": 16, "args.norm": "layer"}
    assert json.loads(ablate(*words, "--classes", 3).stdout)["parameters"] == 64 * 16 + 16 + 16 * 3 + 3


def test_draw_names_its_file_after_the_network(ablate: Command, tmp_path: Path) -> None:
    assert ablate("draw", "shown_here:build", *TASK).stderr == "shown_here.build.svg\n"
    assert "shown_here:build" in (tmp_path / "shown_here.build.svg").read_text()


def test_weights_have_the_network_s_own_names(ablate: Command, tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    torch.save(own.state_dict(), tmp_path / "own.pt")
    torch.save({"network": {f"network.0.0.{key}": value for key, value in own.state_dict().items()}}, tmp_path / "ours.pt")
    scores = []
    for file in ("own.pt", "ours.pt"):
        words = ("evaluate", "shown_here:build", "-a", "width=16", "--weights", file, "--data", "digits", "--json")
        scores.append(json.loads(ablate(*words).stdout))
    assert [one["names"] for one in scores] == ["shown_here:build", "ablate"]
    assert scores[0]["top1_error"] == scores[1]["top1_error"] and scores[0]["parameters"] == 1210
    refused = ablate("evaluate", "shown_here:build", "--weights", "own.pt", "--data", "digits")
    assert refused.returncode == 2 and "1.weight: found (16, 64); allowed: (8, 64)" in refused.stderr


@pytest.mark.parametrize(
    "words, said",
    [
        (("shown_here:build", "-a", "nrm=batch"), "shown_here:build has no parameter 'nrm'; did you mean 'norm'?"),
        (("shown_here:build", "-a", "norm"), "--arg: found 'norm'; allowed: KEY=VALUE, such as depth=3"),
        (("shown_here:build", "--args", "[3]"), "--args: found a list; allowed: a mapping such as {depth: 3}"),
        (("shown_here:build", "--args", "{a: 1"), "--args:1:"),
        (("shown_here:missing",), "shown_here:missing: AttributeError: module 'shown_here' has no attribute 'missing'"),
        (("WRN-10-1", "-a", "depth=3"), "--args: 'WRN-10-1' has none; allowed for module:callable"),
    ],
)
def test_one_line_for_what_cannot_be(ablate: Command, words: tuple[str, ...], said: str) -> None:
    refused = ablate("show", *words)
    assert refused.returncode == 2 and refused.stdout == ""
    assert refused.stderr.startswith(f"error: {said}") and refused.stderr.count("\n") == 1
