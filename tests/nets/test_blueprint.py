from __future__ import annotations

import pytest
import torch

from ablate.nets import blueprint as bp
from ablate.nets.build import build
from ablate.nets.describe import describe_network
from ablate.nets.notation import Architecture, DepthRule, parse_architecture
from ablate.nets.wide_resnet import preactivation_block, wide_resnet


def counts(name: str, rule: DepthRule = "convolutions", classes: int = 10, shape: bp.Shape = (3, 32, 32)) -> bp.Counts:
    return bp.count(wide_resnet(parse_architecture(name, rule), classes, shape))


def table_1_parameters(n: int, k: int, block: tuple[int, ...]) -> int:
    """Table 1 added up convolution by convolution, for 10 classes and RGB images; whole k only."""
    total, before = 3 * 16 * 9, 16
    for base in (16, 32, 64):
        width = base * k
        for i in range(n):
            channels = before if i == 0 else width
            if i == 0 and (channels, base) != (width, 16):
                total += channels * width
            for kernel in block:
                total += 2 * channels + channels * width * kernel**2
                channels = width
        before = width
    return total + 2 * width + 10 * width + 10


@pytest.mark.parametrize(
    "name, parameters", [("WRN-40-1", 563_930), ("WRN-40-2", 2_243_546), ("WRN-40-4", 8_949_210), ("WRN-28-10", 36_479_194)]
)
def test_published_parameter_counts(name: str, parameters: int) -> None:
    assert counts(name).parameters == parameters


@pytest.mark.parametrize(
    "name, n, printed, parameters",
    [
        ("WRN-40-2-B(1,3,1)", 6, "1.4", 1_429_082),
        ("WRN-40-2-B(3,1)", 6, "1.2", 1_211_354),
        ("WRN-40-2-B(1,3)", 6, "1.3", 1_297_370),
        ("WRN-40-2-B(3,1,1)", 6, "1.3", 1_343_066),
        ("WRN-28-2-B(3,3)", 4, "1.5", 1_467_610),
        ("WRN-22-2-B(3,1,3)", 3, "1.1", 1_145_498),
    ],
)
def test_table_2(name: str, n: int, printed: str, parameters: int) -> None:
    architecture = parse_architecture(name, "nominal")
    assert n == architecture.N
    assert table_1_parameters(n, 2, architecture.block) == parameters
    assert counts(name, "nominal").parameters == parameters
    assert f"{parameters / 1e6:.1f}" == printed


@pytest.mark.parametrize("l, n", [(1, 12), (2, 6), (3, 4), (4, 3)])
def test_table_3(l: int, n: int) -> None:
    name = f"WRN-40-2-B({','.join('3' * l)})"
    assert n == parse_architecture(name).N
    assert counts(name).parameters == table_1_parameters(n, 2, (3,) * l) == 2_243_546


@pytest.mark.parametrize(
    "name, printed, parameters",
    [
        ("WRN-40-1", "0.6", 563_930),
        ("WRN-40-2", "2.2", 2_243_546),
        ("WRN-40-4", "8.9", 8_949_210),
        ("WRN-40-8", "35.7", 35_748_314),
        ("WRN-28-10", "36.5", 36_479_194),
        ("WRN-28-12", "52.5", 52_517_850),
        ("WRN-22-8", "17.2", 17_158_106),
        ("WRN-22-10", "26.8", 26_797_914),
        ("WRN-16-8", "11.0", 10_961_370),
        ("WRN-16-10", "17.1", 17_116_634),
    ],
)
def test_table_4(name: str, printed: str, parameters: int) -> None:
    architecture = parse_architecture(name)
    assert table_1_parameters(architecture.N, int(architecture.k), (3, 3)) == parameters
    assert counts(name).parameters == parameters
    assert f"{parameters / 1e6:.1f}" == printed


@pytest.mark.parametrize("name", ["WRN-16-4", "WRN-28-10-B(3,1,3)"])
def test_dropout_costs_nothing(name: str) -> None:
    assert counts(f"{name}-dropout0.3", "nominal") == counts(name, "nominal")


# WRN-10-1 on 1x8x8: conv1 and conv2 at 8x8, conv3 at 4x4, conv4 at 2x2; a 1x1 shortcut in conv3 and conv4 only.
HAND = {
    "conv1": bp.Counts(9 * 16, 9 * 16 * 64, 16 * 64, 1),
    "conv2": bp.Counts(2 * 2 * 16 + 2 * 9 * 16 * 16, 2 * 9 * 16 * 16 * 64, 2 * 16 * 64, 2),
    "conv3": bp.Counts(2 * 16 + 4608 + 2 * 32 + 9216 + 512, (4608 + 9216 + 512) * 16, 3 * 32 * 16, 3),
    "conv4": bp.Counts(2 * 32 + 18432 + 2 * 64 + 36864 + 2048, (18432 + 36864 + 2048) * 4, 3 * 64 * 4, 3),
    "head": bp.Counts(2 * 64 + 640 + 10, 640, 10, 1),
}


def test_counts_by_hand() -> None:
    sections = list(bp.count_sections(wide_resnet(Architecture(1, 1.0), 10, (1, 8, 8))))
    assert {name: found for name, found, _ in sections} == HAND
    assert [shape for _, _, shape in sections] == [(16, 8, 8), (16, 8, 8), (32, 4, 4), (64, 2, 2), (10, 1, 1)]


def test_totals_by_hand() -> None:
    assert counts("WRN-10-1", shape=(1, 8, 8)) == bp.Counts(77_562, 763_520, 5_386, 10)


