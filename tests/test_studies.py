"""The shipped studies: they plan, and state what the paper prints. The numbers below were typed from the paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from ablate.api import load_search, load_study
from ablate.errors import StudyError
from ablate.network_experiment import Experiment
from ablate.report.analysis import StudyAnalysis
from ablate.study.program import ProgramStudy
from ablate.study.study import Published, PublishedRow

STUDIES = Path(__file__).parents[1] / "studies"
SEARCHES = sorted(path.stem for path in STUDIES.glob("*.yaml") if "\nsearch:" in path.read_text())
PROGRAMS = sorted(path.stem for path in STUDIES.glob("*.yaml") if "\nprogram:" in path.read_text())
NAMES = sorted({path.stem for path in STUDIES.glob("*.yaml")} - {*SEARCHES, *PROGRAMS})
QUICK = ("decided_early", "quickstart", "road_map")  # small as they are, so they have no smaller scale
SCALED = [name for name in NAMES if name not in QUICK]
MB = "ms a batch of 16"
TOP5 = "top-5 error, %"
TITAN = "s per epoch, Titan X"
NOT_BUILT = "the network is not built"


class Row(NamedTuple):
    """What is printed in a row. other: what stands beside the errors, by title."""

    label: str
    parameters: str = ""
    cifar10: float | None = None
    cifar100: float | None = None
    svhn: float | None = None
    imagenet: float | None = None
    other: tuple[tuple[str, float], ...] = ()
    not_run: str = ""


TABLE_2 = [
    Row("WRN-40-2-B(1,3,1)", "1.4M", 6.06, other=((TITAN, 85.8),)),
    Row("WRN-40-2-B(3,1)", "1.2M", 5.78, other=((TITAN, 67.5),)),
    Row("WRN-40-2-B(1,3)", "1.3M", 6.42, other=((TITAN, 72.2),)),
    Row("WRN-40-2-B(3,1,1)", "1.3M", 5.86, other=((TITAN, 82.2),)),
    Row("WRN-28-2-B(3,3)", "1.5M", 5.73, other=((TITAN, 67.5),)),
    Row("WRN-22-2-B(3,1,3)", "1.1M", 5.78, other=((TITAN, 59.9),)),
]
TABLE_3 = [
    Row("WRN-40-2-B(3)", "2.2M", 6.69),
    Row("WRN-40-2-B(3,3)", "2.2M", 5.43),
    Row("WRN-40-2-B(3,3,3)", "2.2M", 5.65),
    Row("WRN-40-2-B(3,3,3,3)", "2.2M", 5.93),
]
TABLE_4 = [
    Row("WRN-40-1", "0.6M", 6.85, 30.89),
    Row("WRN-40-2", "2.2M", 5.33, 26.04),
    Row("WRN-40-4", "8.9M", 4.97, 22.89),
    Row("WRN-40-8", "35.7M", 4.66),
    Row("WRN-28-10", "36.5M", 4.17, 20.50),
    Row("WRN-28-12", "52.5M", 4.33, 20.43),
    Row("WRN-22-8", "17.2M", 4.38, 21.22),
    Row("WRN-22-10", "26.8M", 4.44, 20.75),
    Row("WRN-16-8", "11.0M", 4.81, 22.07),
    Row("WRN-16-10", "17.1M", 4.56, 21.59),
]
TABLE_5 = [
    Row("NIN", "", 8.81, 35.67),
    Row("DSN", "", 8.22, 34.57, not_run=NOT_BUILT),
    Row("FitNet", "", 8.39, 35.04, not_run=NOT_BUILT),
    Row("Highway", "", 7.72, 32.39, not_run=NOT_BUILT),
    Row("ELU", "", 6.55, 24.28, not_run=NOT_BUILT),
    Row("ResNet-110", "1.7M", 6.43, 25.16),
    Row("ResNet-1202", "10.2M", 7.93, 27.82),
    Row("ResNet-110, stochastic depth", "1.7M", 5.23, 24.58),
    Row("ResNet-1202, stochastic depth", "10.2M", 4.91),
    Row("pre-ResNet-110", "1.7M", 6.37),
    Row("pre-ResNet-164", "1.7M", 5.46, 24.33),
    Row("pre-ResNet-1001", "10.2M", 4.92, 22.71),
    Row("WRN-40-4", "8.9M", 4.53, 21.18),
    Row("WRN-16-8", "11.0M", 4.27, 20.43),
    Row("WRN-28-10", "36.5M", 4.00, 19.25),
]
TABLE_6 = [
    Row("WRN-16-4", "", 5.02, 24.03),
    Row("WRN-16-4-dropout0.3", "", 5.24, 23.91),
    Row("WRN-28-10", "", 4.00, 19.25),
    Row("WRN-28-10-dropout0.3", "", 3.89, 18.85),
    Row("WRN-52-1", "", 6.43, 29.89),
    Row("WRN-52-1-dropout0.3", "", 6.28, 29.78),
]
TABLE_6_SVHN = [
    Row("WRN-16-4", svhn=1.85),
    Row("WRN-16-4-dropout0.4", svhn=1.64),
    Row("WRN-52-1", svhn=2.08),
    Row("WRN-52-1-dropout0.4", svhn=1.70),
]
TABLE_7 = [
    Row("WRN-18, width 1.0", "11.7M", imagenet=30.4, other=((TOP5, 10.93),)),
    Row("WRN-18, width 1.5", "25.9M", imagenet=27.06, other=((TOP5, 9.0),)),
    Row("WRN-18, width 2.0", "45.6M", imagenet=25.58, other=((TOP5, 8.06),)),
    Row("WRN-18, width 3.0", "101.8M", imagenet=24.06, other=((TOP5, 7.33),)),
    Row("WRN-34, width 1.0", "21.8M", imagenet=26.77, other=((TOP5, 8.67),)),
    Row("WRN-34, width 1.5", "48.6M", imagenet=24.5, other=((TOP5, 7.58),)),
    Row("WRN-34, width 2.0", "86.0M", imagenet=23.39, other=((TOP5, 7.00),)),
]
TABLE_8 = [
    Row("ResNet-50", "25.6M", imagenet=24.01, other=((TOP5, 7.02), (MB, 49))),
    Row("ResNet-101", "44.5M", imagenet=22.44, other=((TOP5, 6.21), (MB, 82))),
    Row("ResNet-152", "60.2M", imagenet=22.16, other=((TOP5, 6.16), (MB, 115))),
    Row("WRN-50-2-bottleneck", "68.9M", imagenet=21.9, other=((TOP5, 6.03), (MB, 93))),
    Row("pre-ResNet-200", "64.7M", imagenet=21.66, other=((TOP5, 5.79), (MB, 154))),
]
TABLE_9 = [
    Row("WRN-40-10-dropout0.3", "", 3.8, 18.3),
    Row("WRN-16-8-dropout0.4", svhn=1.54),
    Row("WRN-16-8", svhn=1.81),
    Row("WRN-50-2-bottleneck", imagenet=21.9, other=((TOP5, 5.79),)),
    Row("WRN-34-2 on COCO test-std", other=(("mAP", 35.2),), not_run="it is detection, see coco.yaml"),
]
RESNEXT = [
    Row("ResNet-50 (1x64d)", imagenet=23.9, other=(("GFLOPs", 4.1),)),
    Row("ResNeXt-50 (32x4d)", imagenet=22.2, other=(("GFLOPs", 4.1),)),
    Row("ResNet-101 (1x64d)", imagenet=22.0, other=(("GFLOPs", 7.8),)),
    Row("ResNeXt-101 (32x4d)", imagenet=21.2, other=(("GFLOPs", 7.8),)),
    Row("ResNeXt-101 (64x4d)", imagenet=20.4, other=(("GFLOPs", 15.6),)),
]
AUTHORS_LOGS = [  # 100 less the last test accuracy of each log
    Row("WRN-40-4", "8.9M", 5.11),
    Row("pre-ResNet-164", "1.7M", 5.75),
    Row("VGG", "20.0M", 6.32),
    Row("NIN", "1.0M", 7.36),
]
WHOLE = {
    "authors_logs": AUTHORS_LOGS,
    "block_types": TABLE_2,
    "deepening": TABLE_3,
    "width": TABLE_4,
    "comparison": TABLE_5,
    "dropout": TABLE_6 + TABLE_6_SVHN,
    "curves_svhn": TABLE_6_SVHN,
    "imagenet_width": TABLE_7,
    "imagenet_bottleneck": TABLE_8,
    "best": TABLE_9,
    "resnext_cardinality": RESNEXT,
    "coco": [Row("WRN-34-2")],  # its AP is in tests/study/published.json
    "optimizer": [Row("WRN-10-8, Adam", "", 83.0)],  # the post has an accuracy of 17%
}
UNEQUAL = {  # whose printed count is not that of the network
    ("comparison", "ResNet-1202"),
    ("comparison", "ResNet-1202, stochastic depth"),
    ("comparison", "pre-ResNet-1001"),
    ("efficiency", "pre-ResNet-1001"),
}


def experiment(name: str, scale: str, folder: Path) -> Experiment:
    """A shipped study without records."""
    return load_study(STUDIES / f"{name}.yaml", scale=scale, runs=folder / "runs")


def analysis(name: str, scale: str, folder: Path) -> StudyAnalysis:
    return experiment(name, scale, folder).analysis()


def stated(name: str, folder: Path) -> list[tuple[Published, PublishedRow]]:
    """Every published row of a study and its table."""
    return [(table, row) for table in experiment(name, "", folder).study.published for row in table.rows]


def printed(row: PublishedRow) -> Row:
    return Row(row.label, row.parameters, **row.errors, other=tuple(row.other.items()), not_run=row.not_run)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", WHOLE)
def test_every_published_number_is_the_papers(name: str, tmp_path: Path) -> None:
    assert sorted((printed(row) for _, row in stated(name, tmp_path)), key=repr) == sorted(WHOLE[name], key=repr)


@pytest.mark.parametrize("name", ["curves_cifar", "efficiency"])
def test_rows_of_another_table_are_those_of_that_table(name: str, tmp_path: Path) -> None:
    table_5 = {row.label: row for row in TABLE_5}
    rows = [printed(row) for _, row in stated(name, tmp_path)]
    assert len(rows) == len(experiment(name, "", tmp_path).variants) / (2 if name == "curves_cifar" else 1)
    for row in rows:
        assert row == (table_5[row.label] if name == "curves_cifar" else table_5[row.label]._replace(cifar100=None))


def test_no_other_study_states_published_values(tmp_path: Path) -> None:
    without = {name for name in NAMES if not stated(name, tmp_path)}
    assert without == {
        "calibration", "decided_early", "factorial", "initialization", "own_network", "precision", "quickstart",
        "recipe_ablation", "resnext_cifar", "road_map", "scaling", "tuned", "until_decided",
    }  # fmt: skip
    assert set(NAMES) - without == {*WHOLE, "curves_cifar", "efficiency"}


@pytest.mark.parametrize("name", NAMES)
def test_counts_round_to_what_is_printed(name: str, tmp_path: Path) -> None:
    """The paper's counts are those for CIFAR-10, where the data are CIFAR-10 and CIFAR-100."""
    found = analysis(name, "", tmp_path)
    unequal = {}
    checked = 0
    for summary in found.summaries:
        match = found.match(summary)
        if match and match.row.parameters and summary.variant.data.name != "cifar100":
            digits = len(match.row.parameters.partition(".")[2]) - 1
            checked += 1
            if f"{summary.variant.counts.parameters / 1e6:.{digits}f}M" != match.row.parameters:
                unequal[name, match.row.label] = match.row.note
    assert set(unequal) == {key for key in UNEQUAL if key[0] == name}
    assert all("10.2M" in note for note in unequal.values())
    assert checked == sum(bool(row.parameters) for _, row in stated(name, tmp_path))


