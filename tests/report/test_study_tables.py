"""The tables of a trained study: the paper's, what the seeds say, and table.csv."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import pytest
from recorded import DIGITS, record, recorded, written

from ablate.commands.outcome_text import found_text
from ablate.network_experiment import Experiment
from ablate.report.numbers import p_text, seeds_needed_text
from ablate.report.paper_table import paper_table
from ablate.report.rounds_table import _share
from ablate.report.statistics_table import statistics_table
from ablate.report.study_report import StudyReport
from ablate.report.table import Cell, Footnotes, Table

ONE = f"""\
{DIGITS}seeds: 3
variants:
  - net: [WRN-10-1, WRN-10-2]
baseline: WRN-10-1
"""
BOTH = ONE.replace("data: {name: digits, train_size: 128}", "data: [{name: digits, train_size: 128}, cifar10]")


def paper(experiment: Experiment) -> Table:
    return paper_table(experiment.analysis())


def texts(table: Table) -> list[dict[str, str]]:
    """The rows, each cell's text by its column; columns of one name are numbered from the second."""
    names = [name + "'" * table.titles[:i].count(name) for i, name in enumerate(table.titles)]
    return [dict(zip(names, (cell.text for cell in row))) for row in table.rows]


def column(table: Table, name: str) -> list[Cell]:
    return [row[table.titles.index(name)] for row in table.rows]


def frame(experiment: Experiment) -> list[dict[str, str]]:
    """The rows of table.csv as they are written."""
    text = StudyReport(experiment.analysis()).frames()["table"].to_csv(index=False)
    return list(csv.DictReader(io.StringIO(text)))


def test_a_run_says_the_medians_of_each_data_set(tmp_path: Path) -> None:
    said = found_text(recorded(tmp_path, BOTH, {0: [7.0], 1: [30.0], 2: [6.0], 3: [20.0]}).analysis(), "x").splitlines()
    medians = [line.split() for line in said if line.startswith("  ")]
    assert [words[:3] for words in medians] == [
        ["Digits,", "WRN-10-2", "6.00"],
        ["Digits,", "WRN-10-1", "7.00"],
        ["CIFAR-10,", "WRN-10-2", "20.00"],
        ["CIFAR-10,", "WRN-10-1", "30.00"],
    ]


def test_one_data_set_has_range_and_seeds_beside_the_median(tmp_path: Path) -> None:
    table = paper(recorded(tmp_path, ONE, {0: [7.0, 5.0, 9.0], 1: [6.0, 8.0]}))
    difference = "Difference to WRN-10-1 [80%]"
    titles = ["Network", "Median test error, %", "Range", difference, "n", "Parameters", "N", "Mult-adds"]
    assert table.titles == titles
    first, second = texts(table)
    assert (first["Network"], first["N"], first["Parameters"]) == ("WRN-10-1", "1", "77,562")
    assert first[difference] == "baseline" and second[difference].startswith("+0.00 [")
    assert (first["Median test error, %"], first["Range"], first["n"]) == ("7.00", "5.00–9.00", "3")
    assert (second["Median test error, %"], second["Range"], second["n"]) == ("7.00", "6.00–8.00", "2/3")
    assert [column.numeric for column in table.columns] == [False, *[True] * 7]


def test_several_data_sets_are_columns_of_one_row(tmp_path: Path) -> None:
    table = paper(recorded(tmp_path, BOTH, {0: [7.0], 1: [30.0], 2: [6.0], 3: [20.0]}))
    assert table.titles == ["Network", "Digits, %", "CIFAR-10, %", "Parameters", "N", "Mult-adds"]
    assert [(row["Network"], row["Digits, %"], row["CIFAR-10, %"]) for row in texts(table)] == [
        ("WRN-10-2", "6.00", "20.00"),
        ("WRN-10-1 (baseline)", "7.00", "30.00"),
    ]
    assert "Parameters and multiply-adds are those on Digits." in table.caption  # which has one channel
    (tmp_path / "alike").mkdir()
    alike = BOTH.replace("{name: digits, train_size: 128}", "svhn")  # images as large, and as many classes, as CIFAR-10's
    assert "Parameters" not in paper(written(tmp_path / "alike", alike)).caption


