"""Studies of a training program: what a file may say, its variants, commands and ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablate.errors import StudyError
from ablate.study.json_schema import json_schema
from ablate.study.program import ProgramStudy
from ablate.study.program_schema import ENTRY_KEYS, EXPANSIONS
from ablate.study.spec import load_any_study

STUDY = """\
name: program
program:
  command: python train.py --lr {lr} --block {block} --seed {seed}
  files: [train.py]
measures:
  - {name: val_error, unit: "%"}
  - {name: accuracy, goal: maximize}
seeds: 2
variants:
  - grid: {lr: [0.1, 0.01], block: [basic, b c]}
baseline: {block: basic}
"""


def load(folder: Path, text: str = STUDY, **how: Any) -> ProgramStudy:
    (folder / "train.py").write_text("print(1)\n")
    (folder / "study.yaml").write_text(text)
    found = load_any_study(folder / "study.yaml", **how)
    assert isinstance(found, ProgramStudy)
    return found


def test_a_grid_has_a_trial_for_each_variant_and_seed(tmp_path: Path) -> None:
    study = load(tmp_path)
    assert [variant.net for variant in study.variants] == [
        "lr 0.1, block basic", "lr 0.1, block b c", "lr 0.01, block basic", "lr 0.01, block b c",
    ]  # fmt: skip
    assert len({trial.id for trial in study.trials()}) == 8
    assert study.decide_by == "val_error"
    assert [study.variants.index(one) for one in study.baselines if one] == [0, 0, 2, 2]


@pytest.mark.parametrize(
    ("values", "baseline", "expected"),
    [
        ("0.1234561, 0.1234562", "0.1234562", 1),
        ("2.0, 4.0", "2", 0),
        ("2.0, 4.0", "'4.00'", 1),
        ("2.0, 4.0", "1" + "0" * 30, "11:12: baseline.lr: found"),
    ],
)
def test_a_baseline_has_the_value_or_one_that_is_as_large(
    tmp_path: Path, values: str, baseline: str, expected: int | str
) -> None:
    text = STUDY.replace("[0.1, 0.01], block: [basic, b c]", f"[{values}], block: [basic]")
    text = text.replace("{block: basic}", f"{{lr: {baseline}}}")
    if isinstance(expected, int):
        study = load(tmp_path, text)
        assert study.baselines == (study.variants[expected],) * 2
        return
    with pytest.raises(StudyError) as error:
        load(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path / 'study.yaml'}:{expected}")


@pytest.mark.parametrize(
    ("variants", "baseline", "nets", "expected"),
    [
        ("grid: {lr: [0.1, 0.01], block: a}, label: [ours, '']", "ours", ["ours", "lr 0.01"], 0),
        ("grid: {lr: [0.1, 0.01], block: a}, label: [ours, '']", "lr 0.1", ["ours", "lr 0.01"], 0),
        ("grid: {lr: [0.1, 0.01], block: a}", "lr 0.01", ["lr 0.1", "lr 0.01"], 1),
        ("leave_one_out: {base: {lr: 1, block: a}, without: {x: {lr: 2}}}", "w/o x", ["full", "w/o x"], 1),
        ("grid: {lr: [1, 2], block: a}}, {zip: {lr: 2, block: a}, label: late", "late", ["lr 1", "late"], 1),
        ("zip: {lr: 2, block: a}, label: x}, {zip: {lr: [2, 3], block: a}, label: [y, '']", "y", ["x", "lr 3"], 0),
    ],
)  # fmt: skip
def test_a_name_may_be_the_baseline_also_one_of_a_row_that_is_merged(
    tmp_path: Path, variants: str, baseline: str, nets: list[str], expected: int
) -> None:
    text = STUDY[: STUDY.index("variants")] + f"variants: [{{{variants}}}]\nbaseline: {baseline}\n"
    study = load(tmp_path, text)
    assert [variant.net for variant in study.variants] == nets
    assert study.baselines == (study.variants[expected],) * 2


def test_variants_that_the_baseline_does_not_reach_are_named(tmp_path: Path) -> None:
    text = STUDY.replace("grid: {lr: [0.1, 0.01], block: [basic, b c]}", "zip: {lr: [0.1, 0.1, 1], block: [basic, b, c]}")
    remark = "baseline: none for 1 of 3 variants, as no variant differs from them in block alone: lr 1, block c"
    assert load(tmp_path, text).remarks == (remark,)


def test_a_placeholder_is_one_argument(tmp_path: Path) -> None:
    trial = load(tmp_path).variants[1].trials((7,))[0]
    assert trial.command("") == ["python", "train.py", "--lr", "0.1", "--block", "b c", "--seed", "7"]


@pytest.mark.parametrize(
    ("value", "argument"),
    [
        ("1e-05", "1e-05"), ("true", "true"), ("'true'", "true"), ("'$(rm x) {seed}'", "$(rm x) {seed}"), ("3", "3"),
        ("[1, two]", '[1,"two"]'), ("{a: 1.5}", '{"a":1.5}'), ("''", ""),
    ],
)  # fmt: skip
def test_values_as_arguments(tmp_path: Path, value: str, argument: str) -> None:
    text = STUDY.replace("[basic, b c]", f"[{value}]").replace("baseline: {block: basic}\n", "")
    assert load(tmp_path, text).trials()[0].command("")[5] == argument


def test_parts_of_words_braces_and_dotted_names(tmp_path: Path) -> None:
    text = STUDY.replace("--block {block}", "model.{{x}}.depth={model.depth}-{lr}").replace(
        "block: [basic, b c]", "model.depth: [3]"
    )
    trial = load(tmp_path, text.replace("baseline: {block: basic}\n", "")).trials()[0]
    assert trial.command("")[4] == "model.{x}.depth=3-0.1"


def test_the_id_depends_on_command_axes_seed_and_files_alone(tmp_path: Path) -> None:
    before = [trial.id for trial in load(tmp_path).trials()]
    same = STUDY.replace("files: [train.py]", "files: ['*.py']\n  timeout: 60\n  silence: 5\n  epochs: 3")
    same = same.replace("measures:\n", "title: other\nmeasures:\n  - loss\n")
    assert [trial.id for trial in load(tmp_path, same).trials()] == before
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "train.py").write_text("print(2)\n")
    edited = load_any_study(tmp_path / "study.yaml").trials()  # type: ignore[union-attr]
    assert not {trial.id for trial in edited} & set(before)
    assert not {trial.id for trial in load(tmp_path, STUDY.replace("--lr", "--rate")).trials()} & set(before)


def test_an_id_stays_what_it_is(tmp_path: Path) -> None:
    assert load(tmp_path).trials()[0].id == "8afc031697a82cd7"


def test_epochs_are_a_placeholder_and_a_scale_may_change_them(tmp_path: Path) -> None:
    text = STUDY.replace("{seed}", "{seed} --epochs {epochs}").replace("files:", "epochs: 30\n  files:")
    study = load(tmp_path, text + "scales: {small: {program: {epochs: 2}}}\n", scale="small")
    assert study.trials()[0].command("")[-1] == "2"
    assert study.trials()[0].id != load(tmp_path, text).trials()[0].id
    assert study.trials()[0].epochs == 2


def test_zip_one_at_a_time_where_and_merging(tmp_path: Path) -> None:
    entries = """\