@pytest.mark.parametrize("name", NAMES)
def test_every_published_row_has_its_variant_or_says_why_not(name: str, tmp_path: Path) -> None:
    found = analysis(name, "", tmp_path)
    matches = [(summary, match) for summary in found.summaries if (match := found.match(summary))]
    beside = [(summary.variant.data.stands_for, id(match.row)) for summary, match in matches]
    assert len(beside) == len(set(beside))
    rows = [row for table in found.study.published for row in table.rows]
    for row in rows:
        for data in row.errors if not row.not_run else ():
            assert (data, id(row)) in beside, f"{row.label}: no variant on {data}"
    assert [row for _, row in found.rows_without_variant] == [row for row in rows if row.not_run]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_study_follows_the_published_protocol(name: str, tmp_path: Path) -> None:
    """In recipe, images and planned seeds; nothing is recorded here."""
    found = analysis(name, "", tmp_path)
    for match in filter(None, map(found.match, found.summaries)):
        table = match.published
        expected = [] if table.recipe else ["the published training is not stated"]
        assert list(match.differences) == expected
        assert table.seeds in (None, len(found.study.seeds))


@pytest.mark.parametrize("name", SCALED)
def test_the_small_scale_keeps_the_design_and_shrinks_the_rest(name: str, tmp_path: Path) -> None:
    whole, small = experiment(name, "", tmp_path), experiment(name, "small", tmp_path)
    assert small.study.name == f"{name}_small" and small.study.scale == "small"
    assert small.study.source == whole.study.source
    if whole.study.source:
        assert len(small.study.seeds) in (len(whole.study.seeds), 6)  # six can reach a verdict
    assert not any(word in small.study.title for word in ("SVHN", "ImageNet", "CIFAR-100"))  # whose images it has not
    largest = max(variant.counts.parameters for variant in whole.variants)
    assert all(variant.counts.parameters <= largest for variant in small.variants)
    if whole.study.seeds:
        assert small.study.recipe.epochs < whole.study.recipe.epochs
        small_sizes = {"factorial": (2000, 1000), "tuned": (2000, 2000), "until_decided": (2000, 2000)}  # of which are many
        small_sizes["coco"] = (None, None)  # all scenes that are composed
        sizes = small_sizes.get(name, (3000, 2000))
        assert (small.study.data.train_size, small.study.data.test_size) == sizes
        images = "Scenes of CIFAR-10" if name == "coco" else "CIFAR-10"
        assert {variant.data.title for variant in small.variants} == {images}
        assert "small scale, not the paper's" in small.report().document.heading