def test_each_data_set_has_its_own_measures(tmp_path: Path) -> None:
    experiment = written(tmp_path, BOTH.replace("seeds: 3", "seeds: 1\nmeasures: [macro_f1]"))
    for index, f1 in enumerate((93.0, 70.0, 94.0)):
        record(experiment.runs, experiment.variants[index].trials([0])[0], 5.0, test_macro_f1=f1)
    table = paper(experiment)
    assert table.titles[6:] == ["Digits, macro F1, %", "CIFAR-10, macro F1, %"]
    assert [[row[title] for title in ("Network", *table.titles[6:])] for row in texts(table)] == [
        ["WRN-10-1 (baseline)", "93.00", "70.00"],
        ["WRN-10-2", "94.00", "–"],
    ]


def test_a_network_that_is_not_on_a_data_set_has_a_dash_there(tmp_path: Path) -> None:
    text = BOTH.replace("net: [WRN-10-1, WRN-10-2]", "net: WRN-10-1\n  - net: WRN-10-2\n    data: cifar10")
    table = paper(recorded(tmp_path, text, {0: [7.0], 1: [30.0], 2: [20.0]}))
    assert [(row["Digits, %"], row["CIFAR-10, %"]) for row in texts(table)] == [("7.00", "30.00"), ("–", "20.00")]


def test_without_any_seeds_the_networks_stand_there(tmp_path: Path) -> None:
    table = paper(recorded(tmp_path, BOTH, {}))
    assert [(row["Network"], row["Digits, %"], row["CIFAR-10, %"]) for row in texts(table)] == [
        ("WRN-10-1 (baseline)", "–", "–"),
        ("WRN-10-2", "–", "–"),
    ]
    assert not any(cell.bold for row in table.rows for cell in row)


def test_bold_are_those_that_cannot_be_told_from_the_best(tmp_path: Path) -> None:
    """On the digits the second of two is better at all six seeds; on CIFAR-10 the first is at three of them."""
    low, high = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [11.0, 12.0, 13.0, 14.0, 15.0, 16.0]
    text = BOTH.replace("seeds: 3", "seeds: 6")
    errors: dict[int, list[float | None]] = {0: [*high], 1: [*low], 2: [*low], 3: [1.5, 2.5, 3.5, 3.5, 4.5, 5.5]}
    table = paper(recorded(tmp_path, text, errors))
    assert [cell.bold for cell in column(table, "Digits, %")] == [True, False]
    assert [cell.bold for cell in column(table, "CIFAR-10, %")] == [False, False]
    assert table.caption.endswith("Bold: indistinguishable from the best.")


@pytest.mark.parametrize(
    "errors", [{0: [7.0], 1: [6.0]}, {0: [7.0]}, {0: [None], 1: [99.0]}, {0: [7.0, 8.0], 1: [1.0, 2.0]}]
)
def test_nothing_is_bold_where_seeds_tell_nothing(tmp_path: Path, errors: dict[int, list[float | None]]) -> None:
    table = paper(recorded(tmp_path, ONE, errors))
    assert not any(cell.bold for cell in column(table, "Median test error, %")) and "Bold" not in table.caption


def test_diverged_seeds_stand_in_their_cells(tmp_path: Path) -> None:
    table = paper(recorded(tmp_path, ONE, {0: [7.0, None, 9.0], 1: [None, None, 5.0]}))
    first, second = texts(table)
    assert (first["Median test error, %"], first["Range"], first["n"]) == ("9.00", "7.00–diverged", "3, 1 diverged")
    assert (second["Median test error, %"], second["n"]) == ("diverged", "3, 2 diverged")


def test_recipes_are_rows_only_where_a_network_has_several_on_a_data_set(tmp_path: Path) -> None:
    own = "    data: cifar10\n    recipe: {base: adam, epochs: 2, batch_size: 32}\n"
    apart = ONE.replace("net: [WRN-10-1, WRN-10-2]", f"net: WRN-10-1\n  - net: WRN-10-1\n{own}")
    table = paper(recorded(tmp_path, apart, {0: [7.0], 1: [30.0]}))
    assert "Recipe" not in table.titles
    assert [(row["Digits, %"], row["CIFAR-10, %"]) for row in texts(table)] == [("7.00", "30.00")]
    together = apart.replace("    data: cifar10\n", "")
    table = paper(recorded(tmp_path, together, {0: [7.0], 1: [30.0]}))
    assert [(row["Recipe"], row["Median test error, %"]) for row in texts(table)] == [
        ("WRN on CIFAR", "7.00"),
        ("WRN with Adam", "30.00"),
    ]


