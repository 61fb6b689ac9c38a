"""`{from: NAME}`: where the value is looked for, what it becomes, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from planned import plan_trials

from ablate.errors import StudyError
from ablate.study.json_schema import json_schema
from ablate.study.plan import enumerate_variants
from ablate.study.spec import load_study
from ablate.study.study import Study

SEARCH = """\
name: rate
data: cifar10
recipe: wrn_cifar
base: WRN-16-1
search:
  space: {dropout: {low: 0.0, high: 0.6, step: 0.05}}
  validation: {folds: 5}
  trials: 40
scales:
  small: {recipe: {epochs: 3}}
"""
BEST = """\
search: rate
study: search.yaml
digest: "DIGEST"
finished: true
candidates: 40
objective: median_validation_error
value: 5.123
trainings: 5
best: {dropout: 0.3, k: 2, block: "B(3,1)", recipe.lr: 0.05, recipe.milestones: [0.5, 0.75], net: WRN-22-1, odd: [1, x]}
"""
FIRST = "first run: ablate search studies/search.yaml && ablate report studies/search.yaml"
GRID = "grid: {net: WRN-16-1, dropout: {from: rate}}"
TAKEN = "the best of 40 candidates of rate, 5.12% median validation error (reports/rate/best.yaml)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the study of a search and what it chose."""
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "search.yaml").write_text(SEARCH)
    monkeypatch.chdir(tmp_path)
    write_best(BEST)
    return tmp_path


def write_best(text: str, place: str = "reports/rate/best.yaml", scale: str = "") -> None:
    """A best.yaml with the digest that the search's study has now."""
    search = load_study("studies/search.yaml", scale=scale).search
    assert search
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    Path(place).write_text(text.replace("DIGEST", search.digest))


def text_of(entry: str = GRID, recipe: str = "wrn_cifar", more: str = "") -> str:
    return f"name: final\ndata: cifar10\nrecipe: {recipe}\nseeds: 2\nvariants:\n  - {entry}\n{more}"


def study(text: str, overrides: Sequence[str] = (), scale: str = "", place: str = "studies/final.yaml") -> Study:
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    Path(place).write_text(text)
    return load_study(place, overrides, scale)


def ids(study: Study) -> list[str]:
    return [trial.id for trial in plan_trials(study)]


def error(text: str = "", overrides: Sequence[str] = (), scale: str = "") -> str:
    with pytest.raises(StudyError) as caught:
        enumerate_variants(study(text or text_of(), overrides, scale))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def entry_error(entry: str) -> str:
    """The message about an entry, which stands from line 6, column 5, without file and line."""
    found = error(text_of(entry))
    assert found.startswith("studies/final.yaml:6:"), found
    return found.removeprefix("studies/final.yaml:6:")


@pytest.mark.parametrize(
    "entry, written",
    [
        (GRID, "grid: {net: WRN-16-1, dropout: 0.3}"),
        ("grid: {net: WRN-16-1, dropout: [0, {from: rate}]}", "grid: {net: WRN-16-1, dropout: [0, 0.3]}"),
        ("grid: {depth: 16, k: {from: rate}}", "grid: {depth: 16, k: 2}"),
        ("grid: {net: WRN-22-1, block: {from: rate}}", "grid: {net: WRN-22-1, block: B(3,1)}"),
        ("zip: {depth: [16, 22], k: {from: rate}}", "zip: {depth: [16, 22], k: 2}"),
        ("zip: {depth: [16, 22], k: [{from: rate}, 1]}", "zip: {depth: [16, 22], k: [2, 1]}"),
        (
            "one_at_a_time: {base: {from: rate, key: net}, dropout: {from: rate}, recipe.lr: [0.1, {from: rate}]}",
            "one_at_a_time: {base: WRN-22-1, dropout: 0.3, recipe.lr: [0.1, 0.05]}",
        ),
        ("net: [WRN-16-1, {from: rate}]", "net: [WRN-16-1, WRN-22-1]"),
        ("net: {from: rate}", "net: WRN-22-1"),
        ("{net: WRN-16-1, recipe: {base: adam, lr: {from: rate}}}", "{net: WRN-16-1, recipe: {base: adam, lr: 0.05}}"),
        ("grid: {net: WRN-16-1, dropout: {from: ../reports/rate/best.yaml}}", "grid: {net: WRN-16-1, dropout: 0.3}"),
        ("grid: {net: WRN-16-1, survival: {from: rate, key: dropout}}", "grid: {net: WRN-16-1, survival: 0.3}"),
        (
            "grid: {net: WRN-16-1, recipe.milestones: {from: rate}}",
            "grid: {net: WRN-16-1, recipe.milestones: [[0.5, 0.75]]}",
        ),
    ],
)
def test_a_trial_contains_the_value(folder: Path, entry: str, written: str) -> None:
    assert ids(study(text_of(entry))) == ids(study(text_of(written)))


