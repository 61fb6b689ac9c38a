from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.errors import NotationError
from ablate.nets.architecture import MAX_K, MAX_N, Architecture, DepthRule, format_block
from ablate.nets.families import find_family
from ablate.nets.notation import depth_of, format_architecture, parse_architecture
from ablate.nets.options import parse_block

EXAMPLES: list[tuple[str, DepthRule, Architecture]] = [
    ("WRN-40-2", "convolutions", Architecture(6, 2.0)),
    ("WRN-28-10", "convolutions", Architecture(4, 10.0)),
    ("WRN-40-2-B(3)", "convolutions", Architecture(12, 2.0, (3,))),
    ("WRN-40-2-B(3,3,3)", "convolutions", Architecture(4, 2.0, (3, 3, 3))),
    ("WRN-40-2-B(1,3,1)", "convolutions", Architecture(4, 2.0, (1, 3, 1))),
    ("WRN-40-2-B(1,3,1)", "nominal", Architecture(6, 2.0, (1, 3, 1))),
    ("WRN-22-2-B(3,1,3)", "nominal", Architecture(3, 2.0, (3, 1, 3))),
    ("WRN-10-0.25-dropout0.3", "convolutions", Architecture(1, 0.25, dropout=0.3)),
    ("WRN-16-1.5-B(5,1)-dropout0.05", "convolutions", Architecture(2, 1.5, (5, 1), 0.05)),
]

rules = st.sampled_from(["convolutions", "nominal"])
widenings = st.one_of(
    st.integers(1, 16 * int(MAX_K)).map(lambda n: n / 16),
    st.integers(1, 10 * int(MAX_K)).map(lambda n: n / 10),
    st.integers(62_500, 10**6 * int(MAX_K)).map(lambda n: n / 10**6),
)
architectures = st.builds(
    Architecture,
    N=st.integers(1, MAX_N),
    k=widenings,
    block=st.lists(st.integers(0, 7).map(lambda n: 2 * n + 1), min_size=1, max_size=16).map(tuple),
    dropout=st.integers(0, 99).map(lambda n: n / 100),
)
name_like = st.lists(
    st.sampled_from(["WRN", "-", "40", "2", ".5", "B(", "3", ",", "1", ")", "dropout", "0.3", " ", "\n", "x", "999999"]),
    max_size=14,
).map("".join)


@pytest.mark.parametrize("name, rule, architecture", EXAMPLES)
def test_names_read_and_write(name: str, rule: DepthRule, architecture: Architecture) -> None:
    assert parse_architecture(name, rule) == architecture
    assert format_architecture(architecture, rule) == name


def test_basic_block_is_written_only_when_asked() -> None:
    assert parse_architecture("WRN-40-2-B(3,3)") == parse_architecture("WRN-40-2") == Architecture(6, 2.0)
    assert format_architecture(Architecture(6, 2.0), show_block=True) == "WRN-40-2-B(3,3)"


@pytest.mark.parametrize(
    "name", [" WRN-16-1-B(3,1) ", "WRN-16-1-B( 3 , 1 )", "WRN-16-1.0-B(3,1)-dropout0", "WRN-016-01-B(3,1)"]
)
def test_other_spellings_of_one_network(name: str) -> None:
    assert parse_architecture(name) == Architecture(2, 1.0, (3, 1))


@pytest.mark.parametrize(
    "block, n, convolutions, nominal",
    [((3, 3), 6, 40, 40), ((3,), 12, 40, 76), ((1, 3, 1), 6, 58, 40), ((3, 3, 3, 3), 3, 40, 22)],
)
def test_depth_conventions(block: tuple[int, ...], n: int, convolutions: int, nominal: int) -> None:
    architecture = Architecture(n, 2.0, block)
    assert depth_of(architecture, "convolutions") == convolutions
    assert depth_of(architecture, "nominal") == nominal
    assert find_family("WRN").blocks(convolutions, block, "convolutions") == n
    assert find_family("WRN").blocks(nominal, block, "nominal") == n


