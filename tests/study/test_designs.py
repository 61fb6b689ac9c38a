"""Designs in `variants`: leave_one_out, path, factorial, fractional; what each row is, and what it is compared with."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planned import plan_trials

from ablate.errors import StudyError
from ablate.study.baseline import find_baselines
from ablate.study.designs import Design, designed_rows, reference_rows
from ablate.study.fractional import aliases, describe_fraction, fractional_design
from ablate.study.labels import label
from ablate.study.plan import Enumeration, enumerate_variants
from ablate.study.program import ProgramStudy
from ablate.study.spec import load_any_study, load_study
from ablate.study.study import Study

HEAD = "name: d\ndata: cifar10\nrecipe: wrn_cifar\nseeds: 2\nvariants:\n"
PROGRAM = """\
name: d
program: {command: "python t.py {lr} {wd} {drop} {seed}"}
measures: [val_error]
seeds: 2
variants:
"""
LEFT_OUT = """\
  - leave_one_out:
      base: WRN-16-2-dropout0.3
      without: {dropout: {dropout: 0}, decay: {recipe.weight_decay: 0}, both: {dropout: 0, recipe.lr: 0.2}}
"""
STEPS = """\
  - path:
    - base: WRN-16-2
    - cosine: {recipe.schedule: cosine}
    - cutmix: {recipe.cutmix: 1.0}
      kept: false
    - wide: {k: 4}
"""
CROSSED = """\
  - factorial:
      base: WRN-16-2
      factors: {cosine: {recipe.schedule: cosine}, k: [1, 2], cutmix: {recipe.cutmix: 1.0}}
"""
NAMES = [f"f{i}" for i in range(31)]


def study(tmp_path: Path, text: str, head: str = HEAD) -> Study:
    (tmp_path / "s.yaml").write_text(head + text)
    return load_study(tmp_path / "s.yaml")


def of_program(tmp_path: Path, text: str) -> ProgramStudy:
    (tmp_path / "s.yaml").write_text(PROGRAM + text)
    found = load_any_study(tmp_path / "s.yaml")
    assert isinstance(found, ProgramStudy)
    return found


def refused(tmp_path: Path, text: str, head: str = HEAD) -> str:
    (tmp_path / "s.yaml").write_text(head + text)
    with pytest.raises(StudyError) as caught:
        load_any_study(tmp_path / "s.yaml")
    return str(caught.value).removeprefix(str(tmp_path / "s.yaml"))


def designs(found: Enumeration) -> list[Design]:
    return [design for variant in found.variants for design in variant.designs]


def compared(loaded: Study, found: Enumeration) -> list[str]:
    return [baseline.title if baseline else "" for baseline in find_baselines(loaded, found)]


def test_the_method_without_each_component(tmp_path: Path) -> None:
    loaded = study(tmp_path, LEFT_OUT)
    found = enumerate_variants(loaded)
    assert [label(variant) for variant in found.variants] == ["full", "w/o dropout", "w/o decay", "w/o both"]
    assert [variant.net for variant in found.variants] == [
        "WRN-16-2-dropout0.3",
        "WRN-16-2",
        "WRN-16-2-dropout0.3",
        "WRN-16-2",
    ]
    assert found.variants[3].recipe.lr == 0.2 and found.variants[2].recipe.weight_decay == 0
    assert [design.levels for design in designs(found)][:2] == [
        {"dropout": True, "decay": True, "both": True},
        {"dropout": False, "decay": True, "both": True},
    ]
    assert [design.changed for design in designs(found)] == ["", "dropout", "decay", "both"]
    assert compared(loaded, found) == ["full"] * 4


def test_a_design_changes_no_trial(tmp_path: Path) -> None:
    plain = """\
  - net: WRN-16-2-dropout0.3
  - net: WRN-16-2
  - grid: {net: WRN-16-2-dropout0.3, recipe.weight_decay: 0}
  - grid: {net: WRN-16-2, recipe.lr: 0.2}