def test_a_recipe_takes_values(folder: Path) -> None:
    recipe = "{base: wrn_cifar, lr: {from: rate}, milestones: {from: rate}}"
    written = "{base: wrn_cifar, lr: 0.05, milestones: [0.5, 0.75]}"
    expected = ids(study(text_of("net: WRN-16-1", written)))
    assert ids(study(text_of("net: WRN-16-1", recipe))) == expected
    overrides = ["recipe.lr={from: rate}", "recipe.milestones={from: rate}"]
    assert ids(study(text_of("net: WRN-16-1"), overrides)) == expected


def test_a_baseline_takes_values(folder: Path) -> None:
    entry = "grid: {net: WRN-16-1, dropout: [0, 0.3]}"
    assert study(text_of(entry, more="baseline: {dropout: {from: rate}}")).baseline == (
        {"dropout": 0.3},
        "studies/final.yaml:7:1",
    )


def test_a_search_takes_values(folder: Path) -> None:
    text = SEARCH.replace("name: rate", "name: other")
    text = text.replace("high: 0.6", "high: {from: rate}").replace(
        "trials: 40", "trials: 9\n  enqueue: [{dropout: {from: rate}}]"
    )
    search = study(text.replace("base: WRN-16-1", "base: {from: rate, key: net}")).search
    assert search and search.base == "WRN-22-1"
    assert search.parameters[0].high == 0.3 and search.enqueue == ({"dropout": 0.3},)


@pytest.mark.parametrize("wanted", ["{from: rate}", "[3, {from: rate}]"])
def test_a_condition_of_a_search_takes_values(folder: Path, wanted: str) -> None:
    space = f"k: [1, 2, 3], dropout: {{low: 0.0, high: 0.6, when: {{k: {wanted}}}}}"
    text = SEARCH.replace("name: rate", "name: other").replace("dropout: {low: 0.0, high: 0.6, step: 0.05}", space)
    search = study(text).search
    assert search and search.parameters[1].when == (("k", (2,) if wanted[0] == "{" else (3, 2)),)


def test_what_was_chosen_is_said_first(folder: Path) -> None:
    loaded = study(text_of("grid: {net: WRN-16-1, dropout: [0, {from: rate}], survival: {from: rate, key: dropout}}"))
    assert loaded.chosen == (f"dropout 0.3: {TAKEN}", f"survival 0.3: the dropout of {TAKEN}")
    assert enumerate_variants(loaded).remarks() == [f"chosen: {line}" for line in loaded.chosen]
    assert study(text_of("net: WRN-16-1")).chosen == ()
    solved = study(text_of(more="budget: {parameters: 280k, solve: depth}"))
    assert [line.partition(":")[0] for line in enumerate_variants(solved).remarks()] == ["chosen", "solved"]


def test_the_same_value_is_said_once(folder: Path) -> None:
    loaded = study(text_of(GRID, "{base: wrn_cifar, milestones: {from: rate}}") + f"  - {GRID}\n")
    assert loaded.chosen == (f"recipe.milestones 0.5, 0.75: {TAKEN}", f"dropout 0.3: {TAKEN}")


def test_one_candidate_and_a_path(folder: Path) -> None:
    write_best(BEST.replace("candidates: 40", "candidates: 1"))
    Path("studies/search.yaml").write_text(SEARCH.replace("trials: 40", "trials: 1"))
    entry = "grid: {net: WRN-16-1, dropout: {from: ../reports/rate/best.yaml}}"
    said = "dropout 0.3: the best of 1 candidate of rate, 5.12% median validation error (../reports/rate/best.yaml)"
    assert study(text_of(entry)).chosen == (said,)