def test_more_classes_cost_only_in_the_linear_layer() -> None:
    ten, hundred = counts("WRN-10-1", shape=(1, 8, 8)), counts("WRN-10-1", classes=100, shape=(1, 8, 8))
    assert hundred == bp.Counts(ten.parameters + 90 * 65, ten.multiply_adds + 90 * 64, ten.activations + 90, ten.layers)


def test_image_size_changes_no_parameter() -> None:
    small, large = counts("WRN-16-1", shape=(3, 8, 8)), counts("WRN-16-1")
    assert small.parameters == large.parameters
    assert large.multiply_adds - 640 == 16 * (small.multiply_adds - 640)


def test_widening_the_first_group_adds_its_shortcut() -> None:
    assert counts("WRN-10-2").layers == counts("WRN-10-1").layers + 1


@pytest.mark.parametrize(
    "k, widths", [(0.0625, (1, 2, 4)), (0.1, (2, 3, 6)), (0.5, (8, 16, 32)), (1.28125, (21, 41, 82)), (2.0, (32, 64, 128))]
)
def test_fractional_widening_rounds_each_width(k: float, widths: tuple[int, ...]) -> None:
    shapes = [shape for _, _, shape in bp.count_sections(wide_resnet(Architecture(1, k)))]
    assert tuple(shape[0] for shape in shapes[1:4]) == widths


@pytest.mark.parametrize("block, dropouts", [((3,), 0), ((3, 3), 1), ((3, 1, 3), 2)])
def test_dropout_stands_between_convolutions(block: tuple[int, ...], dropouts: int) -> None:
    branch = preactivation_block(16, 16, 1, block, 0.3).branch
    places = [i for i, layer in enumerate(branch) if isinstance(layer, bp.Dropout)]
    assert len(places) == dropouts
    assert all(isinstance(branch[i - 1], bp.ReLU) and isinstance(branch[i + 1], bp.Conv) for i in places)
    assert all(branch[i] == bp.Dropout(0.3) for i in places)


@pytest.mark.parametrize(
    "channels, stride, projected", [((16, 16), 1, False), ((16, 32), 1, True), ((16, 16), 2, True), ((32, 64), 2, True)]
)
def test_shortcut_is_a_projection_where_the_shape_changes(channels: tuple[int, int], stride: int, projected: bool) -> None:
    block = preactivation_block(*channels, stride, (1, 3), 0.0)
    assert block.shortcut == ((bp.Conv(*channels, 1, stride),) if projected else ())
    assert block.shared == ((bp.BatchNorm(channels[0]), bp.ReLU()) if projected else ())
    assert [layer for layer in block.branch if isinstance(layer, bp.Conv)] == [
        bp.Conv(*channels, 1, stride),
        bp.Conv(channels[1], channels[1], 3),
    ]


BUILT = [
    ("WRN-10-1", 10, (3, 32, 32)),
    ("WRN-16-0.5-B(3,1)-dropout0.3", 10, (1, 8, 8)),
    ("WRN-13-0.25-B(1,5,1)", 7, (3, 9, 13)),
    ("WRN-10-1.3-B(7)", 100, (1, 7, 7)),
    ("WRN-7-0.0625-B(15)", 2, (3, 5, 4)),
    ("WRN-16-0.3-B(3,1,3,1)-dropout0.5", 3, (3, 17, 17)),
]


@pytest.mark.parametrize("name, classes, shape", BUILT)
def test_counts_are_those_of_the_built_network(name: str, classes: int, shape: bp.Shape) -> None:
    blueprint = wide_resnet(parse_architecture(name), classes, shape)
    network = build(blueprint).eval()
    assert bp.count(blueprint).parameters == sum(p.numel() for p in network.parameters())
    activations: list[int] = []
    for module in network.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.register_forward_hook(lambda module, inputs, output: activations.append(output.numel()))
    x = torch.zeros(1, *shape)
    with torch.no_grad():
        for (section, module), (expected, found, out) in zip(
            network.named_children(), bp.count_sections(blueprint), strict=True
        ):
            x = module(x)
            assert section == expected
            assert x.numel() == out[0] * out[1] * out[2]
            assert tuple(x.shape) == ((1, classes) if section == "head" else (1, *out))
            assert found.parameters == sum(p.numel() for p in module.parameters())
    assert bp.count(blueprint).activations == sum(activations)
    assert bp.count(blueprint).layers == len(activations)


@pytest.mark.parametrize("name, classes, shape", BUILT[:4])
def test_multiply_adds_are_those_of_the_built_network(name: str, classes: int, shape: bp.Shape) -> None:
    blueprint = wide_resnet(parse_architecture(name), classes, shape)
    network = build(blueprint).eval()
    products: list[int] = []

    def add(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
        weight = module.get_parameter("weight")
        products.append(output.numel() * weight[0].numel())

    for module in network.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.register_forward_hook(add)
    with torch.no_grad():
        network(torch.zeros(1, *shape))
    assert bp.count(blueprint).multiply_adds == sum(products)


def test_description_adds_up() -> None:
    described = describe_network(parse_architecture("WRN-40-2-B(1,3,1)", "nominal"), "nominal", 10, (3, 32, 32))
    assert described["net"] == "WRN-40-2-B(1,3,1)"
    assert (described["depth"], described["nominal_depth"], described["blocks_per_group"], described["l"]) == (58, 40, 6, 3)
    assert described["parameters"] == 1_429_082
    for key in bp.Counts._fields:
        assert described[key] == sum(section[key] for section in described["sections"])