def test_varied_axes_are_columns(tmp_path: Path) -> None:
    text = ONE.replace("net: [WRN-10-1, WRN-10-2]", "grid: {net: WRN-10-1, recipe.lr: [0.05, 0.2]}")
    table = paper(recorded(tmp_path, text.replace("baseline: WRN-10-1\n", ""), {0: [7.0], 1: [6.0]}))
    assert [(row["lr"], row["Median test error, %"]) for row in texts(table)] == [("0.2", "6.00"), ("0.05", "7.00")]


PUBLISHED = """\
published:
  - source: Table 1
    note: Of the table
    rows:
      - {net: WRN-10-1, cifar10: 28.5, parameters: 0.1M, other: {seconds: 3.5}, note: Of the row}
      - {net: WRN-10-2, cifar10: 21}
      - {label: DSN, cifar10: 8.22, parameters: 1M, other: {seconds: 9}, not_run: not built}
"""


def test_ours_stands_beside_the_published_value(tmp_path: Path) -> None:
    table = paper(recorded(tmp_path, BOTH + PUBLISHED, {0: [7.0], 1: [30.0], 3: [20.25]}))
    ours, other, alone = texts(table)
    assert (ours["CIFAR-10, %"], ours["CIFAR-10, published"], ours["CIFAR-10, ours − published"]) == (
        "30.00",
        "28.50",
        "+1.50",
    )
    assert (other["CIFAR-10, %"], other["CIFAR-10, published"], other["CIFAR-10, ours − published"]) == (
        "20.25",
        "21.00",
        "−0.75",
    )
    assert {row["Digits, published"] for row in (ours, other)} == {"–"}
    assert other["seconds (published)"] == "–"
    assert (alone["Network"], alone["CIFAR-10, %"], alone["CIFAR-10, published"]) == ("DSN", "–", "8.22")
    assert (alone["Parameters"], alone["seconds (published)"], alone["Digits, published"]) == ("1M", "9", "–")


def test_without_ours_there_is_no_difference(tmp_path: Path) -> None:
    row, _, _ = texts(paper(recorded(tmp_path, BOTH + PUBLISHED, {1: [None]})))
    assert (row["CIFAR-10, %"], row["CIFAR-10, published"], row["CIFAR-10, ours − published"]) == ("diverged", "28.50", "–")


def test_footnotes_say_protocol_and_notes_once_each(tmp_path: Path) -> None:
    table = paper(recorded(tmp_path, BOTH + PUBLISHED, {1: [30.0, 30.0, 30.0], 3: [20.0, 20.0, 20.0]}))
    names, values = column(table, "Network"), [row[table.titles.index("CIFAR-10, %") + 1] for row in table.rows]
    notes = dict(table.notes)
    assert [cell.mark for cell in values[:2]] == sorted({cell.mark for cell in values[:2]})  # one each: the notes differ
    first, second = (notes[cell.mark] for cell in values[:2])
    assert first.startswith("Table 1; the protocols differ: the published training is not stated")
    assert first.endswith(". Of the row. Of the table") and second == first.replace("Of the row. ", "")
    assert notes[names[2].mark] == "not run: not built; Table 1"
    assert len(notes) == 3


def test_a_footnote_is_shared_by_the_rows_it_is_true_of() -> None:
    footnotes = Footnotes()
    assert [footnotes.mark(text) for text in ("x", "", "y", "x")] == ["a", "", "b", "a"]
    assert footnotes.notes == [("a", "x"), ("b", "y")]


def test_marks_go_on_after_the_alphabet() -> None:
    footnotes = Footnotes()
    marks = [footnotes.mark(str(i)) for i in range(26 + 26 * 26 + 1)]
    assert marks[:3] == ["a", "b", "c"] and marks[25:29] == ["z", "aa", "ab", "ac"]
    assert marks[51:53] == ["az", "ba"] and marks[-2:] == ["zz", "aaa"]
    assert len(set(marks)) == len(marks)


