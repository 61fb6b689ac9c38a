"""Names of every family and every option, both ways; names that two families share; what identifies a network."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.errors import NotationError
from ablate.nets.architecture import CHOICES, MAX_BASE_WIDTH, MAX_CARDINALITY, MAX_N, Architecture, DepthRule
from ablate.nets.families import BUILT_IN, find_family
from ablate.nets.family import Family
from ablate.nets.notation import format_architecture, make_architecture, parse_architecture, read_name

RULES: tuple[DepthRule, ...] = ("convolutions", "nominal")
MILLIONTHS = 10**6
NUMBERS = {
    "k": st.one_of(
        st.sampled_from([0.25, 1.0, 1.5, 2.0, 10.0]), st.integers(62_500, 64 * MILLIONTHS).map(lambda n: n / 10**6)
    ),
    "dropout": st.one_of(st.just(0.0), st.integers(0, MILLIONTHS - 1).map(lambda n: n / 10**6)),
    "survival": st.one_of(st.just(1.0), st.integers(1, MILLIONTHS).map(lambda n: n / 10**6)),
    "cardinality": st.integers(1, MAX_CARDINALITY),
    "base_width": st.integers(1, MAX_BASE_WIDTH),
}
KERNELS = st.lists(st.sampled_from(range(1, 16, 2)), min_size=1, max_size=16).map(tuple)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    """A network of any built-in family, each of its axes anything that is allowed."""
    family = draw(st.sampled_from(BUILT_IN))
    parts: dict[str, Any] = {"family": family.key}
    if family.table:
        parts["depth"] = draw(st.sampled_from(sorted(family.table)))
    elif family.groups:
        parts["N"] = draw(st.integers(1, MAX_N))
    for axis in family.axes:
        if axis == "block":
            parts[axis] = draw(KERNELS if "l" in family.axes else st.sampled_from(["basic", "bottleneck"]))
        elif axis in CHOICES:
            parts[axis] = draw(st.sampled_from(CHOICES[axis]))
        elif axis != "l":
            parts[axis] = draw(NUMBERS[axis])
    return make_architecture(parts)


@given(architectures(), st.sampled_from(RULES), st.booleans())
@settings(deadline=None, max_examples=150)
def test_round_trip(architecture: Architecture, rule: DepthRule, show_block: bool) -> None:
    name = format_architecture(architecture, rule, show_block)
    assert parse_architecture(name, rule) == architecture
    assert parse_architecture(name, rule, architecture.family) == architecture


@pytest.mark.parametrize("family, depth", [(family, depth) for family in BUILT_IN for depth in family.table])
def test_every_depth_of_a_table_has_a_name(family: Family, depth: int) -> None:
    for widths in ({"k": 1.0}, {"k": 1.5}) if "k" in family.axes else ({"cardinality": 32, "base_width": 4},):
        architecture = make_architecture({"family": family.key, "depth": depth, **widths})
        assert parse_architecture(format_architecture(architecture)) == architecture


@given(architectures(), st.sampled_from(RULES), st.data())
@settings(deadline=None, max_examples=150)
def test_mutated_names_parse_or_are_refused(architecture: Architecture, rule: DepthRule, data: st.DataObject) -> None:
    name = format_architecture(architecture, rule)
    i, j = (data.draw(st.integers(0, len(name))) for _ in range(2))
    text = name[:i] + data.draw(st.text("-.()WRNsBxdp0129 \n", max_size=3)) + name[j:]
    for imagenet in (False, True):
        try:
            found = parse_architecture(text, rule, imagenet=imagenet)
        except NotationError as error:
            assert str(error)
        else:
            assert parse_architecture(format_architecture(found, rule), rule) == found


@given(st.text(max_size=40), st.sampled_from([None, "WRN", "ResNet", "ImageNet-ResNet"]), st.booleans())
@settings(deadline=None, max_examples=50)
def test_any_text_parses_or_is_refused(text: str, family: str | None, imagenet: bool) -> None:
    try:
        read_name(text, family, imagenet)
    except NotationError as error:
        assert str(error)


@pytest.mark.parametrize("family", BUILT_IN, ids=lambda family: family.key)
def test_examples_are_of_their_family(family: Family) -> None:
    for example in family.examples:
        architecture = parse_architecture(example)
        assert architecture.family == family.key
        assert format_architecture(architecture) == example


@pytest.mark.parametrize(
    "name, family, on_imagenet",
    [
        ("WRN-34-2", "WRN", "ImageNet-ResNet"),
        ("WRN-28-10", "WRN", "WRN"),
        ("WRN-34-2-B(3,1)", "WRN", "WRN"),
        ("WRN-50-2-bottleneck", "ImageNet-ResNet", "ImageNet-ResNet"),
        ("ResNet-34-w2", "ImageNet-ResNet", "ImageNet-ResNet"),
        *[(f"ResNet-{depth}", "ImageNet-ResNet", "ImageNet-ResNet") for depth in (18, 34, 50, 101, 152)],
        *[(f"ResNet-{depth}", "ResNet", "ResNet") for depth in (20, 32, 44, 56, 110, 1202)],
        ("ResNet-200", "ResNet", "ImageNet-ResNet"),
        ("pre-ResNet-110", "pre-ResNet", "pre-ResNet"),
        ("pre-ResNet-50", "pre-ResNet", "ImageNet-pre-ResNet"),
        ("pre-ResNet-200", "ImageNet-pre-ResNet", "ImageNet-pre-ResNet"),
        ("ResNeXt-29-8x64d", "ResNeXt", "ResNeXt"),
        ("ResNeXt-50-32x4d", "ImageNet-ResNeXt", "ImageNet-ResNeXt"),
        ("ResNeXt-101-64x4d", "ImageNet-ResNeXt", "ImageNet-ResNeXt"),
    ],
)
def test_names_that_families_share(name: str, family: str, on_imagenet: str) -> None:
    assert parse_architecture(name).family == family
    assert parse_architecture(name, imagenet=True).family == on_imagenet


@pytest.mark.parametrize(
    "name, family, expected",
    [
        ("ResNet-50", "ResNet", Architecture(8, 1.0, "basic", family="ResNet", shortcut="A", activation_order="post")),
        ("WRN-34-2", "ImageNet-ResNet", parse_architecture("ResNet-34-w2")),
        ("WRN-50-2", "ImageNet-ResNet", parse_architecture("WRN-50-2-bottleneck")),
        ("pre-ResNet-200", "pre-ResNet", Architecture(22, 1.0, "bottleneck", family="pre-ResNet")),
        ("ResNeXt-101-64x4d", "ResNeXt", parse_architecture("CIFAR-ResNeXt-101-64x4d")),
    ],
)
def test_a_family_asked_for_wins(name: str, family: str, expected: Architecture) -> None:
    assert parse_architecture(name, family=family) == parse_architecture(name, family=family, imagenet=True) == expected


@pytest.mark.parametrize(
    "name, family",
    [
        ("CIFAR-ResNet-50", "ResNet"),
        ("CIFAR-ResNet-152", "ResNet"),
        ("CIFAR-pre-ResNet-200", "pre-ResNet"),
        ("CIFAR-ResNeXt-101-32x4d", "ResNeXt"),
        ("ImageNet-ResNet-200", "ImageNet-ResNet"),
        ("ImageNet-pre-ResNet-50", "ImageNet-pre-ResNet"),
    ],
)
def test_prefixes(name: str, family: str) -> None:
    architecture = parse_architecture(name)
    assert architecture.family == family
    assert format_architecture(architecture) == name
    assert parse_architecture(name, imagenet=True) == architecture


def test_superfluous_prefixes_are_read() -> None:
    assert parse_architecture("CIFAR-WRN-40-2") == parse_architecture("WRN-40-2")
    assert parse_architecture("ImageNet-ResNet-50") == parse_architecture("ResNet-50")
    assert parse_architecture("ImageNet-WRN-34-2") == parse_architecture("ResNet-34-w2")


@pytest.mark.parametrize("name, family", [("WRN-40-2", "ResNet"), ("ResNet-20", "ImageNet-ResNet"), ("NIN", "VGG")])
def test_a_name_of_another_family_is_refused(name: str, family: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse_architecture(name, family=family)
    assert find_family(family).form in str(caught.value)


@pytest.mark.parametrize("depth, block", [(20, "basic"), (110, "basic"), (29, "bottleneck"), (164, "bottleneck")])
def test_blocks_of_preactivation_resnets(depth: int, block: str) -> None:
    assert parse_architecture(f"pre-ResNet-{depth}").block == block


@pytest.mark.parametrize(
    "parts, said",
    [
        ({"family": "NIN", "dropout": 0.3}, "dropout: found 0.3; NIN has norm, activation, pool"),
        ({"family": "ImageNet-ResNet", "N": 3}, "N: found 3; ImageNet-ResNet has depth"),
        ({"family": "ResNet", "depth": 20, "block": (3, 3)}, "ResNet has basic or bottleneck"),
        ({"family": "WRN", "depth": 16, "block": "basic"}, "block: found basic; WRN has B(3,3) and the like"),
        ({"family": "WRN"}, "depth (or N) is open"),
        ({"family": "ImageNet-ResNet", "depth": 20}, "depth 20: ImageNet-ResNet has 18, 34, 50, 101, 152, 200"),
        ({"family": "Resnet", "depth": 20}, "family 'Resnet'"),
    ],
)
def test_axes_that_do_not_fit(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(NotationError) as caught:
        make_architecture(parts)
    assert said in str(caught.value)


def test_what_identifies_a_network() -> None:
    """The first five always, so that trials of old keep their ids; the others where they differ from the default."""
    expected = {"N": 4, "k": 10.0, "block": (3, 3), "dropout": 0.0, "family": "WRN"}
    assert Architecture(4, 10.0).identity() == expected
    assert list(Architecture(4, 10.0).identity()) == list(expected)
    assert Architecture(4, 10.0, norm="group", survival=0.5).identity() == {**expected, "norm": "group", "survival": 0.5}
    blocks = {"N": 3, "k": 1.0, "block": "basic", "dropout": 0.0, "family": "ResNet"}
    assert parse_architecture("ResNet-20").identity() == {**blocks, "shortcut": "A", "activation_order": "post"}


@given(architectures(), architectures())
@settings(deadline=None, max_examples=50)
def test_identities_tell_networks_apart(one: Architecture, other: Architecture) -> None:
    assert (one == other) == (one.identity() == other.identity())