def test_reports_of_the_working_directory_come_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_best(BEST.replace("dropout: 0.3", "dropout: 0.2"), "elsewhere/reports/rate/best.yaml")
    study(text_of())
    monkeypatch.chdir("elsewhere")
    assert load_study("../studies/final.yaml").entries[0].axes["dropout"] == (0.2,)
    Path("reports/rate/best.yaml").unlink()
    assert load_study("../studies/final.yaml").entries[0].axes["dropout"] == (0.3,)
    assert load_study("../studies/final.yaml").chosen == (f"dropout 0.3: {TAKEN}",)


def test_a_scale_takes_its_own(folder: Path) -> None:
    write_best(BEST.replace("rate", "rate_small").replace("0.3", "0.1"), "reports/rate_small/best.yaml", "small")
    text = text_of(more=f"scales:\n  small:\n    variants: [{GRID.replace('rate', 'rate_small')}]\n    seeds: 1\n")
    text = text.replace("[grid: {", "[{grid: {").replace("}}]", "}}}]")
    assert study(text, scale="small").entries[0].axes["dropout"] == (0.1,)
    Path("reports/rate_small/best.yaml").unlink()
    assert study(text).entries[0].axes["dropout"] == (0.3,)  # what is not laid over is not looked for
    found = error(text, scale="small")
    assert "studies/final.yaml:9:" in found and "there is no reports/rate_small/best.yaml" in found
    assert found.endswith(
        "ablate search studies/search.yaml --scale small && ablate report studies/search.yaml --scale small"
    )