variants:
  - one_at_a_time: {base: {lr: 0.1, block: basic}, lr: [0.2, 0.3], block: other}
  - zip: {lr: [0.1, 9], block: basic}
where: lr < 1
"""
    text = STUDY[: STUDY.index("variants:")] + entries
    study = load(tmp_path, text)
    assert [dict(variant.axes) for variant in study.variants] == [
        {"lr": 0.1, "block": "basic"}, {"lr": 0.2, "block": "basic"}, {"lr": 0.3, "block": "basic"},
        {"lr": 0.1, "block": "other"},
    ]  # fmt: skip
    assert [line.partition(":")[0] for line in study.remarks] == ["merged", "dropped"]


def test_a_file_of_the_command_without_a_digest_is_noted(tmp_path: Path) -> None:
    assert not load(tmp_path).remarks
    (remark,) = load(tmp_path, STUDY.replace("  files: [train.py]\n", "")).remarks
    assert "train.py is not in program.files" in remark


def test_a_script_that_is_missing_is_noted(tmp_path: Path) -> None:
    text = STUDY.replace("  files: [train.py]\n", "").replace("python train.py", "python trian.py")
    (remark,) = load(tmp_path, text).remarks
    assert remark == f"note: there is no file trian.py in {tmp_path}"


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("seeds: 2", "data: digits\nseeds: 2", "8:1", "'data' is not valid in a study with 'program'"),
        ("seeds: 2", "budget: {parameters: 1M}\nseeds: 2", "8:1", "'budget' is not valid"),
        ("seeds: 2", "search: {space: {lr: [1]}}\nseeds: 2", "10:1", "'variants' is not valid in a study that has"),
        ("seeds: 2", "base: {lr: 1}\nseeds: 2", "8:1", "'base' is only valid in a study that has 'search'"),
        ("grid:", "net: WRN-10-1 #", "10:5", "'net' is not valid in a study with 'program'; allowed: grid, zip, one_at"),
        ("--lr {lr}", "--lr {rate}", "10:12", "lr: no placeholder {lr} in program.command; the command has {rate}, {b"),
        (", block: [basic, b c]", "", "10:5", "{block} of program.command: add an axis of this name"),
        ("lr: [0.1, 0.01]", "lr: [0.1], seed: [1]", "10:23", "seed: no placeholder {seed} in program.command; use 'seeds'"),
        (" --seed {seed}", "", "3:3", "program.command: no {seed}, so 2 seeds would be the same run"),
        ("{lr}", "{lr", "3:3", "program.command: expected '}'"),
        ("{lr}", "{}", "3:3", "program.command: a placeholder is a name in braces; a brace is written twice"),
        ("{lr}", "{lr:g}", "3:3", "a placeholder is a name in braces"),
        ("{lr}", "'{lr}", "3:3", "program.command: no closing quotation"),
        ("{seed}", "{seed} {epochs}", "3:3", "{epochs} has no value; add program.epochs"),
        ("files: [train.py]", "files: [trian.py]", "4:11", "program.files: there is no file 'trian.py' in"),
        ("files: [train.py]", "files: [/etc/hosts]", "4:11", "allowed: a path from the study's folder"),
        ("files: [train.py]", "fils: [train.py]", "4:3", "unknown key 'fils'; did you mean 'files'?"),
        ("name: accuracy", "name: val_error", "7:5", "measures: 'val_error' is listed twice"),
        ("name: accuracy", "name: epoch", "7:5", "'epoch' is a field of every record"),
        ("name: accuracy", "name: axis.lr", "7:5", "'axis.lr' is a column of trials.csv; let the program report it under"),
        ("goal: maximize", "goal: up", "7:22", "goal: found 'up'; allowed: minimize, maximize"),
        ("seeds: 2", "seeds: 2\ndecide_by: val_eror", "9:1", "decide_by: found 'val_eror'; did you mean 'val_error'?"),
        ("seeds: 2", "seeds: 0", "8:1", "seeds: found 0; allowed: 1 or more"),
        ("{block: basic}", "basic", "11:1", "baseline 'basic' is none of the variants; allowed: lr 0.1, block basic"),
        ("{block: basic}", "10", "11:1", "baseline: found 10; allowed: the name of a variant, or values of axes such as"),
        ("{block: basic}", "{blok: basic}", "11:12", "baseline: unknown axis 'blok'; did you mean 'block'?"),
        ("{block: basic}", "{block: other}", "11:1", "baseline: no variant has block other"),
        ("grid: {lr: [0.1, 0.01]", "zip: {lr: [0.1, 0.01, 1]", "10:31", "block: found 2 values; allowed: 3"),
        ("grid:", "one_at_a_time:", "10:5", "needs 'base', the values that are changed"),
        (
            STUDY[STUDY.index("  files") : STUDY.index("lr: [0.1")],
            "  epochs: 3\nmeasures: [e]\nseeds: 2\nvariants:\n  - one_at_a_time: {base: 7, ",
            "8:5",
            "needs 'base', the values that are changed",
        ),
        ("lr: [0.1, 0.01]", "lr: []", "10:12", "lr: an empty list"),
        (STUDY[STUDY.index("measures") : STUDY.index("seeds")], "", "1:1", "'measures' is missing"),
    ],
)  # fmt: skip
def test_errors_name_their_place(tmp_path: Path, old: str, new: str, place: str, said: str) -> None:
    assert old in STUDY
    with pytest.raises(StudyError) as error:
        load(tmp_path, STUDY.replace(old, new, 1))
    assert str(error.value).startswith(f"{tmp_path / 'study.yaml'}:{place}: ")
    assert said in str(error.value)


def test_the_schema_lets_a_program_name_its_axes() -> None:
    schema = json_schema()
    entry = schema["$defs"]["ProgramEntry"]
    assert set(entry["properties"]) == {*ENTRY_KEYS} and entry["oneOf"] == [{"required": [key]} for key in EXPANSIONS]
    assert schema["then"]["properties"]["variants"]["items"] == {"$ref": "#/$defs/ProgramEntry"}
    assert "goal" in schema["$defs"]["MeasureFile"]["properties"]


@pytest.mark.parametrize(
    ("values", "nets"),
    [
        ("1, '1', true, 'true', 1", ["lr 1, block a", "lr true, block a"]),  # the same commands
        ("2, 2.0, 3", ["lr 2, block a", "lr 2.0, block a", "lr 3, block a"]),
        ("0.1234561, 0.1234562", ["lr 0.1234561, block a", "lr 0.1234562, block a"]),
    ],
)
def test_each_command_is_one_variant_with_a_name_of_its_own(tmp_path: Path, values: str, nets: list[str]) -> None:
    text = STUDY[: STUDY.index("variants")] + f"variants: [{{grid: {{lr: [{values}], block: [a, b]}}}}]\n"
    study = load(tmp_path, text)
    assert [variant.net for variant in study.variants[::2]] == nets
    assert sum(line.startswith("merged: ") for line in study.remarks) == 2 * (len(values.split(", ")) - len(nets))
    commands = [" ".join(one.trials((0,))[0].command("")) for one in study.variants]
    assert len({*commands}) == len(commands)


def test_one_name_for_two_variants_is_refused(tmp_path: Path) -> None:
    two = "variants:\n  - {zip: {lr: 0.1, block: a}, label: lr 0.2}\n  - {zip: {lr: 0.2, block: a}}\n"
    text = STUDY[: STUDY.index("variants")] + two
    for other in (text, text.replace("a}}\n", "a}, label: lr 0.2}\n")):
        with pytest.raises(StudyError) as error:
            load(tmp_path, other)
        said = "10:32: label: 'lr 0.2' names two variants; give each its own"
        assert str(error.value) == f"{tmp_path / 'study.yaml'}:{said}"
    assert load(tmp_path, text.replace("label: lr 0.2", "label: lr 0.20")).variants[0].net == "lr 0.20"


def test_a_value_that_resembles_own_code_has_a_name(tmp_path: Path) -> None:
    study = load(tmp_path, STUDY.replace("[0.1, 0.01]", "[{python: a, args: 3}, {python: 5, args: {b: 1}}]"))
    assert [variant.net for variant in study.variants[::2]] == ["lr a, block basic", "lr 5(b=1), block basic"]