@pytest.mark.parametrize("name", [name for name in SCALED if "\n  laptop:" in (STUDIES / f"{name}.yaml").read_text()])
def test_a_laptop_trains_few_epochs_on_all_images_and_can_reach_a_verdict(name: str, tmp_path: Path) -> None:
    laptop = experiment(name, "laptop", tmp_path)
    assert max(laptop.study.seeds) >= 5 or laptop.study.until
    for variant in laptop.variants:
        assert (variant.data.title, variant.data.train_size, variant.data.test_size) == ("CIFAR-10", None, None)
        assert variant.recipe.epochs == {"recipe_ablation": 4}.get(name, 15) and variant.counts.parameters < 3e6


@pytest.mark.parametrize("name", SCALED)
def test_no_value_of_a_small_scale_is_held_to_follow_the_published_protocol(name: str, tmp_path: Path) -> None:
    found = analysis(name, "small", tmp_path)
    for summary in found.summaries:
        if match := found.match(summary):
            said = "; ".join(match.differences)
            assert "another network" in said or match.row.architecture in (None, summary.variant.architecture)
            if summary.variant.data.train_size:
                assert "3,000 training images, not " in said
            if match.published.recipe:
                assert f"{summary.variant.recipe.epochs} epochs, not {match.published.recipe.epochs}" in said


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_study_is_small_enough(name: str) -> None:
    with pytest.raises(StudyError, match="the study has no scales"):
        load_study(STUDIES / f"{name}.yaml", scale="small")


