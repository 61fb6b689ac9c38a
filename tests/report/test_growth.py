from __future__ import annotations

import csv
import math
from itertools import pairwise
from pathlib import Path

import pytest
from planned import plan_text
from recorded import captions

from ablate.api import load_study
from ablate.commands.outcome_text import run_text
from ablate.commands.status_text import status_text
from ablate.estimate.probing import make_probe
from ablate.nets.counts import Counts
from ablate.network_experiment import Experiment
from ablate.records.timings import write_probe
from ablate.report.figure_values.counted import step_time_values
from ablate.report.growth import GrowthPoint, growth_exponents, growth_points
from ablate.report.writers.markdown import document_markdown

SHIPPED = Path(__file__).parents[2] / "studies" / "scaling.yaml"
STUDY = """\
name: counted
title: A study without seeds
data: cifar10
recipe: wrn_cifar
seeds: 0
depth_rule: nominal
variants:
"""


def study(tmp_path: Path, *entries: str) -> Experiment:
    path = tmp_path / "counted.yaml"
    path.write_text(STUDY + "".join(f"  - {entry}\n" for entry in entries))
    return load_study(path, runs=tmp_path / "runs")


def points_of(experiment: Experiment) -> list[GrowthPoint]:
    return growth_points(experiment.variants, experiment.variants[0])


def test_a_power_law_has_its_own_exponent() -> None:
    points = [GrowthPoint("k", k, Counts(3 * k**2, 5 * k, 7 * k**3, 1)) for k in (1, 2, 3, 10)]
    assert [(e.measure, e.fitted, e.last) for e in growth_exponents(points)] == [
        ("parameters", 2.0, 2.0),
        ("multiply_adds", 1.0, 1.0),
        ("activations", 3.0, 3.0),
    ]


def test_the_last_exponent_is_that_of_the_two_largest_values() -> None:
    """10 + N is 11, 12, 14, 18: nearly flat at first, log2(18 / 14) at last."""
    points = [GrowthPoint("N", n, Counts(10 + n, 1, 1, 1)) for n in (1, 2, 4, 8)]
    first = growth_exponents(points)[0]
    assert (first.smallest, first.largest) == (1, 8)
    assert first.last == pytest.approx(math.log2(18 / 14), abs=1e-4)
    # Over x = 0, 1, 2, 3 the slope is sum((x - 1.5) y) / 5.
    by_hand = (-1.5 * math.log2(11) - 0.5 * math.log2(12) + 0.5 * math.log2(14) + 1.5 * math.log2(18)) / 5
    assert first.fitted == pytest.approx(by_hand, abs=1e-4)


def test_points_are_of_one_axis_each_and_include_the_base(tmp_path: Path) -> None:
    points = points_of(study(tmp_path, "one_at_a_time: {base: WRN-16-1, l: [3, 1], N: [4], k: [2, 1]}"))
    found = [(point.axis, point.value) for point in points]
    assert found == [("l", 1), ("l", 2), ("l", 3), ("N", 2), ("N", 4), ("k", 1), ("k", 2)]
    base = [point for point in points if (point.axis, point.value) in {("l", 2), ("N", 2), ("k", 1)}]
    assert {point.counts.parameters for point in base} == {175_066}  # WRN-16-1


def test_a_block_more_costs_the_same_whatever_n(tmp_path: Path) -> None:
    """Two 3x3 convolutions and two batch norms at each width: 18 w^2 + 4 w, w = 16, 32, 64."""
    points = points_of(study(tmp_path, "one_at_a_time: {base: WRN-10-1, N: [2, 3, 4]}"))
    parameters = [point.counts.parameters for point in points]
    cost = sum(18 * w**2 + 4 * w for w in (16, 32, 64))
    assert [b - a for a, b in pairwise(parameters)] == [cost] * 3


def test_what_differs_in_more_than_a_number_is_no_point(tmp_path: Path) -> None:
    experiment = study(
        tmp_path,
        "net: [WRN-16-1]",
        "grid: {N: [2, 3], k: [1, 2]}",
        "one_at_a_time: {base: WRN-16-1, dropout: [0.3], norm: [group], block: [B(3,1,3)], recipe.lr: [0.05]}",
    )
    assert [(point.axis, point.value) for point in points_of(experiment)] == [("k", 1), ("k", 2), ("N", 2), ("N", 3)]
    networks = {row["net"]: row["varied"] for row in experiment.report().as_json()["networks"] if row["recipe.lr"] == 0.1}
    assert networks["WRN-16-1"] == "base" and networks["WRN-22-2"] == "N, k"
    assert networks["WRN-16-1-dropout0.3"] == "dropout" and networks["WRN-16-1-B(3,1,3)"] == "block, l"