def test_27_published_rows_have_27_footnotes(tmp_path: Path) -> None:
    rows = "".join(f"      - {{label: M{i}, cifar10: 8, not_run: 'reason {i}'}}\n" for i in range(27))
    table = paper(recorded(tmp_path, BOTH + f"published:\n  - source: T\n    rows:\n{rows}", {}))
    alone = column(table, "Network")[2:]
    assert [cell.text for cell in alone] == [f"M{i}" for i in range(27)]
    assert (alone[0].mark, alone[25].mark, alone[26].mark) == ("a", "z", "aa")
    assert dict(table.notes)["aa"] == "not run: reason 26; T"


def test_what_a_variant_stands_for_is_a_column_where_it_is_another_name(tmp_path: Path) -> None:
    text = BOTH.replace("WRN-10-2]", "WRN-10-2]\n    stands_for: [DSN, WRN-10-2]") + PUBLISHED
    table = paper(recorded(tmp_path, text, {}))
    assert [cell.text for cell in column(table, "Stands for")] == ["WRN-10-2", "DSN"]
    same = BOTH.replace("WRN-10-2]", "WRN-10-2]\n    stands_for: [WRN-10-1, WRN-10-2]") + PUBLISHED
    assert "Stands for" not in paper(recorded(tmp_path, same, {})).titles


def test_every_cell_of_a_median_knows_its_trials(tmp_path: Path) -> None:
    experiment = recorded(tmp_path, BOTH, {0: [7.0, 8.0], 1: [30.0]})
    table = paper(experiment)
    digits, cifar = (column(table, name)[0] for name in ("Digits, %", "CIFAR-10, %"))
    ids = tuple(trial.id for trial in experiment.trials())
    assert digits.trials == ids[:2] and cifar.trials == ids[3:4]


def test_the_statistics_of_each_variant(tmp_path: Path) -> None:
    analysis = recorded(tmp_path, ONE, {0: [7.0, 5.0, 9.0], 1: [4.0, 3.0, 2.0]}).analysis()
    table = statistics_table(analysis, analysis.summaries)
    assert table.titles[:5] == ["Variant", "n", "Median", "Mean ± SD", "Range"]
    base, wide = texts(table)
    assert list(base.values())[:5] == ["WRN-10-1", "3", "7.00", "7.00 ± 2.00", "5.00–9.00"]
    assert base["Baseline"] == "baseline" and base["p"] == "–"
    # All nine seed pairs are won: two of the 20 splits are as far apart.
    assert (wide["Baseline"], wide["Difference"], wide["P(better)"]) == ("WRN-10-1", "−4.00", "1.00 (0.50–1.00)")
    assert (wide["p"], wide["p (family)"], wide["Interval"]) == ("0.100", "0.100", "−7.00 to −1.00 (90%)")


def test_a_seed_without_a_partner_is_counted_once(tmp_path: Path) -> None:
    errors = [7.0, 5.0, 9.0, 6.0, 8.0, 4.0]
    text = f"{DIGITS}seeds: 7\nvariants: [{{net: [WRN-10-1, WRN-10-2, NIN]}}]\nbaseline: WRN-10-1\n"
    analysis = recorded(tmp_path, text, {0: [*errors, 7.5], 1: errors, 2: errors}).analysis()
    details = " ".join(statistics_table(analysis, analysis.summaries).details)
    assert "; 1 seed without a partner is left out." in details


def test_the_images_of_all_folds_are_one_sample(tmp_path: Path) -> None:
    text = DIGITS.replace("128", "500") + "validation: {folds: 5}\nseeds: 2\nvariants: [{net: WRN-10-1}]\n"
    experiment = written(tmp_path, text)
    for trial in experiment.trials():
        record(experiment.runs, trial, 10.0, validation_error=10.0, validation_loss=1.0, test_images=100)
    analysis = experiment.analysis()
    assert analysis.images_error(analysis.summaries[0]) == pytest.approx(math.sqrt(10 * 90 / 500))
    assert "the sample of 500 validation images" in analysis.sampling


