"""Every reader on bytes at random, on valid files with a few bytes changed, and on trees of a study's own keys."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hostile.targets import NAMES, TARGETS, Target
from hostile.watch import Hostile, attempt, check_message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ablate.errors import AblateError
from ablate.nets.notation import format_architecture, parse_architecture
from ablate.study.expression import compile_expression
from ablate.study.schema import StudyFile

few = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
READERS = list(TARGETS)


@st.composite
def damaged(draw: st.DrawFn, target: Target) -> bytes:
    """A valid input with up to four changes: bytes flipped, taken out, put in, or there twice."""
    data = bytearray(draw(st.sampled_from(target.seeds())))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(1, 40)))
        match draw(st.sampled_from(("flip", "cut", "insert", "repeat", "end"))):
            case "flip" if start < len(data):
                data[start] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[start:end]
            case "insert":
                data[start:start] = draw(
                    st.binary(max_size=8) | st.sampled_from((b"\x00", b"\x1b[31m", b"9" * 400, b"[" * 50))
                )
            case "repeat":
                data[start:start] = data[start:end] * draw(st.integers(1, 30))
            case "end":
                del data[start:]
    return bytes(data)


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(tempfile.mkdtemp())


@pytest.mark.parametrize("name", READERS)
def test_whatever_the_bytes_are_there_is_a_value_or_one_line(name: str, folder: Path) -> None:
    target = TARGETS[name]

    @few
    @given(st.binary(max_size=300) | damaged(target) | damaged(target))
    def holds(data: bytes) -> None:
        attempt(target.read, data, folder)

    holds()


@pytest.mark.parametrize("name", READERS)
def test_the_inputs_to_begin_from_are_read(name: str, folder: Path) -> None:
    """Otherwise what is tested above would be no more than the first check of each reader."""
    said = [attempt(TARGETS[name].read, seed, folder) for seed in TARGETS[name].seeds()]
    assert "" in said, said


def test_what_is_watched_for_is_seen(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))  # wherever the checkout is, this is outside
    outside = tmp_path / "written-by-a-test"

    def taking(folder: Path, data: bytes) -> None:
        assert bytearray(b"x") * (600 << 20)

    with pytest.raises(Hostile, match="written-by-a-test"):
        attempt(lambda folder, data: outside.open("ab").close(), b"", folder)
    outside.unlink()
    with pytest.raises(Hostile, match="MB of memory"):
        attempt(taking, b"", folder)
    with pytest.raises(Hostile, match="socket"):
        attempt(lambda folder, data: __import__("socket").getaddrinfo("localhost", 1), b"", folder)
    with pytest.raises(ZeroDivisionError):
        attempt(lambda folder, data: 1 / 0, b"", folder)


KEYS = (*StudyFile.model_fields, "net", "grid", "zip", "depth", "k", "block", "base", "name", "from", "parameters", "rows")
VALUES = ("cifar10", "wrn_cifar", "WRN-16-2", "B(3,1)", "<b>", "=1", "\x1b[0m", "\u202e", "a" * 300, 10**20, 1e300, -1, 2)
leaves = (
    st.sampled_from(VALUES) | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6)
)
trees = st.recursive(
    leaves, lambda t: st.lists(t, max_size=3) | st.dictionaries(st.sampled_from(KEYS), t, max_size=4), max_leaves=12
)


@settings(few, max_examples=150)
@given(st.dictionaries(st.sampled_from(KEYS), trees, max_size=8))
def test_any_tree_of_a_studys_keys_is_a_study_or_one_line(folder: Path, tree: dict[str, Any]) -> None:
    whole = {"name": "x", "data": "cifar10", "recipe": "wrn_cifar", "seeds": 1, "variants": [{"net": "WRN-16-2"}], **tree}
    attempt(TARGETS["study"].read, json.dumps(whole).encode(), folder)


atoms = st.sampled_from(
    (*NAMES, "1", "0", "-3.5", "1e308", "9" * 60, "'B(3,3)'", "True", "(1, 2)", "[]", "x", "k.real", "().a")
)
expressions = st.recursive(
    atoms,
    lambda inner: (
        st.tuples(inner, st.sampled_from(("+", "*", "//", "%", "**", "<", "in", "and", "is", ",")), inner).map(" ".join)
        | inner.map("not ({})".format)
        | inner.map("-({})".format)
        | inner.map("f({})".format)
        | inner.map("[y for y in {}]".format)
    ),
    max_leaves=8,
)


@settings(few, max_examples=200)
@given(expressions)
def test_an_expression_is_true_or_false_or_one_line(text: str) -> None:
    try:
        assert isinstance(compile_expression(text)(NAMES), bool)
    except AblateError as error:
        check_message(str(error))


WORDS = (
    "WRN",
    "ResNet",
    "pre-ResNet",
    "ResNeXt",
    "NIN",
    "VGG",
    "ImageNet-",
    "B(3,1)",
    "28",
    "-1",
    "999999",
    "8x64d",
    "w2",
    "0.3",
)
names = st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=6).map("-".join)


@settings(few, max_examples=200)
@given(names, st.sampled_from(("convolutions", "nominal")), st.booleans())
def test_a_name_is_a_network_or_one_line(name: str, rule: Any, imagenet: bool) -> None:
    try:
        architecture = parse_architecture(name, rule, imagenet=imagenet)
    except AblateError as error:
        check_message(str(error))
    else:
        assert parse_architecture(format_architecture(architecture, rule), rule) == architecture
