"""The effects of a study's factors in its report: which are found, the table, the sentences, the files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded import DIGITS, record, record_program, recorded, written

from ablate.api import load_experiment
from ablate.errors import StudyError
from ablate.network_experiment import Experiment
from ablate.program_experiment import ProgramExperiment
from ablate.report.effects import FactorEffects, effects_frames, largest_first
from ablate.report.effects_sentences import study_sentences
from ablate.report.writers.latex import document_latex
from ablate.report.writers.markdown import document_markdown

HEAD = f"{DIGITS}seeds: 4\n"
CROSSED = f"{HEAD}variants:\n  - grid: {{dropout: [0, 0.3], k: [1, 2], depth: 10}}\n"
NOISE = (0.1, -0.2, 0.15, -0.05)


def errors(shown: Callable[[int, int], float], first: int = 2, second: int = 2) -> dict[int, list[float | None]]:
    """The errors of four seeds of each combination of two factors: a seed adds its number, and there is some noise."""
    return {
        i * second + j: [shown(i, j) + seed + NOISE[(seed + 3 * i + j) % 4] for seed in range(4)]
        for i in range(first)
        for j in range(second)
    }


def group(experiment: Experiment) -> FactorEffects[object]:
    (found,) = experiment.analysis().effects.groups
    return found


def sentences(experiment: Experiment) -> list[str]:
    return list(study_sentences(experiment.analysis().effects))


def texts(experiment: Experiment) -> dict[str, dict[str, str]]:
    """The rows of the effects table, by the first cell."""
    table = next(one for one in experiment.report().document.tables if "_effects" in one.label)
    return {row[0].text: dict(zip(table.titles, (cell.text for cell in row))) for row in table.rows}


def test_a_reader_learns_what_each_choice_does_and_what_two_do_together(tmp_path: Path) -> None:
    found = recorded(tmp_path, CROSSED, errors(lambda dropout, k: 20 + 3 * dropout - 6 * k + 4 * dropout * k))
    first, second, third = sentences(found)
    assert first.startswith("Dropout 0.3 instead of 0 raises the test error by 5.00 points (2.")
    (tmp_path / "turned").mkdir()
    turned = recorded(tmp_path / "turned", CROSSED, errors(lambda dropout, k: 20 + dropout - 6 * k))
    assert sentences(turned)[0].startswith("k 2 instead of 1 lowers")
    assert "on average over the other choices; k 2 instead of 1 lowers it by 4.00 points (1." in first
    assert second.startswith("What dropout 0.3 instead of 0 does depends on k (corrected p = 0.00")
    assert second.endswith(": +3.00 at k = 1 and +7.00 at k = 2, in points.")
    assert third.startswith("Of all differences between the 16 trainings ") and third.endswith("from unexplained noise.")


def test_what_cannot_be_told_is_said_once(tmp_path: Path) -> None:
    first, second, _ = sentences(recorded(tmp_path, CROSSED, errors(lambda dropout, k: 20.0)))
    assert first.startswith("No effect of ")
    assert "dropout (" in first and "k (" in first
    assert second.startswith("No choice was found to do more or less depending on another (smallest corrected p = ")


def test_equal_shares_keep_the_order_of_the_study_whatever_their_last_bits(tmp_path: Path) -> None:
    one, other, *_ = group(recorded(tmp_path, CROSSED, errors(lambda dropout, k: 20 + dropout))).found.effects
    for bits in (1e-14, -1e-14):
        equal = [one._replace(eta_squared=0.25), other._replace(eta_squared=0.25 + bits)]
        assert largest_first(equal) == equal
    assert largest_first([one._replace(eta_squared=0.2), other._replace(eta_squared=0.3)])[0].factors == other.factors


def test_opposite_effects_are_not_called_none(tmp_path: Path) -> None:
    first, second, _ = sentences(recorded(tmp_path, CROSSED, errors(lambda dropout, k: 20 + 4 * (dropout != k))))
    assert first.startswith("No average effect of dropout (")
    assert first.endswith(", only one that depends on another choice.")
    assert second.startswith("What ") and "depends on" in second and "+4.00" in second and "−4.00" in second


def test_the_table_has_means_change_interval_and_share(tmp_path: Path) -> None:
    found = recorded(tmp_path, CROSSED, errors(lambda dropout, k: 20 + 3 * dropout - 6 * k + 4 * dropout * k))
    rows = texts(found)
    assert list(rows) == ["dropout", "k", "dropout × k", "seed", "noise"]
    assert rows["dropout"]["From → to"] == "0 → 0.3"
    assert (rows["dropout"]["Means"], rows["dropout"]["Change"]) == ("18.50 → 23.50", "+5.00")
    assert (rows["dropout × k"]["From → to"], rows["dropout × k"]["Means"]) == ("dropout, at k 1 → 2", "+3.00 → +7.00")
    assert (rows["dropout × k"]["Change"], rows["noise"]["Change"]) == ("+4.00", "–")
    assert sum(float(row["Share"].rstrip("%")) for row in rows.values()) == pytest.approx(100, abs=0.3)
    document = found.report().document
    assert "dropout × k" in document_markdown(document) and r"\item[a]" in document_latex(document)


def test_that_any_variant_may_be_the_best_is_said_of_pairs_where_effects_say_more(tmp_path: Path) -> None:
    found = recorded(tmp_path, CROSSED, errors(lambda dropout, k: 20 + 3 * dropout - k))
    assert sentences(found)[0].startswith("Dropout 0.3 instead of 0 raises")
    assert (
        "Compared two by two, with 4 seeds any of the 4 variants may be the best; the effects are of all trainings together"
        " and say more."
    ) in found.analysis().sentences


def test_levels_of_a_factor_are_held_against_the_first(tmp_path: Path) -> None:
    study = f"{HEAD}variants:\n  - grid: {{dropout: [0, 0.1, 0.3], k: [1, 2], depth: 10}}\n"
    found = recorded(tmp_path, study, errors(lambda dropout, k: 20 + 3.0 * dropout, first=3))
    table = next(one for one in found.report().document.tables if "_effects" in one.label)
    assert [row[1].text for row in table.rows[:2]] == ["0 → 0.1", "0 → 0.3"]
    assert [row[3].text for row in table.rows[:2]] == ["+3.00", "+6.00"]
    assert "dropout changes the test error on average over the other choices: 21.50% at 0" in sentences(found)[0].lower()
    assert len(group(found).shapley) == 0


@pytest.mark.usefixtures("unrendered")
def test_files_and_json_have_every_number(tmp_path: Path) -> None:
    found = recorded(tmp_path, CROSSED, errors(lambda dropout, k: 20 + 2 * dropout))
    report = found.report()
    files = report.files()
    assert {"effects.csv", "effects.png", "interactions.svg"} <= files.keys()
    rows = list(csv.DictReader(io.StringIO(files["effects.csv"].decode())))
    assert [row["kind"] for row in rows] == ["level"] * 4 + ["main"] * 2 + [
        "interaction",
        "other",
        "seed",
        "noise",
    ]
    assert float(rows[4]["change"]) == pytest.approx(2) and float(rows[4]["shapley"]) == pytest.approx(2)
    assert float(rows[1]["mean"]) - float(rows[0]["mean"]) == pytest.approx(2)
    made = json.loads(json.dumps(report.as_json(), allow_nan=False))["effects"]
    assert made[0]["factors"] == {"dropout": [0, 0.3], "k": [1, 2]} and made[0]["seeds"] == [0, 1, 2, 3]
    assert len(made[0]["rows"]) == len(rows)


def test_seeds_that_are_not_complete_are_left_out_and_counted(tmp_path: Path) -> None:
    values = errors(lambda dropout, k: 20 + 2 * dropout)
    values[3] = [*values[3][:2], None, values[3][3]]  # diverged
    values[1] = values[1][:3]  # not yet recorded
    found = group(recorded(tmp_path, CROSSED, values))
    assert found.keys == (0, 1)
    assert found.left_out == (
        "Effects are of the 3 seeds that all 4 combinations have; 1 of 4 is not complete.",
        "1 seed of 3 is left out, because WRN-10-2-dropout0.3 diverged there: effects are of trainings that converge.",
    )
    assert found.left_out[0] in texts_caption(recorded(tmp_path, CROSSED, values))


def texts_caption(experiment: Experiment) -> str:
    return next(" ".join(one.details) for one in experiment.report().tables() if "_effects" in one.label)


def test_without_a_complete_seed_the_report_says_why(tmp_path: Path) -> None:
    analysis = recorded(tmp_path, CROSSED, {0: [20.0]}).analysis()
    assert analysis.effects.groups == ()
    assert analysis.effects.remarks == ("No effects yet: no seed is recorded, without divergence, for all 4 combinations.",)
    assert effects_frames(analysis.effects) == {}


def test_each_data_set_has_effects_of_its_own(tmp_path: Path) -> None:
    study = CROSSED.replace("data: {name: digits, train_size: 128}", "data: [{name: digits, train_size: 128}, cifar10]")
    found = written(tmp_path, study)
    for variant in found.variants:
        for i, trial in enumerate(variant.trials(found.study.seeds)):
            record(found.runs, trial, 20 + 3 * variant.axes["dropout"] * (variant.data.title == "CIFAR-10") + i)
    groups = found.analysis().effects.groups
    assert [one.crossing.title for one in groups] == list(dict.fromkeys(v.data.title for v in found.variants))
    assert [one.crossing.names for one in groups] == [["dropout", "k"]] * 2
    assert {"effects_1", "effects_2"} <= found.report().figures.keys()
    assert sentences(found)[0].startswith(f"On {groups[0].crossing.title}, ")


def test_entries_that_are_crossed_together_have_effects(tmp_path: Path) -> None:
    entries = "".join(f"  - grid: {{dropout: [0, 0.3], k: {k}, depth: 10}}\n" for k in (1, 2))
    found = recorded(tmp_path, f"{HEAD}variants:\n{entries}", errors(lambda dropout, k: 20.0))
    assert group(found).crossing.names == ["dropout", "k"]
    one = "  - one_at_a_time: {base: WRN-10-1, dropout: [0.3], k: [2]}\n"
    assert recorded(tmp_path, f"{HEAD}variants:\n{one}", {0: [20.0] * 4}).analysis().effects.groups == ()


def test_a_row_outside_a_factorial_has_no_part_in_its_effects(tmp_path: Path) -> None:
    factorial = "factorial: {base: WRN-10-1, factors: {dropout: [0, 0.3], k: [1, 2]}}"
    study = f"{HEAD}variants:\n  - {factorial}\n  - net: WRN-16-1\n"
    found = group(recorded(tmp_path, study, errors(lambda dropout, k: 20.0)))
    assert len(found.crossing.rows) == 4 and found.keys == (0, 1, 2, 3)


def test_a_fraction_names_its_aliases_and_components_are_words(tmp_path: Path) -> None:
    factors = "dropout: {dropout: 0.3}, wide: {k: 2}, slow: {recipe.lr: 0.01}, flat: {recipe.weight_decay: 0}"
    study = f"{HEAD}variants:\n  - fractional: {{base: WRN-10-1, factors: {{{factors}}}, runs: 8}}\n"
    experiment = written(tmp_path, study)
    for variant in experiment.variants:
        wide = variant.designs[0].levels["wide"]
        for seed, trial in enumerate(variant.trials(experiment.study.seeds)):
            record(experiment.runs, trial, 20 - 5 * wide + seed + NOISE[(seed + len(variant.net)) % 4])
    found = group(experiment)
    assert not found.crossing.full and found.shapley == ()
    assert sentences(experiment)[0].startswith("Wide lowers the test error by ")
    table = next(one for one in experiment.report().document.tables if "_effects" in one.label)
    assert "mixed with wide × " in " ".join(text for _, text in table.notes)
    assert "a fraction of 8 combinations" in table.caption


def test_interactions_that_no_run_can_show_have_no_share(tmp_path: Path) -> None:
    factors = "dropout: [0, 0.3], k: [1, 2], recipe.nesterov: [true, false]"
    study = f"{HEAD}variants:\n  - fractional: {{base: WRN-10-1, factors: {{{factors}}}, runs: 4}}\n"
    *_, shares = sentences(recorded(tmp_path, study, errors(lambda dropout, k: 20 + 3 * dropout - 6 * k)))
    assert shares.startswith("Of all differences ") and "interactions" not in shares


def test_combinations_that_are_dropped_are_named(tmp_path: Path) -> None:
    study = CROSSED.replace("grid: {", "factorial: {base: WRN-10-1, factors: {").replace(", depth: 10}", "}}")
    analysis = written(tmp_path, f"{study}where: k + dropout < 2.2\n").analysis()
    assert analysis.effects.remarks == (
        "No effects: with 3 of 4 combinations the factors are not balanced, some are dropped.",
    )


def test_a_study_chooses_factors_or_none(tmp_path: Path) -> None:
    values = errors(lambda dropout, k: 20 + 2 * dropout)
    assert recorded(tmp_path, f"{CROSSED}effects: false\n", values).analysis().effects.groups == ()
    found = group(recorded(tmp_path, f"{CROSSED}effects: [k]\n", values))
    assert [effect.factors for effect in found.found.effects] == [(1,)]
    rows = texts(recorded(tmp_path, f"{CROSSED}effects: [k]\n", values))
    assert list(rows) == ["k", "other choices and combinations", "seed", "noise"]


def test_one_seed_of_few_combinations_says_so(tmp_path: Path) -> None:
    found = recorded(tmp_path, CROSSED, {row: [20.0 + row] for row in range(4)})
    assert sentences(found) == ["One seed of 4 combinations cannot separate effects from noise."]
    assert list(texts(found)["k"]) == ["Effect", "From → to", "Means", "Change", "Share"]


def test_what_one_seed_did_not_test_is_not_said_to_be_absent(tmp_path: Path) -> None:
    rates = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    text = f"{DIGITS}seeds: 1\nvariants: [{{grid: {{recipe.lr: {rates}, k: [1, 2], depth: 10}}}}]\n"
    found = recorded(tmp_path, text, {row: [15 + (row // 2) * (-1.0) ** row + 0.1 * row] for row in range(16)})
    assert [effect.p_value is None for effect in group(found).found.effects] == [False, False, True]
    assert "One seed cannot tell whether what a choice does depends on another." in sentences(found)
    table = next(one for one in found.report().document.tables if "_effects" in one.label)
    assert "then corrected for 2 effects (Holm)" in " ".join(table.details)


def test_values_that_are_all_equal_have_no_shares(tmp_path: Path) -> None:
    found = recorded(tmp_path, CROSSED, {row: [20.0, 20.0] for row in range(4)})
    assert not any(sentence.startswith("Of all differences") for sentence in sentences(found))


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (f"{CROSSED}effects: [dropot]\n", "effects: found 'dropot'; did you mean 'dropout'"),
        (f"{HEAD}variants:\n  - net: [WRN-10-1, WRN-10-2]\neffects: [k]\n", "effects: no two axes vary in a crossed way"),
    ],
)
def test_factors_that_are_not_there_are_named_at_once(tmp_path: Path, study: str, message: str) -> None:
    with pytest.raises(StudyError, match=r"invented.yaml:\d+:\d+: effects") as error:
        written(tmp_path, study)
    assert message in str(error.value)


@pytest.mark.usefixtures("unrendered")
def test_a_program_has_effects_too(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    (tmp_path / "study.yaml").write_text(
        'name: program\nprogram: {command: "python train.py {lr} {wide} {seed}"}\n'
        "measures: [{name: accuracy, goal: maximize}]\nseeds: 3\nvariants: [{grid: {lr: [0.1, 0.2], wide: [1, 2, 3]}}]\n"
    )
    found = load_experiment(tmp_path / "study.yaml", runs=tmp_path / "runs")
    assert isinstance(found, ProgramExperiment)
    for trial in found.trials():
        value = trial.axes["lr"] * 3 + trial.seed / 50 + (trial.axes["wide"] * 7 + trial.seed * 3) % 5 / 1000
        record_program(found.runs, trial, [{"epoch": 1, "accuracy": value}])
    report = found.report()
    assert "lr 0.2 instead of 0.1 raises the accuracy by 0.3" in " ".join(report.document.sentences).lower()
    assert {"effects", "interactions"} <= report.figures.keys() and "effects.csv" in report.files()
    (tmp_path / "study.yaml").write_text((tmp_path / "study.yaml").read_text() + "effects: [widht]\n")
    with pytest.raises(StudyError, match=r"study.yaml:6:1: effects: found 'widht'"):
        load_experiment(tmp_path / "study.yaml", runs=tmp_path / "runs")