@pytest.mark.parametrize(("share", "text"), [(0.001, "0.1%"), (0.025, "2.5%"), (0.975, "97.5%"), (1 - 2 * 0.05, "90%")])
def test_a_level_keeps_its_digits(share: float, text: str) -> None:
    assert _share(share) == text


def test_the_statistics_name_the_data_set_where_there_are_several(tmp_path: Path) -> None:
    analysis = recorded(tmp_path, BOTH, {0: [7.0], 1: [30.0], 2: [6.0]}).analysis()
    table = statistics_table(analysis, analysis.summaries)
    assert [(row["Variant"], row["Data"], row["Median"]) for row in texts(table)] == [
        ("WRN-10-1", "Digits", "7.00"),
        ("WRN-10-1", "CIFAR-10", "30.00"),
        ("WRN-10-2", "Digits", "6.00"),
        ("WRN-10-2", "CIFAR-10", "–"),
    ]


def test_from_eight_seeds_on_it_is_an_interval(tmp_path: Path) -> None:
    errors: list[float | None] = [float(error) for error in range(1, 9)]
    analysis = recorded(tmp_path, ONE.replace("seeds: 3", "seeds: 8"), {0: errors, 1: errors}).analysis()
    assert statistics_table(analysis, analysis.summaries).titles[4] == "95% interval"
    # With 8 seeds the interval lies inside minimum to maximum, 1 to 8.
    (low, high) = texts(statistics_table(analysis, analysis.summaries))[0]["95% interval"].split("–")
    assert 1 < float(low) < 2 < 7 < float(high) < 8


@pytest.mark.parametrize(
    ("p", "text"), [(1.0, "1.000"), (0.0079, "0.008"), (0.001, "0.001"), (0.00034, "0.0003"), (1e-05, "1e-05")]
)
def test_small_p_values_keep_a_digit(p: float, text: str) -> None:
    assert p_text(p) == text


@pytest.mark.parametrize(
    ("needed", "text"),
    [
        ((10.0, 70.0), "10 to 70"),
        ((9.0, 9.0), "about 9"),
        ((30.0, math.inf), "30 or more"),
        ((math.inf, math.inf), "more than 1,000"),
        ((500.0, 1000.0), "500 to 1,000"),
    ],
)
def test_seeds_needed(needed: tuple[float, float], text: str) -> None:
    assert seeds_needed_text(needed) == text


def test_the_csv_names_the_recorded_trials_in_the_order_of_their_seeds(tmp_path: Path) -> None:
    text = BOTH.replace("seeds: 3", "seeds: [7, 2, 5]")
    experiment = recorded(tmp_path, text, {0: [7.0, 8.0], 2: [None, 6.0, 5.0], 3: []})
    rows = frame(experiment)
    trials = {(variant.net, variant.data.title): variant.trials((7, 2, 5)) for variant in experiment.variants}
    for row in rows:
        of_seed = {str(trial.seed): trial.id for trial in trials[row["net"], row["data"]]}
        assert row["trials"].split() == [of_seed[seed] for seed in row["seeds"].split()]
    assert [row["seeds"] for row in rows] == ["7 2", "", "7 2 5", ""]
    assert [row["diverged"] for row in rows] == ["", "", "7", ""]


def test_the_csv_has_plain_numbers(tmp_path: Path) -> None:
    experiment = recorded(tmp_path, BOTH + PUBLISHED, {0: [7.0, 5.0, 9.0], 1: [30.0], 2: [6.0, 8.0, 4.0], 3: [20.0]})
    digits, cifar, wide, _, alone = frame(experiment)
    assert (digits["median_test_error"], digits["mean"], digits["std"], digits["min"]) == ("7.0", "7.0", "2.0", "5.0")
    assert (wide["baseline"], wide["hodges_lehmann"], float(wide["probability_better"])) == (
        "WRN-10-1, Digits",
        "-1.0",
        6 / 9,
    )
    assert (wide["test"], wide["interval_low"], wide["interval_level"], wide["comparisons"]) == (
        "unpaired",
        "-5.0",
        "0.9",
        "1.0",
    )
    assert (cifar["published"], cifar["published_difference"], cifar["published_source"]) == ("28.5", "1.5", "Table 1")
    assert cifar["protocol_differs"].startswith("the published training is not stated")
    assert digits["published"] == digits["protocol_differs"] == ""
    assert (alone["net"], alone["published"], alone["not_run"], alone["trials"]) == ("DSN", "8.22", "not built", "")