@pytest.mark.parametrize("name", NAMES)
def test_a_header_has_source_cost_and_command(name: str) -> None:
    lines = (STUDIES / f"{name}.yaml").read_text().splitlines()
    assert lines[0] == "# yaml-language-server: $schema=schema.json"
    header = "\n".join(line for line in lines[1 : lines.index(f"name: {name}")])
    assert all(line.startswith("# ") for line in header.splitlines())
    study = load_study(STUDIES / f"{name}.yaml").study
    verbs = ["run", "report"] if study.seeds else ["report"]
    assert all(f"ablate {verb} studies/{name}.yaml" in header for verb in verbs)
    if name in QUICK:
        assert "About a minute on two cores" in header
        return
    assert "\n# Cost: " in f"\n{header}"
    assert ("GPU-hours" in header and "with --scale small about" in header) == bool(study.seeds)
    other = {"optimizer": "post on wide ResNets", "resnext_cardinality": "ResNeXt", "resnext_cifar": "ResNeXt"}
    assert other.get(name, study.source) in header


@pytest.mark.parametrize("name", [name for name in SCALED if name not in ("efficiency", "scaling")])
def test_the_cost_in_the_header_is_what_plan_says(name: str, tmp_path: Path) -> None:
    """GPU-hours of the Titan X, which the counts alone give; the header rounds to two digits."""
    text = (STUDIES / f"{name}.yaml").read_text()
    said = float(text.partition("# Cost: about ")[2].partition(" GPU-hours")[0].replace(",", ""))
    hours = experiment(name, "", tmp_path).plan()["cost"]["titan_x_seconds"] / 3600
    assert said == pytest.approx(hours, rel=0.1)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_shipped_search(name: str, tmp_path: Path) -> None:
    text = (STUDIES / f"{name}.yaml").read_text()
    lines = text.splitlines()
    header = lines[: [line.startswith("#") for line in lines].index(False)]
    assert header[0] == "# yaml-language-server: $schema=schema.json"
    assert f"#     ablate search studies/{name}.yaml && ablate report studies/{name}.yaml" in header
    whole, small = (load_search(STUDIES / f"{name}.yaml", scale=scale, runs=tmp_path) for scale in ("", "small"))
    assert small.study.name == f"{whole.study.name}_small"
    said = re.search(r"# Cost: (?:at most|about) ([\d.]+) GPU-hours.*with --scale small about \d+ minutes", text)
    assert said and float(said[1]) == pytest.approx(whole.plan()["cost"]["titan_x_seconds"] / 3600, rel=0.1)
    for study in (whole.study, small.study):
        assert study.search and study.data.held_out is None and study.search.trials >= len(study.search.enqueue)
    if name == "cifar_fast_search":  # small is the same search of copies of the images
        return
    assert small.plan()["cost"]["titan_x_seconds"] < whole.plan()["cost"]["titan_x_seconds"] / 1000


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_shipped_study_of_a_program(name: str, tmp_path: Path) -> None:
    lines = (STUDIES / f"{name}.yaml").read_text().splitlines()
    header = "\n".join(lines[: lines.index(f"name: {name}")])
    assert all(f"ablate {verb} studies/{name}.yaml" in header for verb in ("run", "report"))
    assert "minute" in header and "two cores" in header
    study = load_study(STUDIES / f"{name}.yaml", runs=tmp_path).study
    assert isinstance(study, ProgramStudy) and not study.remarks


def test_the_six_blocks_of_table_2_are_the_first_candidates_of_the_block_search(tmp_path: Path) -> None:
    search = load_search(STUDIES / "search_block.yaml", runs=tmp_path).study.search
    assert search
    blocks = [str(values["block"]) for values in search.enqueue]
    assert blocks == [row.label.partition("-B")[0] and "B" + row.label.partition("-B")[2] for row in TABLE_2]


def test_studies_that_say_so_share_their_trials(tmp_path: Path) -> None:
    ids = {name: {trial.id for trial in experiment(name, "", tmp_path).trials()} for name in NAMES}
    assert ids["curves_cifar"] < ids["comparison"]
    assert ids["curves_svhn"] < ids["dropout"]
    assert len(ids["comparison"] & ids["dropout"]) == 2 * 5  # WRN-28-10 on both CIFARs
    assert not ids["width"] & ids["comparison"]  # ZCA, and mean and standard deviation
