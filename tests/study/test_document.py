from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.errors import UNPRINTABLE, StudyError, describe
from ablate.study import yaml_text
from ablate.study.document import MAX_BYTES, OVERRIDE, Document, read_document, read_text


def value(text: str) -> Any:
    return read_text(text, "f").value


def error(text: str) -> str:
    with pytest.raises(StudyError) as caught:
        read_text(text, "f")
    return str(caught.value)


STUDY = """\
name: x
recipe:
  epochs: 30
  milestones: [0.5, 0.75]
variants:
  - net: WRN-16-1
  - grid: {k: [1, 2], block: B(3,3)}
"""


def test_values() -> None:
    assert value(STUDY) == {
        "name": "x",
        "recipe": {"epochs": 30, "milestones": [0.5, 0.75]},
        "variants": [{"net": "WRN-16-1"}, {"grid": {"k": [1, 2], "block": "B(3,3)"}}],
    }


@pytest.mark.parametrize(
    "path, position",
    [
        ((), (1, 1)),
        (("name",), (1, 1)),
        (("recipe", "epochs"), (3, 3)),
        (("recipe", "milestones"), (4, 3)),
        (("recipe", "milestones", 1), (4, 21)),
        (("variants", 0), (6, 5)),
        (("variants", 1, "grid"), (7, 5)),
        (("variants", 1, "grid", "k", 1), (7, 19)),
        (("variants", 1, "grid", "block"), (7, 23)),
    ],
)
def test_positions(path: tuple[Any, ...], position: tuple[int, int]) -> None:
    assert read_text(STUDY, "f").positions[path] == position


def test_failure_stands_at_the_nearest_ancestor() -> None:
    with pytest.raises(StudyError) as caught:
        read_text(STUDY, "f.yaml").fail(("recipe", "epochs", "deeper"), "no")
    assert str(caught.value) == "f.yaml:3:3: no"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1e-4", 1e-4),
        ("1e5", 1e5),
        ("5.0e-4", 5e-4),
        (".5", 0.5),
        ("-.5", -0.5),
        ("12", 12),
        ("-7", -7),
        ("010", 10),
        ("0o14", 12),
        ("0x1F", 31),
        ("1_000", 1000),
        ("9" * 300, int("9" * 300)),
        ("9" * 301, "9" * 301),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("2001-01-01", "2001-01-01"),
        ("1:30", "1:30"),
        ("2.2M", "2.2M"),
        ("5%", "5%"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">\n  a\n  b\n", "a b\n"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, expected: Any) -> None:
    found = value(f"a: {text}")["a"]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("[B(3,3), B(3,1)]", ["B(3,3)", "B(3,1)"]),
        ("[WRN-40-2-B(1,3,1), WRN-28-2-B(3,3)-dropout0.3]", ["WRN-40-2-B(1,3,1)", "WRN-28-2-B(3,3)-dropout0.3"]),
        ("{block: B(3,3), k: 1}", {"block": "B(3,3)", "k": 1}),
        ("{block: [B(3,1,3), B(3)], k: 1}", {"block": ["B(3,1,3)", "B(3)"], "k": 1}),
        ("[ B( 3, 1 ) ]", ["B( 3, 1 )"]),
        ("['B(3,3)', \"B(3,1)\"]", ["B(3,3)", "B(3,1)"]),
        ("- B(3,3)\n- B(3,1)", ["B(3,3)", "B(3,1)"]),
        ("[a (b, c]", ["a (b", "c"]),
        ("a: smile :(\nb: 2", {"a": "smile :(", "b": 2}),
        ("{a: f(1, b: 2}", {"a": "f(1", "b": 2}),
    ],
)
def test_blocks_stay_whole_and_nothing_else_does(text: str, expected: Any) -> None:
    assert value(text) == expected