@pytest.mark.parametrize(("rule", "error"), [("last", "7.0"), ("best", "6.5")])
def test_the_csv_has_the_error_by_the_epoch_rule_and_its_name(tmp_path: Path, rule: str, error: str) -> None:
    experiment = written(tmp_path, f"{ONE}epoch_rule: {rule}\n")
    record(experiment.runs, experiment.trials()[0], 7.0, first=6.5)
    row = frame(experiment)[0]
    assert (row["epoch_rule"], row["median_test_error"]) == (rule, error)


@pytest.mark.parametrize(
    "own",
    ["recipe: {base: wrn_cifar, epochs: 3, batch_size: 32}", "data: {name: digits, train_size: 128, preprocess: scale}"],
)
def test_no_row_is_lost_where_one_network_has_two_settings_of_one_name(tmp_path: Path, own: str) -> None:
    text = ONE.replace("net: [WRN-10-1, WRN-10-2]", f"net: WRN-10-1\n  - net: WRN-10-1\n    {own}")
    text = text.replace("baseline: WRN-10-1\n", "")
    table = paper(recorded(tmp_path, text, {0: [7.0], 1: [6.0]}))
    assert [row["Median test error, %"] for row in texts(table)] == ["6.00", "7.00"]


def test_networks_of_one_name_are_rows_of_their_own(tmp_path: Path) -> None:
    """WRN-22-1-B(3,1,3) has 3 blocks a group nominally, 2 by convolutions."""
    text = BOTH.replace("net: [WRN-10-1, WRN-10-2]", "net: [WRN-22-1-B(3,1,3)]\n    data: cifar10").replace(
        "baseline: WRN-10-1",
        "  - net: [WRN-22-1-B(3,1,3)]\n    data: {name: digits, train_size: 128}\n    depth_rule: nominal",
    )
    table = paper(recorded(tmp_path, text, {0: [7.0], 1: [6.0]}))
    assert [row["N"] for row in texts(table)] == ["2", "3"]


def test_what_else_is_published_stands_in_a_row_of_several_data_sets(tmp_path: Path) -> None:
    ours, _, _ = texts(paper(recorded(tmp_path, BOTH + PUBLISHED, {})))
    assert ours["seconds (published)"] == "3.5"


def test_seeds_that_are_missing_or_diverged_are_said_where_n_has_no_column(tmp_path: Path) -> None:
    table = paper(recorded(tmp_path, BOTH, {0: [7.0], 1: [30.0, 30.0, 30.0], 2: [6.0, None, 5.0]}))
    digits, cifar = column(table, "Digits, %"), column(table, "CIFAR-10, %")
    assert [dict(table.notes).get(cell.mark) for cell in digits] == ["seeds: 1 diverged", "seeds: 1/3"]
    assert [cell.mark for cell in cifar] == ["", ""]


def test_errors_on_other_images_have_no_difference(tmp_path: Path) -> None:
    """The network stands for a row of SVHN, and is trained on a copy of CIFAR-10."""
    text = BOTH.replace("WRN-10-2]", "WRN-10-2]\n    stands_for: [DSN, DSN]") + PUBLISHED.replace(
        "{label: DSN, cifar10", "{label: DSN, svhn"
    )
    experiment = recorded(tmp_path, text, {1: [30.0]})
    row = texts(paper(experiment))[0]
    assert (row["CIFAR-10, published"], row["CIFAR-10, ours − published"]) == ("8.22", "–")
    assert [line["published_difference"] for line in frame(experiment)][:2] == ["", ""]


def test_the_csv_has_published_values_for_the_studys_data_sets_only(tmp_path: Path) -> None:
    rows = frame(recorded(tmp_path, BOTH + PUBLISHED.replace("cifar10: 8.22", "cifar10: 8.22, cifar100: 34"), {}))
    assert [(row["data"], row["published"]) for row in rows if row["net"] == "DSN"] == [("CIFAR-10", "8.22")]
