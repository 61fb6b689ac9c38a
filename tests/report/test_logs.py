"""An authors' log in the report: beside the variant of its network, in the table and in the curves."""

from __future__ import annotations

import json
from pathlib import Path

from recorded import recorded

from ablate.api import load_study
from ablate.nets.families import count_network
from ablate.nets.notation import parse_architecture
from ablate.records.imported import draft_torchnet, write_imported
from ablate.report.analysis import StudyAnalysis
from ablate.report.document import Curves
from ablate.report.figure_values.curves import imported_curves
from ablate.report.paper_table import paper_table
from ablate.report.table import Cell

STUDY = """\
name: logs
data: {name: cifar10, preprocess: zca}
recipe: {base: wrn_cifar, epochs: 2}
seeds: 1
variants: [{net: [WRN-10-1, WRN-16-1]}]
"""


def write_log(folder: Path, depth: int, accuracies: list[float], data: str = "cifar10", preprocess: str = "zca") -> None:
    """A log of the authors' code, imported into the folder's runs."""
    parameters = count_network(parse_architecture(f"WRN-{depth}-1"), 10, (3, 32, 32)).parameters
    said = {"depth": depth, "widen_factor": 1, "model": "wide-resnet", "n_parameters": parameters, "max_epoch": 2}
    lines = [
        json.dumps({**said, "epoch": n, "lr": 0.1, "loss": 1.0 / n, "test_acc": accuracy, "train_time": 9, "test_time": 1})
        for n, accuracy in enumerate(accuracies, 1)
    ]
    path = folder / f"{depth}_{len(accuracies)}_{preprocess}.log"
    path.write_text("".join(f"json_stats: {line}\n" for line in lines))
    write_imported(folder / "runs", draft_torchnet(path, data, preprocess, 10, (3, 32, 32)))


def logged(analysis: StudyAnalysis) -> list[Cell]:
    """The cells of the authors' logs, a row each."""
    table = paper_table(analysis)
    return [row[table.titles.index("Authors' log")] for row in table.rows]


def test_a_log_stands_beside_the_variant_of_its_network(tmp_path: Path) -> None:
    write_log(tmp_path, 10, [60.0, 88.5])
    report = recorded(tmp_path, STUDY, {0: [11.0], 1: [12.0]}).report()
    with_log, without = logged(report.analysis)
    assert (with_log.text, without.text) == ("11.50", "–")
    (note,) = [text for mark, text in paper_table(report.analysis).notes if mark == with_log.mark]
    assert note == "WRN-10-1, authors' log (10_2_zca.log), 2 epochs, zca; one run, imported"
    (curve,) = imported_curves(report.analysis)
    assert [row["test_error"] for row in curve.rows] == [40.0, 11.5]
    (shown,) = [section.content for section in report.document.sections if isinstance(section.content, Curves)]
    drawn = [curve for curve in shown.curves if curve.imported]
    assert [(one.label, one.values) for one in drawn] == [("WRN-10-1, authors' log", [40.0, 11.5])]


def test_a_log_that_ends_early_has_no_final_error_and_another_preprocessing_is_said(tmp_path: Path) -> None:
    write_log(tmp_path, 10, [60.0])
    analysis = recorded(tmp_path, STUDY, {0: [12.0]}).analysis()
    assert logged(analysis)[0].text == "–"
    write_log(tmp_path, 10, [60.0, 88.0], preprocess="meanstd")
    analysis = recorded(tmp_path, STUDY, {0: [12.0]}).analysis()
    assert logged(analysis)[0].text == "12.00"
    assert any(text.endswith("; ours zca") for _, text in paper_table(analysis).notes)


def test_a_log_is_only_in_the_panels_of_its_network(tmp_path: Path) -> None:
    write_log(tmp_path, 16, [60.0, 88.5])
    panels = "panels: {Shallow: [WRN-10-1], Both: [WRN-10-1, WRN-16-1]}\n"
    analysis = recorded(tmp_path, STUDY + panels, {0: [12.0], 1: [11.0]}).analysis()
    assert [curve.panel for curve in imported_curves(analysis)] == ["Both"]


def test_without_logs_there_is_no_column(tmp_path: Path) -> None:
    analysis = recorded(tmp_path, STUDY, {0: [12.0], 1: [11.0]}).analysis()
    assert "Authors' log" not in paper_table(analysis).titles and imported_curves(analysis) == []


def test_each_log_of_the_authors_lands_in_a_shipped_study_also_before_anything_is_trained(tmp_path: Path) -> None:
    logs = {  # as the authors' code writes them: options, parameters, the last test accuracy
        "wide-resnet": ({"depth": 40, "widen_factor": 4}, 8_949_210, 94.89),
        "resnet-pre-act": ({"depth": 164}, 1_703_258, 94.25),
        "vgg": ({}, 20_035_018, 93.68),
        "nin": ({}, 1_007_242, 92.64),
    }
    for model, (options, parameters, accuracy) in logs.items():
        path = tmp_path / f"{model}.log"
        values = {**options, "model": model, "n_parameters": parameters, "epoch": 1, "test_acc": accuracy, "loss": 0.1}
        path.write_text(f"json_stats: {json.dumps(values)}\n")
        write_imported(tmp_path / "runs", draft_torchnet(path, "cifar10", "zca", 10, (3, 32, 32)))
    study = Path(__file__).parents[2] / "studies" / "authors_logs.yaml"
    analysis = load_study(study, runs=tmp_path / "runs").analysis()
    table = paper_table(analysis)
    published = [row[table.titles.index("Published")].text for row in table.rows]
    assert "median over" not in analysis.measured()
    assert [cell.text for cell in logged(analysis)] == published == ["5.11", "5.75", "6.32", "7.36"]