def test_blocks_do_not_move_positions() -> None:
    positions = read_text("[B(3,1,3), B(3,3), k]", "f").positions
    assert [positions[i,] for i in range(3)] == [(1, 2), (1, 12), (1, 20)]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a: 1\nb: 2\na: 3", "f:3:1: duplicate key 'a', first at line 1"),
        ("x:\n  - {a: 1, a: 2}", "f:2:12: duplicate key 'a', first at line 2"),
        ("a: &x 1", "f:1:4: anchors and aliases"),
        ("a: &x [1]", "f:1:4: anchors and aliases"),
        ("a: *x", "f:1:4: anchors and aliases"),
        ("b: 1\n<<: *x", "f:2:5: anchors and aliases"),
        ("a: !!int 1", "f:1:4: tag 'tag:yaml.org,2002:int' is not accepted"),
        ("a: !!python/object/apply:os.system [true]", "f:1:4: tag 'tag:yaml.org,2002:python/object/apply:os.system'"),
        ("a: !own {}", "f:1:4: tag '!own' is not accepted"),
        ("a: 1\n---\nb: 2", "f:2:1: a second YAML document"),
        ("1: 2", "f:1:1: the key 1 is not text; put it in quotes"),
        ("a:\n  true: 2", "f:2:3: the key True is not text; put it in quotes"),
        ("null: 2", "f:1:1: the key None is not text; put it in quotes"),
        ("? [a]\n: 1", "f:1:3: a key must be text, not a mapping or list"),
        ("? {a: 1}\n: 1", "f:1:3: a key must be text, not a mapping or list"),
        ("a: .inf", "f:1:4: the number .inf is not finite"),
        ("a: -.INF", "f:1:4: the number -.INF is not finite"),
        ("a: [1, .nan]", "f:1:8: the number .nan is not finite"),
        ("a: 1e999", "f:1:4: the number 1e999 is not finite"),
        ("a: b: c", "f:1:5: not YAML: mapping values are not allowed here"),
        ("a: [1, 2", "f:1:9: not YAML: "),
        ("a: 'x", "f:1:6: not YAML: "),
        ("a: @x", "f:1:4: not YAML: "),
        ("a: 1\n\tb: 2", "f:2:1: not YAML: "),
        ("a: \x00", "f: not YAML: "),
    ],
)
def test_refused(text: str, expected: str) -> None:
    assert error(text).startswith(expected)


@pytest.mark.parametrize("unit, column", [("[", 18), ("- ", 35), ("{a: ", 66)])
def test_deep_nesting_is_refused(unit: str, column: int) -> None:
    assert error(unit * 5000) == f"f:1:{column}: nested deeper than 16"


def test_sixteen_levels_are_accepted() -> None:
    found = value("[" * 16 + "]" * 16)
    for _ in range(15):
        (found,) = found
    assert found == []


def test_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    start = time.perf_counter()
    assert error("\n".join(lines)).startswith("f:1:5: anchors and aliases")
    assert time.perf_counter() - start < 2


def test_number_of_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_VALUES", 10)
    assert value("[1, 2, 3, 4, 5, 6, 7, 8, 9]") == list(range(1, 10))
    assert error("[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]") == "f:1:29: more than 10 values"


FILES = [
    (b"a: 1\nb: \xff\n", ":2:1: not UTF-8 text"),
    ("a: é".encode("utf-16"), ":1:1: not UTF-8 text"),
    (b"#" * (MAX_BYTES + 1), f" has more than {MAX_BYTES} bytes"),
    (b"", ": found nothing; allowed: a mapping with name"),
    (b"- a\n", ":1:1: found a list; allowed: a mapping"),
    (b"# nothing\nhello", ":2:1: found 'hello'; allowed: a mapping"),
    (b"7", ":1:1: found 7; allowed: a mapping"),
]


@pytest.mark.parametrize("content, expected", FILES, ids=["latin", "utf-16", "large", "empty", "list", "text", "number"])
def test_unreadable_files(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(content)
    with pytest.raises(StudyError) as caught:
        read_document(path)
    assert str(caught.value).startswith(f"{path}{expected}")


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"none\.yaml: No such file or directory"):
        read_document(tmp_path / "none.yaml")
    with pytest.raises(StudyError, match="Is a directory"):
        read_document(tmp_path)


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\r\ntitle: \xc3\xa9\r\n")
    assert read_document(path).value == {"name": "x", "title": "é"}


def base() -> Document:
    return read_text("name: x\ndata: cifar10\nrecipe: wrn_cifar\nbudget:\nseeds: 5\nlist: [1, 2]\n", "f")


@pytest.mark.parametrize(
    "assignment, key, expected",
    [
        ("seeds=[1, 2]", "seeds", [1, 2]),
        ("title=a=b", "title", "a=b"),
        ("recipe=adam", "recipe", "adam"),
        ("recipe.epochs=30", "recipe", {"base": "wrn_cifar", "epochs": 30}),
        (" recipe.lr = 1e-3 ", "recipe", {"base": "wrn_cifar", "lr": 1e-3}),
        ("data.train_size=100", "data", {"name": "cifar10", "train_size": 100}),
        ("budget.parameters=2.2M", "budget", {"parameters": "2.2M"}),
        ("new.nested.key={a: [B(3,3)]}", "new", {"nested": {"key": {"a": ["B(3,3)"]}}}),
    ],
)
def test_override(assignment: str, key: str, expected: Any) -> None:
    document = base()
    before = dict(document.value)
    document.override(assignment)
    assert document.value == {**before, key: expected}