"""
    of_each = []
    for text in (LEFT_OUT, plain):
        loaded = study(tmp_path, text)
        of_each.append([trial.id for trial in plan_trials(loaded)])
    assert of_each[0] == of_each[1]


def test_a_step_is_on_top_of_those_that_are_kept(tmp_path: Path) -> None:
    loaded = study(tmp_path, STEPS)
    found = enumerate_variants(loaded)
    assert [label(variant) for variant in found.variants] == ["WRN-16-2", "+ cosine", "+ cutmix", "+ wide"]
    assert [variant.recipe.cutmix.alpha for variant in found.variants] == [0, 0, 1.0, 0]
    assert [variant.architecture.k for variant in found.variants] == [2, 2, 2, 4]
    assert {variant.recipe.schedule for variant in found.variants[1:]} == {found.variants[3].recipe.schedule}
    assert designs(found)[3].levels == {"cosine": True, "cutmix": False, "wide": True}
    assert [design.kept for design in designs(found)] == [True, True, False, True]
    assert compared(loaded, found) == ["WRN-16-2", "WRN-16-2", "+ cosine", "+ cosine"]


def test_all_combinations(tmp_path: Path) -> None:
    loaded = study(tmp_path, CROSSED)
    found = enumerate_variants(loaded)
    rows = designs(found)
    assert rows[0].factors == {"cosine": (False, True), "k": (1, 2), "cutmix": (False, True)}
    assert [tuple(row.levels.values()) for row in rows] == list(itertools.product((False, True), (1, 2), (False, True)))
    for variant, row in zip(found.variants, rows):
        assert variant.architecture.k == row.levels["k"]
        assert (variant.recipe.cutmix.alpha, variant.recipe.schedule == "cosine") == (
            float(row.levels["cutmix"]),
            row.levels["cosine"],
        )
    assert [rows[i].label for i in (0, 1, -1)] == ["k 1", "cutmix, k 1", "cosine + cutmix, k 2"]
    assert compared(loaded, found) == [""] * 8


def test_a_factorial_of_components_is_compared_with_all_of_them(tmp_path: Path) -> None:
    loaded = study(tmp_path, CROSSED.replace(" k: [1, 2],", ""))
    found = enumerate_variants(loaded)
    assert [label(variant) for variant in found.variants] == ["base", "cutmix", "cosine", "full"]
    assert compared(loaded, found) == ["full"] * 4


def test_a_stated_baseline_comes_before_the_design(tmp_path: Path) -> None:
    loaded = study(tmp_path, LEFT_OUT + "baseline: w/o decay\n")
    found = enumerate_variants(loaded)
    assert compared(loaded, found) == ["w/o decay"] * 4


def test_a_variant_of_two_designs_is_a_row_of_each(tmp_path: Path) -> None:
    loaded = study(tmp_path, STEPS + LEFT_OUT.replace("WRN-16-2-dropout0.3", "WRN-16-2").replace("dropout: 0, ", ""))
    found = enumerate_variants(loaded)
    rows = designed_rows(found.variants)
    assert [design.label for _, design in rows[1]] == ["full", "w/o dropout", "w/o decay", "w/o both"]
    first = found.variants[0]
    assert [(design.entry, design.label) for design in first.designs] == [(0, "WRN-16-2"), (1, "full"), (1, "w/o dropout")]
    assert [variant is first for variant, _ in rows[1]] == [True, True, False, False]
    assert any("w/o dropout is the same as WRN-16-2" in line for line in found.merged)


def test_titles_that_two_rows_would_have_are_no_titles(tmp_path: Path) -> None:
    loaded = study(tmp_path, LEFT_OUT + LEFT_OUT.replace("WRN-16-2", "WRN-16-4"))
    found = enumerate_variants(loaded)
    assert len({label(variant) for variant in found.variants}) == len(found.variants) == 8
    assert not any(variant.title for variant in found.variants)


def test_a_grid_and_one_at_a_time_have_levels_too(tmp_path: Path) -> None:
    text = "  - grid: {net: WRN-16-2, k: [1, 2], dropout: [0, 0.3]}\n  - one_at_a_time: {base: WRN-16-4, dropout: [0.1]}\n"
    rows = designed_rows(enumerate_variants(study(tmp_path, text)).variants)
    assert [design.levels for _, design in rows[0]] == [
        {"k": k, "dropout": dropout} for k, dropout in itertools.product((1, 2), (0, 0.3))
    ]
    assert [(design.changed, design.levels) for _, design in rows[1]] == [("", {}), ("dropout", {"dropout": 0.1})]


def test_designs_of_a_program(tmp_path: Path) -> None:
    base = "base: {lr: 0.1, wd: 0.1, drop: 0.3}"
    left_out = of_program(
        tmp_path, f"  - leave_one_out: {{{base}, without: {{decay: {{wd: 0}}, both: {{wd: 0, drop: 0}}}}}}\n"
    )
    assert [variant.net for variant in left_out.variants] == ["full", "w/o decay", "w/o both"]
    assert [variant.axes for variant in left_out.variants][2] == {"lr": 0.1, "wd": 0, "drop": 0}
    assert [one and one.net for one in left_out.baselines] == ["full"] * 3
    path = of_program(
        tmp_path, f"  - path: [{base.join('{}')}, {{high: {{lr: 1}}, kept: false}}, {{decay: {{wd: 0.2}}}}]\n"
    )
    assert [(variant.net, variant.axes["lr"]) for variant in path.variants] == [
        ("base", 0.1),
        ("+ high", 1),
        ("+ decay", 0.1),
    ]
    crossed = of_program(tmp_path, "  - fractional: {factors: {lr: [1, 2], wd: [0, 1], drop: [0, 1]}, runs: 4}\n")
    assert len(crossed.variants) == 4 and [one for one in crossed.remarks if "resolution III; drop = lr x wd" in one]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LEFT_OUT.replace("base: WRN-16-2-dropout0.3", "base: 3"), ":7:7: leave_one_out.base: found 3; allowed: a network"),
        (LEFT_OUT.replace("without", "wihtout"), ":8:7: unknown key 'wihtout'; did you mean 'without'?"),
        (LEFT_OUT.replace("{dropout: 0}", "0"), ":8:17: dropout: found 0; allowed: axes with one value each"),
        (LEFT_OUT.replace("recipe.weight_decay", "weight_decay"), "unknown axis 'weight_decay'"),
        (
            LEFT_OUT.replace("decay:", '"de\\ncay":'),
            ":8:40: variants.leave_one_out.without.de\\ncay: found 'de\\ncay'; allowed: text",
        ),
        (LEFT_OUT.replace("decay:", f"{'d' * 101}:"), "allowed: string should have at most 100 characters"),
        (STEPS.replace("base: WRN-16-2", "start: {k: 1}"), ":7:7: path: found a mapping; allowed as the first item: base:"),
        (STEPS.replace("wide:", "cosine:"), ":11:7: path: the step 'cosine' is listed twice"),
        (STEPS.replace("kept: false", "kept: 1"), ":10:7: path.kept: found 1; allowed: true, false"),
        (STEPS.replace("kept: false", "keep: {k: 1}"), ":9:7: path: found cutmix and keep in one item; allowed: one step"),
        (CROSSED.replace("[1, 2]", "[1]"), ":8:52: k: number of levels: found 1; allowed: 2 or more"),
        (CROSSED.replace("[1, 2]", "[1, 1]"), "k: 1 is listed twice; list it once"),
        (CROSSED.replace("recipe.cutmix: 1.0", "k: 4"), "k: changed by 'k' and 'cutmix'; let one factor change it"),
        (CROSSED.replace("factorial", "fractional"), ":6:5: variants.fractional.runs is missing"),
        (
            CROSSED.replace("factorial", "fractional") + "      runs: 6\n",
            ":9:7: fractional.runs: found 6; allowed for 3 factors: 4",
        ),
        (
            CROSSED.replace("factorial", "fractional").replace("[1, 2]", "[1, 2, 4]") + "      runs: 4\n",
            "k: number of levels: found 3; allowed: 2",
        ),
    ],
)
def test_faults_are_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    told = refused(tmp_path, text)
    assert message in told and "\n" not in told and re.match(r":\d+:\d+: ", told), told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  - leave_one_out: {base: {lr: 1, wd: 1}, without: {a: {wd: 0}}}\n", "{drop} of program.command: 'base' has no"),
        ("  - leave_one_out: {base: WRN-16-2, without: {a: {wd: 0}}}\n", "leave_one_out.base: found 'WRN-16-2'; allowed:"),
        ("  - factorial: {base: {lr: 1, wd: 1, drop: 1}, factors: {a: {dr: 0}}}\n", "no placeholder {dr} in"),
    ],
)
def test_faults_of_a_program_are_told(tmp_path: Path, text: str, message: str) -> None:
    told = refused(tmp_path, text, PROGRAM)
    assert message in told and re.match(r":\d+:\d+: ", told), told


def test_the_fault_of_a_value_is_told_where_it_stands(tmp_path: Path) -> None:
    loaded = study(tmp_path, LEFT_OUT.replace("recipe.weight_decay: 0", "recipe.weight_decay: -1"))
    with pytest.raises(StudyError, match=r"s\.yaml:8:48: .*weight_decay"):
        enumerate_variants(loaded)


def resolution(levels: np.ndarray) -> int:
    """The fewest columns whose product is constant, by trying all."""
    runs, k = levels.shape
    return next(
        size
        for size in range(1, k + 1)
        if any(
            abs(levels[:, each].prod(axis=1).sum()) == runs for each in map(list, itertools.combinations(range(k), size))
        )
    )


@pytest.mark.parametrize(
    ("k", "runs", "wanted"),  # Box, Hunter & Hunter, 2005, table 6.22
    [(3, 4, 3), (4, 8, 4), (5, 8, 3), (5, 16, 5), (6, 8, 3), (6, 16, 4), (6, 32, 6), (7, 8, 3), (7, 16, 4), (8, 16, 4),
     (15, 16, 3)],
)  # fmt: skip
def test_resolutions_are_those_of_the_catalogue(k: int, runs: int, wanted: int) -> None:
    found = fractional_design(NAMES[:k], runs)
    assert found.levels.shape == (runs, k) and len({*map(tuple, found.levels.tolist())}) == runs
    assert found.resolution == resolution(found.levels) == wanted


@given(st.integers(3, 31), st.sampled_from([4, 8, 12, 16, 20, 24, 32, 40, 48, 80]))
def test_every_two_factors_are_balanced_and_the_full_method_is_there(k: int, runs: int) -> None:
    try:
        levels = fractional_design(NAMES[:k], runs).levels
    except StudyError as error:
        assert str(error).startswith(f"found {runs}; allowed for {k} factors: ")
        return
    assert (levels.T @ levels == runs * np.eye(k)).all() and (levels.sum(axis=0) == 0).all()
    assert [1] * k in levels.tolist() and len({*map(tuple, levels.tolist())}) == runs  # each row is a variant of its own


def test_aliases_are_those_of_a_half_of_four_factors() -> None:
    found = fractional_design(["norm", "cutmix", "ema", "kernel"], 8)
    assert aliases(found) == [
        ["norm x cutmix", "ema x kernel"], ["norm x ema", "cutmix x kernel"], ["norm x kernel", "cutmix x ema"],
    ]  # fmt: skip
    first, second = describe_fraction(found)
    assert first == "4 factors in 8 of 16 combinations, resolution IV; kernel = norm x cutmix x ema"
    assert second.startswith("norm x cutmix is aliased with ema x kernel; ")


def test_main_effects_of_a_plackett_burman_design_are_exact_without_interactions() -> None:
    found = fractional_design(NAMES[:11], 12)
    truth = np.arange(11.0)
    effects = found.levels.T @ (found.levels @ truth) / 12
    assert np.allclose(effects, truth) and "partly aliased" in describe_fraction(found)[0]


def test_a_plackett_burman_design_says_how_it_is_mixed() -> None:
    folded, doubled = (fractional_design(list("abcdefghijklmnopqrstuvw")[:k], 24) for k in (9, 13))
    assert "no main effect is aliased" in describe_fraction(folded)[0]
    first, second = describe_fraction(doubled)
    assert "some wholly" in first and second == "a is aliased with l x m; l is aliased with a x m; m is aliased with a x l"


def test_a_fraction_says_what_it_cannot_tell_apart(tmp_path: Path) -> None:
    text = (
        CROSSED.replace("factorial", "fractional").replace("cutmix: {r", "ema: {recipe.ema: 0.9}, cutmix: {r")
        + "      runs: 8\n"
    )
    found = enumerate_variants(study(tmp_path, text))
    assert len(found.variants) == 8
    assert [
        line for line in found.remarks() if line.startswith("design: fractional: cosine x k is aliased with ema x cutmix")
    ]
    assert {design.kind for design in designs(found)} == {"fractional"}


def test_a_chosen_value_may_stand_in_a_design() -> None:
    from ablate.study.chosen import _axis_at

    ways: list[tuple[tuple[Any, ...], str]] = [
        (("variants", 0, "leave_one_out", "base"), "net"),
        (("variants", 0, "leave_one_out", "without", "a", "recipe.lr"), "recipe.lr"),
        (("variants", 0, "path", 0, "base"), "net"),
        (("variants", 0, "path", 2, "wide", "k"), "k"),
        (("variants", 0, "factorial", "factors", "k", 1), "k"),
        (("variants", 0, "factorial", "factors", "a", "k"), "k"),
        (("variants", 0, "fractional", "base", "lr"), "lr"),
    ]
    assert [_axis_at(path) for path, _ in ways] == [axis for _, axis in ways]


def test_references_of_many_rows_are_found_in_one_pass() -> None:
    class Row:
        def __init__(self, number: int) -> None:
            self.designs = (Design("path", 0, number, f"step {number}", {}, {}, kept=number % 3 != 1),)

    grouped = []
    rows = [Row(number) for number in range(3000)]
    found = reference_rows(rows, lambda row: grouped.append(row))
    before = [0, 0, 0, *(number - 1 - (number % 3 == 2) for number in range(3, 3000))]
    assert [one and rows.index(one) for one in found[:50]] == before[:50]
    assert found[0] is rows[0] and found[-1] is rows[before[-1]] and len(grouped) == len(rows)