def test_deepening_factor() -> None:
    assert Architecture(1, 1.0, (1, 3, 1)).l == 3


@given(architectures, rules, st.booleans())
@settings(deadline=None)
def test_round_trip(architecture: Architecture, rule: DepthRule, show_block: bool) -> None:
    assert parse_architecture(format_architecture(architecture, rule, show_block), rule) == architecture


@given(st.one_of(st.text(max_size=40), name_like, st.text(max_size=20).map("WRN-40-2".__add__)), rules)
@settings(deadline=None)
def test_any_text_parses_or_is_refused(text: str, rule: DepthRule) -> None:
    try:
        architecture = parse_architecture(text, rule)
    except NotationError as error:
        assert str(error)
    else:
        assert parse_architecture(format_architecture(architecture, rule), rule) == architecture


@pytest.mark.parametrize(
    "name, read, stopped",
    [
        ("WRN-40-2-B(1,3,1)x", "WRN-40-2-B(1,3,1)", "x"),
        ("WRN-40-2-B()", "WRN-40-2", "-B()"),
        ("WRN-40-2-B(3,)", "WRN-40-2", "-B(3,)"),
        ("WRN-40-2-B(3,3", "WRN-40-2", "-B(3,3"),
        ("WRN-40-2-B(3,1)-dropout0.3-x", "WRN-40-2-B(3,1)-dropout0.3", "-x"),
        ("WRN-40-2-dropout0.3-dropout0.4", "WRN-40-2-dropout0.3", "-dropout0.4"),
        ("WRN-40-2-elu-relu", "WRN-40-2-elu", "-relu"),
        ("WRN-40-2-bottleneck", "WRN-40-2", "-bottleneck"),
        ("WRN-40-2-w3", "WRN-40-2", "-w3"),
        ("ResNet-50-w2", "ResNet-50", "-w2"),
        ("NIN-dropout0.3", "NIN", "-dropout0.3"),
        ("ResNeXt-29-8x64d-w2", "ResNeXt-29-8x64d", "-w2"),
        ("ResNeXt-29", "ResNeXt", "-29"),
    ],
)
def test_malformed_name_says_where_reading_stopped(name: str, read: str, stopped: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse_architecture(name)
    assert str(caught.value).startswith(f"network '{name}': read '{read}', stopped at '{stopped}'")


@pytest.mark.parametrize("name", ["", "WRN--2", "WRN-40-k", "WRN-4e1-2", "WRN-40", "AlexNet"])
def test_unreadable_name_says_the_form(name: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse_architecture(name)
    assert str(caught.value).startswith(f"network '{name}'")
    assert "allowed: " in str(caught.value) and "WRN-<depth>-<k>" in str(caught.value)


@pytest.mark.parametrize(
    "name, meant",
    [
        ("wrn-40-2", "'WRN-40-2'"),
        ("WRM-40-2", "'WRN-40-2'"),
        ("resnet-20", "'ResNet-20'"),
        ("WRN-40-2-dropot0.3", "'-dropout<rate>'"),
        ("ResNet-20-shortcutb", "'-shortcutB'"),
        ("preResNet-110", "'pre-ResNet-110'"),
    ],
)
def test_the_nearest_is_offered(name: str, meant: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse_architecture(name)
    assert f"did you mean {meant}" in str(caught.value)


@pytest.mark.parametrize("name", ["wrn-50-2", "DenseNet-40", "resnet-19", "prerestnet-21"])
def test_what_is_offered_exists(name: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse_architecture(name)
    _, _, hint = str(caught.value).partition("did you mean ")
    for offered in filter(None, hint.partition("?")[0].split(" or ")):
        parse_architecture(offered.strip("'"))


@pytest.mark.parametrize("name", ["WRN-40-2\nx", "a\nb", "WRN-40-2-x\r\ny", "WRN-40-2\x1b[31m", "\u2028x"])
def test_errors_are_one_printable_line(name: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse_architecture(name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["WRN-40-2" + "x" * 100_000, "y" * 100_000, "ResNet-" + "9" * 100_000])
def test_long_name_is_clipped(name: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse_architecture(name)
    assert len(str(caught.value)) < 900


@pytest.mark.parametrize(
    "name, rule, expected",
    [
        ("WRN-41-2", "convolutions", "depth 41 with B(3,3): depth = 6 N + 4 has no whole N >= 1; nearest: 40 and 46"),
        ("WRN-4-2", "convolutions", "nearest: 10"),
        ("WRN-28-2-B(3,3,3)", "convolutions", "nearest: 22 and 31 (or"),
        ("WRN-28-2-B(3,3,3)", "convolutions", "nominal"),
        ("WRN-45-2-B(3,3,3)", "nominal", "6 N + 4 has no whole N >= 1; nearest: 40 and 46"),
        ("WRN-12010-2", "convolutions", "N = 2001 blocks per group; allowed: 1 to 2000"),
        ("ResNet-51", "convolutions", "depth 51 with basic: depth = 6 N + 2 has no whole N >= 1; nearest: 50 and 56"),
        ("pre-ResNet-165", "convolutions", "nearest: 164 and 173"),
        ("ResNeXt-30-8x64d", "convolutions", "nearest: 29 and 38"),
        ("WRN-50-2", "convolutions", "nearest: 46 and 52; for ImageNet: WRN-50-2-bottleneck"),
        ("ImageNet-ResNet-20", "convolutions", "ResNet-<18|34|50|101|152>"),
        ("WRN-40-2-dropout1", "convolutions", "dropout rate 1; allowed: 0 to below 1"),
        ("WRN-40-2-survival0", "convolutions", "survival 0; allowed: above 0 to 1"),
        ("ResNeXt-29-0x64d", "convolutions", "cardinality 0; allowed: 1 to 1024"),
        ("ResNeXt-29-1x0d", "convolutions", "base_width 0; allowed: 1 to 4096"),
        ("WRN-40-0", "convolutions", "widening factor k = 0; allowed: 0.0625 to 64"),
        ("WRN-40-64.5", "convolutions", "widening factor k = 64.5"),
        ("WRN-16-2-B(3,2)", "convolutions", "kernel size 2 in B(3,2); allowed: odd, 1 to 15"),
        ("WRN-16-2-B(3,17)", "convolutions", "kernel size 17 in B(3,17)"),
        ("WRN-55-2-B(" + "1," * 16 + "1)", "convolutions", "a block of 17 convolutions; allowed: 1 to 16"),
    ],
)
def test_impossible_networks(name: str, rule: DepthRule, expected: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse_architecture(name, rule)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"N": 0},
        {"k": float("nan")},
        {"k": float("inf")},
        {"block": ()},
        {"block": (-1,)},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"dropout": 1e-7},
        {"survival": 0.0},
        {"survival": 1.1},
        {"survival": float("nan")},
        {"cardinality": 1025},
        {"base_width": 0},
    ],
)
def test_architecture_refuses_bad_values(fields: dict) -> None:
    with pytest.raises(NotationError):
        Architecture(**{"N": 1, "k": 1.0, **fields})


@pytest.mark.parametrize("text, block", [("B(3,1,3)", (3, 1, 3)), (" B(5) ", (5,)), ("B( 3 , 1 )", (3, 1))])
def test_blocks_read(text: str, block: tuple[int, ...]) -> None:
    assert parse_block(text) == block


@pytest.mark.parametrize("text", ["", "3,3", "B()", "B(3 3)", "B(3,3", "B(3,3)x", "B(-1)", "b(3)"])
def test_malformed_blocks(text: str) -> None:
    with pytest.raises(NotationError, match="allowed: B"):
        parse_block(text)


def test_block_is_written_without_spaces() -> None:
    assert format_block((3, 1, 3)) == "B(3,1,3)"
