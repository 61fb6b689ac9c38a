from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.errors import StudyError
from ablate.study.expression import MAX_LENGTH, compile_expression, names_in

NAMES: dict[str, Any] = {
    "net": "WRN-16-2",
    "block": "B(3,3)",
    "l": 2,
    "k": 2.0,
    "depth": 16,
    "parameters": 691_674,
    "recipe.lr": 0.1,
    "recipe.milestones": (0.3, 0.6),
    "recipe.nesterov": True,
    "data.train_size": None,
}


def holds(text: str) -> bool:
    return compile_expression(text)(NAMES)


def error(text: str) -> str:
    with pytest.raises(StudyError) as caught:
        holds(text)
    return str(caught.value)


def test_names_are_whole() -> None:
    text = "k * depth <= 400 and (recipe.loss.args.g, recipe.lr) != (1, 'net') or not recipe.nesterov"
    assert names_in(text) == {"k", "depth", "recipe.loss.args.g", "recipe.lr", "recipe.nesterov"}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("k * depth <= 32", True),
        ("k * depth < 32", False),
        ("1 + 2 * 3 == 7", True),
        ("(1 + 2) * 3 == 9", True),
        ("10 - 4 - 3 == 3", True),
        ("7 / 2 == 3.5", True),
        ("7 // 2 == 3 and 7 % 4 == 3", True),
        ("-2 < -1 < +1", True),
        ("1 < l < 3", True),
        ("1 < 3 < 2", False),
        ("(1 < 3) < 2", True),
        ("depth != 16 or k >= 2", True),
        ("not depth == 16 or l == 2", True),
        ("not (depth == 16 or l == 2)", False),
        ("l == 1 or l == 2 and k == 3", False),
        ("(l == 1 or l == 2) and k == 2", True),
        ("depth > 20 and 1 / 0 > 1", False),
        ("depth > 10 or 1 / 0 > 1", True),
        ("block in ('B(3,3)', 'B(3,1)')", True),
        ('block in ["B(3,1)"]', False),
        ("block not in ('B(3,1)',)", True),
        ("'3' in block", True),
        ("0.3 in recipe.milestones", True),
        ("recipe.lr < 0.2", True),
        ("recipe.nesterov", True),
        ("not recipe.nesterov", False),
        ("recipe . lr == 0.1", True),
        ("parameters > 2e6", False),
        ("True", True),
        ("  k == 2  ", True),
        ("(k,\n l) == (2, 2)", True),
    ],
)
def test_semantics(text: str, expected: bool) -> None:
    assert holds(text) is expected