def test_the_paper_is_right_about_l_n_and_k(tmp_path: Path) -> None:
    exponents = {(e.axis, e.measure): e for e in growth_exponents(points_of(load_study(SHIPPED, runs=tmp_path)))}
    for measure in ("parameters", "multiply_adds"):
        for axis, power in (("l", 1), ("N", 1), ("k", 2)):
            found = exponents[axis, measure]
            assert found.fitted == pytest.approx(power, abs=0.1) and found.last == pytest.approx(power, abs=0.03)
            assert abs(found.last - power) < abs(found.fitted - power)  # the law is the limit


def test_nothing_is_trained_and_every_command_says_so(tmp_path: Path) -> None:
    experiment = study(tmp_path, "one_at_a_time: {base: WRN-10-1, k: [2]}")
    summary = experiment.run()
    assert summary.exit_code == 0 and "ablate report" in run_text(summary) and "\n" not in run_text(summary)
    assert not experiment.runs.exists()
    assert status_text(experiment.status()).startswith("no trials")
    planned = plan_text(experiment.plan())
    assert "Trials" not in planned and planned.endswith(
        "2 variants, no trials: the networks are counted, nothing is trained"
    )


@pytest.mark.usefixtures("unrendered")
def test_the_report_has_both_tables_and_their_figure(tmp_path: Path) -> None:
    made = study(tmp_path, "one_at_a_time: {base: WRN-10-1, k: [2, 3]}").report()
    names = {path.name for path in made.write(tmp_path)}
    assert names == {"table.md", "table.tex", "table.csv", "growth.csv", "index.html"} | {
        f"scaling.{kind}" for kind in ("png", "svg", "pdf")
    }
    folder = tmp_path / "counted"
    markdown, latex = (folder / "table.md").read_text(), (folder / "table.tex").read_text()
    assert "Nothing is trained" in markdown and "test error" not in markdown and "scaling.svg" in markdown
    assert r"\label{tab:counted}" in latex and r"\label{tab:counted_growth}" in latex
    rows = list(csv.DictReader((folder / "table.csv").open()))
    assert [(row["varied"], row["k"]) for row in rows] == [("base", "1.0"), ("k", "2.0"), ("k", "3.0")]
    growth = made.as_json()["growth"]
    assert [row["fitted"] for row in growth] == [
        float(row["fitted"]) for row in csv.DictReader((folder / "growth.csv").open())
    ]


@pytest.mark.parametrize("entry", ["net: [WRN-10-1, VGG, ResNet-18]", "grid: {block: [B(3,3), B(3,1)], k: 1, depth: 10}"])
def test_without_a_numeric_axis_there_is_only_the_table(tmp_path: Path, entry: str) -> None:
    made = study(tmp_path, entry).report()
    assert {path.name for path in made.write(tmp_path)} == {"table.md", "table.tex", "table.csv", "index.html"}
    assert {row["varied"] for row in made.as_json()["networks"]} <= {"base", "family", "block"}
    assert made.as_json()["growth"] == [] and "exponent" not in document_markdown(made.document)


def test_what_was_timed_is_in_the_table_and_drawn(tmp_path: Path) -> None:
    experiment = study(tmp_path, "net: [WRN-10-1, WRN-16-1, WRN-10-2]")
    for variant, milliseconds in zip(experiment.variants[:2], (12.34, 20.0)):
        timed = {"train_ms": [milliseconds], "test_ms": [1.0], "device": "a processor", "threads": 1, "torch": "2.15"}
        more = {"test_batch": 512, "startup_seconds": 0.5, "peak_memory_bytes": None, "steps": 3}
        write_probe(experiment.runs, make_probe(variant, [{**timed, **more}], "cpu", 2))
    made = experiment.report()
    assert [row["step_ms"] for row in made.analysis.networks] == [12.3, 20.0, None]
    said = "Step: Forward, backward and update of a minibatch of 128, float32, on a processor, torch 2.15, 2 at once"
    assert said in captions(made.document)[0]
    (info,) = step_time_values(made.analysis)
    assert [(bar.group, bar.milliseconds) for bar in info.values.bars] == [("thin", 12.34), ("thin", 20.0), ("wide", None)]
    assert "step_times" in made.figures


def test_an_argument_that_another_network_lacks_is_no_point(tmp_path: Path) -> None:
    (tmp_path / "my_net.py").write_text(
        "import torch\n\n\ndef build(width=8, **more):\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))\n"
    )
    nets = [f"{{net: {{python: my_net:build, args: {{width: 8{more}}}}}}}" for more in (", depth: 2", "")]
    for order in (nets, nets[::-1]):
        text = f"name: own\ndata: digits\nrecipe: wrn_cifar\nseeds: 0\nvariants: [{', '.join(order)}]\n"
        (tmp_path / "own.yaml").write_text(text)
        assert load_study(tmp_path / "own.yaml", runs=tmp_path / "runs").analysis().growth == []
