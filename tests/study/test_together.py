"""A file that names studies: one table, one family a data set, each variant once, and one line where it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import DIGITS, record
from typer.testing import CliRunner

from ablate.api import load_study
from ablate.commands.cli import app
from ablate.errors import StudyError
from ablate.network_experiment import Experiment

FIRST = f"{DIGITS}seeds: 2\nvariants: [{{net: [WRN-10-1, WRN-16-1]}}]\nbaseline: WRN-10-1\n"
SECOND = FIRST.replace("[WRN-10-1, WRN-16-1]", "[WRN-10-1, WRN-10-2]").replace("epochs: 2", "epochs: 3")


def together(folder: Path, first: str, second: str, more: str = "table: {group_by: study}\n") -> Experiment:
    for name, text in (("first", first), ("second", second)):
        (folder / f"{name}.yaml").write_text(f"name: {name}\n" + text.partition("\n")[2])
    (folder / "both.yaml").write_text(f"name: both\nstudies: [first.yaml, second.yaml]\n{more}")
    found = load_study(folder / "both.yaml", runs=folder / "runs")
    assert isinstance(found, Experiment)
    return found


def test_rows_keep_their_baseline_and_are_told_apart(tmp_path: Path) -> None:
    experiment = together(tmp_path, FIRST, SECOND)
    assert experiment.trials() == [
        *load_study(tmp_path / "first.yaml").trials(),
        *load_study(tmp_path / "second.yaml").trials(),
    ]
    for place, trial in enumerate(experiment.trials()):
        record(experiment.runs, trial, 5.0 + place)
    (table, *_) = experiment.report().tables()
    assert [title for _, title in table.groups] == ["first", "second"]
    assert [row[0].text for row in table.rows] == ["WRN-10-1", "WRN-16-1", "WRN-10-1", "WRN-10-2"]
    assert table.titles[1] == "epochs" and [row[1].text for row in table.rows] == ["2", "2", "3", "3"]
    names = [baseline and baseline.name for baseline in experiment.analysis().baselines]
    assert names == ["WRN-10-1, epochs 2"] * 2 + ["WRN-10-1, epochs 3"] * 2
    printed = CliRunner().invoke(app, ["plan", str(tmp_path / "both.yaml"), "--runs", str(experiment.runs)])
    assert printed.exit_code == 0 and "4 variants, 8 trials: 8 recorded" in printed.output


def test_a_variant_of_two_studies_is_there_once_with_its_baseline(tmp_path: Path) -> None:
    other = FIRST.replace("[WRN-10-1, WRN-16-1]", "[WRN-16-1, WRN-10-2]").replace(
        "baseline: WRN-10-1", "baseline: WRN-16-1"
    )
    experiment = together(tmp_path, FIRST, other)
    assert [variant.net for variant in experiment.variants] == ["WRN-10-1", "WRN-16-1", "WRN-10-2"]
    assert [one and one.net for one in experiment.baselines] == ["WRN-10-1", "WRN-10-1", "WRN-16-1"]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            FIRST.replace("name: digits", "name: image_folder, title: Digits, root: d, classes: 10, image_size: 8"),
            "data: 'Digits' is the title of digits and of ",
        ),
        (
            FIRST.replace("seeds: 2", "seeds: 3"),
            "first and second differ in seeds; one table needs the same",
        ),
        (FIRST + "validation: {holdout: 20}\n", "first and second differ in decide_by"),
        (FIRST.replace("seeds: 2", "seeds: {from: 4, to: 8, until: decided}"), "second.yaml is none that may stand beside"),
        ("name: x\nstudies: [first.yaml]\n", "'studies' names whole studies and is none of its own"),
    ],
)
def test_what_cannot_stand_in_one_table_is_one_line(tmp_path: Path, second: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        together(tmp_path, FIRST, second)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("seeds: 3\n", "'seeds' is not valid beside 'studies'"),
        ("table: {group_by: k}\n", "table.group_by: found 'k'; allowed: study"),
    ],
)
def test_the_file_has_only_what_is_common(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        together(tmp_path, FIRST, SECOND, more)


def test_measures_and_further_test_images_are_those_of_all_and_tell_no_variants_apart(tmp_path: Path) -> None:
    noise = "also_test: [{corruption: gaussian_noise, severity: 3}]\nkeep: {megabytes: 5}\n"
    experiment = together(tmp_path, FIRST + noise, SECOND.replace("epochs: 3", "epochs: 2") + "measures: [nll]\n")
    assert [
        (one.net, dict(one.axes).keys() & {"data.measures", "data.also_test", "data.keep"}) for one in experiment.variants
    ] == [
        ("WRN-10-1", set()),
        ("WRN-16-1", set()),
        ("WRN-10-2", set()),
    ]
    assert {one.data.measures for one in experiment.variants} == {("nll",)}
    assert [[test.title for test in one.data.also_test] for one in experiment.variants] == [["Gaussian noise, 3"]] * 3
    alone = load_study(tmp_path / "first.yaml").trials() + load_study(tmp_path / "second.yaml").trials()
    assert {one.id for one in experiment.trials()} == {one.id for one in alone}