def test_compiled_once_holds_for_many() -> None:
    small = compile_expression("k <= 2")
    assert [small({"k": k}) for k in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize(
    "text, refused",
    [
        ("len(block) > 3", "len(block)"),
        ("__import__('os').system('true') == 0", "__import__('os').system('true')"),
        ("block.upper() == 'B'", "block.upper()"),
        ("'abc'.upper == 1", "'abc'"),
        ("(k + 1).real > 0", "k + 1"),
        ("().__class__ == 1", "()"),
        ("block[0] == 'B'", "block[0]"),
        ("block[1:] == 'B'", "block[1:]"),
        ("(lambda x: 1) == 1", "lambda x: 1"),
        ("[x for x in block] == 1", "[x for x in block]"),
        ("any(x for x in block)", "any("),
        ("{k: 1} == 1", "{k: 1}"),
        ("{k} == 1", "{k}"),
        ("k ** 2 < 9", "k ** 2"),
        ("1 << 2 < 9", "1 << 2"),
        ("l | 1 == 1", "l | 1"),
        ("~l < 0", "~l"),
        ("k @ k == 1", "k @ k"),
        ("f'{k}' == '2'", "f'{k}'"),
        ("(k := 3) == 3", "(k := 3)"),
        ("k if l else 1", "k if l else 1"),
        ("k is l", "k is l"),
        ("data.train_size is None", "data.train_size is None"),
        ("None == 1", "None"),
        ("... == 1", "..."),
        ("1j == 1", "1j"),
        ("b'a' == 1", "b'a'"),
        ("(*recipe.milestones, 1) == 1", "*recipe.milestones"),
        ("await k", "await k"),
    ],
)
def test_everything_else_is_refused(text: str, refused: str) -> None:
    with pytest.raises(StudyError) as caught:
        compile_expression(text)
    assert f"where: '{refused}" in str(caught.value)
    assert "is not accepted; allowed: names" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", " ", "k <", "k = 2", "k == 2; l", "import os", "k == 2\nl == 2", "((k)", "0777 == 1", "\0", "yield"],
)
def test_not_an_expression(text: str) -> None:
    with pytest.raises(StudyError, match="is not an expression: "):
        compile_expression(text)


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            "dept < 3",
            "unknown name 'dept'; did you mean 'depth'? allowed: net, block, l, k, depth, parameters, args.*",
        ),
        ("recipe.lrr < 3", "unknown name 'recipe.lrr'; did you mean 'recipe.lr'?"),
        ("k.real > 0", "unknown name 'k.real'"),
        ("k.__class__ == 1", "unknown name 'k.__class__'"),
        ("__builtins__ == 1", "unknown name '__builtins__'"),
        ("1 / 0 < 1", "division by zero"),
        ("l % 0 < 1", "'l % 0 < 1'"),
        ("k < 'a'", "'<' not supported"),
        ("data.train_size < 5", "'<' not supported"),
        ("3 in 3", "'3 in 3'"),
        ("k in block", "'k in block'"),
        ("'a' * 1000000000 == 1", "arithmetic on 'a'; allowed: numbers"),
        ("block + 'x' == 1", "arithmetic on 'B(3,3)'"),
        ("recipe.milestones * 9 == 1", "arithmetic on (0.3, 0.6)"),
        ("-block == 1", "bad operand type"),
        ("k", "'k' is 2.0; allowed: something true or false"),
        ("block", "'block' is 'B(3,3)'; allowed"),
        ("(k, l)", "allowed: something true or false"),
        ("x" * (MAX_LENGTH + 1), "501 characters; allowed: at most 500"),
    ],
)
def test_errors(text: str, expected: str) -> None:
    found = error(text)
    assert found.startswith("where: ")
    assert expected in found


@pytest.mark.parametrize(
    "text",
    [
        "*".join("k" * 248) + "<1",
        "*".join("p" * 248) + "<1",
        "(" * 200 + "k" + ")" * 200,
        "a." * 249 + "a",
        "1" + "0" * 490 + "*.1<k",
    ],
    ids=["floats", "integers", "brackets", "dots", "digits"],
)
def test_longest_texts_end_soon(text: str) -> None:
    assert len(text) <= MAX_LENGTH
    start = time.perf_counter()
    with suppress(StudyError):
        compile_expression(text)({"k": 2.0, "p": 10**15})
    assert time.perf_counter() - start < 2


WORDS = """k l block recipe.lr recipe.milestones data.train_size 0 2 1e9 'a' True
( ) [ ] , . + - * / // % < <= == != in not and or is ** : = if lambda for"""
tokens = st.lists(st.sampled_from(WORDS.split()), max_size=12).map(" ".join)


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
@given(st.one_of(st.text(max_size=60), tokens))
@settings(deadline=None, max_examples=150)
def test_any_text_is_true_false_or_refused(text: str) -> None:
    try:
        assert isinstance(holds(text), bool)
    except StudyError as error:
        assert str(error).startswith("where: ")


@pytest.mark.parametrize("text", ["f(" + "-" * 490 + "1)", "(" + "-" * 490 + "1).a", "not " * 120 + "k > 1"])
def test_depth_is_bounded(text: str) -> None:
    with pytest.raises(StudyError, match="nested deeper"):
        compile_expression(text)