def test_an_override_by_null_takes_the_key_out() -> None:
    document = base()
    document.override("title=x")
    document.override("title=null")
    assert "title" not in document.value
    with pytest.raises(StudyError, match="override title has no value"):
        document.override("title=")


def test_overrides_add_up() -> None:
    document = base()
    for assignment in ("recipe.epochs=1", "recipe.lr=0.5", "recipe.epochs=2"):
        document.override(assignment)
    assert document.value["recipe"] == {"base": "wrn_cifar", "epochs": 2, "lr": 0.5}


def test_override_stands_on_the_command_line() -> None:
    document = base()
    document.override("recipe.epochs=0")
    document.override("list=[1]")
    assert document.positions["recipe", "epochs"] == OVERRIDE
    for path, place in (
        (("recipe", "epochs"), "override"),
        (("list", 0), "override"),
        (("seeds",), "f:5:1"),
        (("recipe", "lr"), "f:3:1"),
    ):
        with pytest.raises(StudyError) as caught:
            document.fail(path, "no")
        assert str(caught.value) == f"{place}: no"


@pytest.mark.parametrize(
    "assignment, expected",
    [
        ("recipe.epochs", "override: found 'recipe.epochs'; allowed: KEY=VALUE"),
        ("=1", "override: found '=1'"),
        ("recipe.=1", "override: found 'recipe.=1'"),
        ("a b=1", "override: found 'a b=1'"),
        ("", "override: found ''"),
        ("seeds.x=1", "override: 'seeds.x' goes into 'seeds', which is not a mapping"),
        ("list.0=1", "override: 'list.0' goes into 'list', which is not a mapping"),
        ("recipe.epochs=[", "override recipe.epochs:1:2: not YAML"),
        ("seeds=&a 1", "override seeds:1:1: anchors and aliases"),
        ("seeds=1\n---\n2", "override seeds:2:1: a second YAML document"),
    ],
)
def test_bad_overrides(assignment: str, expected: str) -> None:
    with pytest.raises(StudyError) as caught:
        base().override(assignment)
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    "found, words",
    [
        (None, "nothing"),
        (True, "true"),
        (False, "false"),
        ({}, "a mapping"),
        ([1], "a list"),
        ("x", "'x'"),
        (2.5, "2.5"),
        ("x" * 500, "'" + "x" * 78 + "…"),
    ],
)
def test_found_values_in_words(found: Any, words: str) -> None:
    assert describe(found) == words


PIECES = """a b: : - ? , [ ] { } ' " | > # B(3,3) B(3, ( ) 1 1.5 1e5 0x1F -0x1F 0x_ _ \\ 1:30 true null
.inf & * ! @ ` % --- ... <<: ~ é"""
yaml_like = st.lists(st.sampled_from([*PIECES.split(), " ", "\n", "\n  ", "\t", ": "]), max_size=25).map("".join)


@given(st.one_of(st.text(max_size=60), yaml_like))
@settings(deadline=None, max_examples=100)
def test_any_text_reads_or_is_refused(text: str) -> None:
    try:
        read_text(text, "f")
    except StudyError as error:
        assert str(error).startswith("f:")


letters = st.characters(max_codepoint=0xFFFF).filter(lambda one: one != "\ue000" and not UNPRINTABLE.match(one))
finite = st.floats(allow_nan=False, allow_infinity=False)
leaves = st.one_of(st.none(), st.booleans(), st.integers(), finite, st.text(letters))
trees = st.recursive(
    leaves, lambda t: st.lists(t, max_size=4) | st.dictionaries(st.text(letters, max_size=6), t, max_size=4), max_leaves=8
)


@given(trees)
@settings(deadline=None, max_examples=50)
def test_json_reads_as_itself(tree: Any) -> None:
    assert value(json.dumps(tree)) == tree


@pytest.mark.parametrize(
    "text",
    ["%YAML 1.1\n---\na: yes", r'a: "\UFFFFFFFF"', r'a: "\U00110000"', r'a: "\uD800"', "a: \ue000", "a: \x00"],
)
def test_what_is_no_yaml_1_2_is_refused(text: str) -> None:
    with pytest.raises(StudyError):
        read_text(text, "f")


@pytest.mark.parametrize("text", ["-0x1F", "+0x1F", "-_", "0x_", "0o_", "0b_", "._", "+._", "1:30"])
def test_what_only_looks_like_a_number_is_text(text: str) -> None:
    assert read_text(f"a: {text}", "f").value == {"a": text}