def test_none_yet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("reports/rate/best.yaml").unlink()
    assert entry_error(GRID) == f"27: from: there is no reports/rate/best.yaml; {FIRST}"
    Path("studies/search.yaml").rename("studies/a search.yaml")
    assert entry_error(GRID).endswith("ablate search 'studies/a search.yaml' && ablate report 'studies/a search.yaml'")
    Path("studies/a search.yaml").unlink()
    Path("studies/broken.yaml").write_text("name: rate: [")
    Path("studies/long.yaml").write_text("name: rate\n" + "#" * 300_000)
    (folder / "studies" / "directory.yaml").mkdir()
    wanted = "ablate search STUDY && ablate report STUDY, with the study called rate"
    assert entry_error(GRID).endswith(f"first run: {wanted}")
    (folder / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir("deep/er")
    with pytest.raises(StudyError) as caught:
        load_study("../../studies/final.yaml")
    assert "no reports/rate/best.yaml or ../../studies/../reports/rate/best.yaml; first run" in str(caught.value)


def test_a_path_that_leads_nowhere(folder: Path) -> None:
    found = entry_error("grid: {net: WRN-16-1, dropout: {from: no.yaml}}")
    assert found.endswith("from: there is no studies/no.yaml; first run: ablate search STUDY && ablate report STUDY")


def test_the_study_of_a_search_is_looked_for_in_studies_too(folder: Path) -> None:
    Path("reports/rate/best.yaml").unlink()
    with pytest.raises(StudyError, match=FIRST):
        study(text_of(), place="mine/final.yaml")


def test_unfinished(folder: Path) -> None:
    write_best(BEST.replace("finished: true", "finished: false").replace("40", "7"))
    found = "27: from: rate is unfinished after 7 candidates (reports/rate/best.yaml); "
    assert entry_error(GRID) == found + FIRST


def test_changed_since(folder: Path) -> None:
    path = Path("studies/search.yaml")
    path.write_text(SEARCH.replace("trials: 40", "trials: 20"))
    study(text_of())
    path.write_text(SEARCH.replace("trials: 40", "trials: 80"))  # more of the same
    assert entry_error(GRID) == f"27: from: rate is unfinished after 40 of 80 candidates; {FIRST}"
    path.write_text(SEARCH.replace("folds: 5", "folds: 4"))
    assert entry_error(GRID) == f"27: from: rate has changed since reports/rate/best.yaml was written; {FIRST}"
    path.write_text(SEARCH.replace("folds: 5", "folds: 1"))
    assert entry_error(GRID).startswith("27: from: studies/search.yaml:7:")
    path.unlink()
    study(text_of())  # nothing to compare it with


def test_a_pareto_set_has_no_best(folder: Path) -> None:
    write_best(BEST.partition("value:")[0] + "pareto:\n  - {dropout: 0.3, validation_error: 5, parameters: 10}\n")
    said = "rate has two objectives; a Pareto set (reports/rate/best.yaml) has no single best; write a value"
    assert entry_error(GRID) == f"27: from: {said}"


@pytest.mark.parametrize("text", [BEST.partition("value:")[0], BEST.replace("value: 5.123\n", "")])
def test_no_candidate_was_completed(folder: Path, text: str) -> None:
    write_best(text)
    assert entry_error(GRID).startswith("27: from: rate has no completed candidate (reports/rate/best.yaml)")


def test_a_key_that_it_has_not(folder: Path) -> None:
    keys = "dropout, k, block, recipe.lr, recipe.milestones, net, odd"
    found = entry_error("grid: {net: WRN-16-1, survival: {from: rate}}")
    assert found == f"27: from: reports/rate/best.yaml has no survival; allowed: {keys}"
    found = error(text_of("net: WRN-16-1"), ["recipe.eps={from: rate}"])
    assert found == f"override: from: reports/rate/best.yaml has no recipe.eps; did you mean 'recipe.lr'? allowed: {keys}"


@pytest.mark.parametrize(
    "reference, said",
    [
        ("{from: 3}", "from: found 3; allowed: the name of a search, or the path of its best.yaml"),
        ("{from: null}", "from: found nothing; allowed: the name of a search"),
        ("{from: [rate]}", "from: found a list; allowed: the name of a search"),
        ("{from: ../rate}", "from: found '../rate'; allowed: the name of a search"),
        ("{from: ''}", "from: found ''; allowed: the name of a search"),
        ("{from: /etc/passwd}", "from: found '/etc/passwd'; allowed: the name of a search"),
        ("{from: rate, kee: k}", "from: unknown key 'kee'; did you mean 'key'? allowed: from, key"),
        ("{from: rate, key: 2}", "from: key: found 2; allowed: what the search chose, such as dropout"),
        ("{from: rate, key: block}", "dropout: found 'B(3,1)'; allowed: a number"),
        ("{from: rate, key: odd}", "dropout: found a list; allowed: a number"),
        ("{key: k}", "dropout: found a mapping; allowed: a number"),
        ("[[{from: rate}]]", "dropout: found a list; allowed: a number"),
        ("[0, {from: rat}]", "from: there is no reports/rat/best.yaml; first run: ablate search STUDY"),
        ("{from: rate_big}", "from: there is no reports/rate_big/best.yaml; first run: ablate search STUDY && "),
        ("{from: final}", "from: circular reference: final takes a value from itself (studies/final.yaml)"),
    ],
)
def test_references_that_cannot_be(folder: Path, reference: str, said: str) -> None:
    study(text_of())
    assert entry_error(f"grid: {{net: WRN-16-1, dropout: {reference}}}").partition(": ")[2].startswith(said)


def test_only_where_an_axis_or_a_field_of_a_recipe_stands(folder: Path) -> None:
    assert "seeds.from: found 'rate'" in error(text_of().replace("seeds: 2", "seeds: {from: rate}"))
    assert "3:10: unknown key 'from'; allowed: base, optimizer" in error(text_of(recipe="{from: rate}"))
    assert "recipe.base: found a mapping" in error(text_of(recipe="{base: {from: rate}}"))


def test_an_argument_may_be_any_mapping(folder: Path) -> None:
    args = "args.span: {from: 1, to: 2}, args.k: {from: rate, key: k}, args.deep: {a: {from: rate}}"
    loaded = study(text_of(f"grid: {{net: {{python: 'mine:build'}}, {args}}}"))
    assert loaded.entries[0].axes["args.span"] == ({"from": 1, "to": 2},)
    assert loaded.entries[0].axes["args.k"] == (2,)
    assert loaded.entries[0].axes["args.deep"] == ({"a": {"from": "rate"}},)


@pytest.mark.parametrize(
    "text, said",
    [
        ("search: [", "best.yaml:1:10: not YAML: "),
        ("- rate\n", "best.yaml:1:1: found a list; allowed: a mapping"),
        ("", "best.yaml: found nothing; allowed: a mapping"),
        ("search: rate\n", "best.yaml:1:1: digest is missing"),
        (BEST.replace('"DIGEST"', "xyz"), "best.yaml:3:1: digest: found 'xyz'; allowed: 16 hexadecimal digits"),
        (BEST.replace("finished: true", "finished: 1"), "best.yaml:4:1: finished: found 1; allowed: "),
        (BEST.replace("candidates: 40", "candidates: -1"), "best.yaml:5:1: candidates: found -1; allowed: "),
        (BEST.replace("5.123", "low"), "best.yaml:7:1: value: found 'low'; allowed: "),
        (BEST.partition("best:")[0] + "best: []\n", "best.yaml:9:1: best: found a list; allowed: "),
        (BEST.partition("best:")[0] + "best: {}\n", "best.yaml:9:1: best: found a mapping; allowed: "),
        (BEST.replace("search: rate", "search: other"), "best.yaml:1:1: this is the best of 'other', not of rate"),
        ("search: &x rate\n", "best.yaml:1:9: anchors and aliases"),
    ],
)
def test_a_damaged_best(folder: Path, text: str, said: str) -> None:
    write_best(text)
    found = entry_error(GRID)
    assert found.startswith("27: from: reports/rate/best.yaml")
    assert said in found


def test_a_best_of_the_time_when_the_median_was_the_default_is_still_read(folder: Path) -> None:
    search = load_study("studies/search.yaml").search
    assert search and search.objective == "mean_validation_error" and search.former_digest != search.digest
    Path("reports/rate/best.yaml").write_text(BEST.replace("DIGEST", search.former_digest))
    assert study(text_of(GRID)).entries[0].axes["dropout"] == (0.3,)
    Path("studies/search.yaml").write_text(SEARCH.replace("trials", "objective: median_validation_error\n  trials"))
    stated = load_study("studies/search.yaml").search
    assert stated and stated.objective == "median_validation_error" and stated.former_digest == ""


def test_null_is_no_value(folder: Path) -> None:
    write_best(BEST.replace("dropout: 0.3", "dropout: null"))
    assert entry_error(GRID).endswith("variants.0.grid.dropout has no value; give one, or leave the key out")


def test_what_a_search_chose_is_not_looked_into(folder: Path) -> None:
    write_best(BEST.replace("dropout: 0.3", "dropout: {from: rate}"))
    assert entry_error(GRID).endswith("dropout: found a mapping; allowed: a number")


def test_searches_that_wait_for_each_other(folder: Path) -> None:
    other = SEARCH.replace("name: rate", "name: other")
    Path("studies/other.yaml").write_text(other.replace("high: 0.6", "high: {from: rate}"))
    Path("reports/other").mkdir()
    Path("reports/other/best.yaml").write_text(BEST.replace("search: rate", "search: other").replace("DIGEST", "0" * 16))
    Path("studies/search.yaml").write_text(SEARCH.replace("high: 0.6", "high: {from: other, key: dropout}"))
    found = entry_error(GRID)
    assert found.startswith("27: from: studies/search.yaml:6:")
    assert "from: circular reference: rate takes a value from itself (studies/search.yaml)" in found


def test_a_study_is_not_a_search(folder: Path) -> None:
    Path("studies/plain.yaml").write_text(text_of("net: WRN-16-1").replace("final", "plain"))
    found = entry_error("grid: {net: WRN-16-1, dropout: {from: plain}}")
    assert found.endswith("from: plain is a study without 'search' (studies/plain.yaml); name one that has it")


def test_editors_accept_it() -> None:
    definitions = json_schema()["$defs"]
    for field, schema in definitions["RecipeFile"]["properties"].items():
        assert any("from" in kind.get("properties", {}) for kind in schema.get("anyOf", ())) == (field != "base")
    net = definitions["EntryFile"]["properties"]["net"]["anyOf"]
    assert any("from" in kind.get("properties", {}) for kind in net)
    assert definitions["EntryFile"]["properties"]["grid"]["anyOf"][0]["properties"]["dropout"] == {}
