"""Published parameter counts and complexities, and the same derived a second time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torchvision

from ablate.nets import blueprint as bp
from ablate.nets.counts import Counts, count
from ablate.nets.families import blueprint
from ablate.nets.notation import DepthRule, parse_architecture

COLOUR = (3, 32, 32)
PHOTOGRAPH = (3, 224, 224)


def counts(name: str, rule: DepthRule = "convolutions", classes: int = 10, shape: bp.Shape = COLOUR) -> Counts:
    return count(blueprint(parse_architecture(name, rule), classes, shape))


def imagenet(name: str) -> Counts:
    return counts(name, classes=1000, shape=PHOTOGRAPH)


def millions(number: int) -> str:
    return f"{number / 1e6:.1f}"


def normalizations(layers: tuple[bp.Layer, ...]) -> Iterator[bp.BatchNorm]:
    for layer in layers:
        if isinstance(layer, bp.BatchNorm):
            yield layer
        elif isinstance(layer, bp.Repeat):
            yield from list(normalizations((layer.layer,))) * layer.times
        elif isinstance(layer, bp.Residual):
            yield from normalizations((*layer.shared, *layer.branch, *layer.shortcut, *layer.after))


# Wide residual networks


def table_1_parameters(n: int, k: int, block: tuple[int, ...]) -> int:
    """WRN, table 1 added up convolution by convolution, for 10 classes and RGB images; whole k only."""
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
    assert millions(parameters) == printed


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
    assert millions(parameters) == printed


@pytest.mark.parametrize("name", ["WRN-16-4", "WRN-28-10-B(3,1,3)"])
def test_dropout_and_stochastic_depth_cost_no_parameters(name: str) -> None:
    plain = counts(name, "nominal")[:4]
    assert counts(f"{name}-dropout0.3", "nominal")[:4] == plain
    assert counts(f"{name}-survival0.5", "nominal")[:4] == plain


# Their neighbours on CIFAR


def original_parameters(n: int) -> int:
    """He et al. 2015, section 4.2: two 3x3 convolutions with batch norm a block, shortcuts without parameters."""
    total, before = 3 * 16 * 9 + 2 * 16, 16
    for width in (16, 32, 64):
        total += 9 * before * width + (2 * n - 1) * 9 * width**2 + 2 * n * 2 * width
        before = width
    return total + 64 * 10 + 10


def bottleneck_parameters(n: int) -> int:
    """He et al. 2016: 1x1, 3x3, 1x1 with batch norm before each, and the final batch norm."""
    total, before = 3 * 16 * 9, 16
    for width in (16, 32, 64):
        for channels in [before] + [4 * width] * (n - 1):
            total += 2 * (channels + width + width) + channels * width + 9 * width**2 + 4 * width**2
        total += before * 4 * width  # the shortcut
        before = 4 * width
    return total + 2 * 256 + 256 * 10 + 10


@pytest.mark.parametrize(
    "name, n, printed",
    [("ResNet-20", 3, "0.3"), ("ResNet-56", 9, "0.9"), ("ResNet-110", 18, "1.7"), ("ResNet-1202", 200, "19.4")],
)
def test_original_resnets(name: str, n: int, printed: str) -> None:
    """He et al. 2015, table 6. WRN, table 5 prints 10.2M for depth 1202, which is pre-ResNet-1001's."""
    assert counts(name).parameters == original_parameters(n)
    assert millions(original_parameters(n)) == printed


def test_resnet_1202() -> None:
    assert counts("ResNet-1202").parameters == 19_421_274


@pytest.mark.parametrize("name, n", [("pre-ResNet-164", 18), ("pre-ResNet-1001", 111)])
def test_preactivation_bottlenecks(name: str, n: int) -> None:
    assert counts(name).parameters == bottleneck_parameters(n)


@pytest.mark.parametrize(
    "name, printed", [("pre-ResNet-110", "1.7"), ("pre-ResNet-164", "1.7"), ("pre-ResNet-1001", "10.2")]
)
def test_table_5_counts_weights_without_batch_norm(name: str, printed: str) -> None:
    """With batch norm's, pre-ResNet-1001 has 10.3M; 10.2M are printed. At the other depths both round to the same."""
    network = blueprint(parse_architecture(name))
    norms = sum(2 * layer.channels for section in network.sections for layer in normalizations(section.layers))
    assert millions(count(network).parameters - norms) == printed


@pytest.mark.parametrize(
    "name, parameters", [("NIN", 1_007_242), ("VGG", 20_035_018), ("pre-ResNet-164", 1_703_258), ("WRN-40-4", 8_949_210)]
)
def test_the_authors_logs(name: str, parameters: int) -> None:
    assert counts(name).parameters == parameters


def test_vgg_by_hand() -> None:
    widths = [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    weights = sum(9 * a * b for a, b in zip([3, *widths], widths))
    assert counts("VGG").parameters == weights + 2 * sum(widths) + 512 * 10 + 10


def test_resnext_29() -> None:
    """Xie et al. 2017, table 7: 34.4M and 68.1M; the second is cut off, not rounded."""
    assert millions(counts("ResNeXt-29-8x64d").parameters) == "34.4"
    assert int(counts("ResNeXt-29-16x64d").parameters / 1e5) == 681


# ImageNet


@pytest.mark.parametrize(
    "name, printed",
    [
        ("ResNet-18", "11.7"),
        ("ResNet-18-w1.5", "25.9"),
        ("ResNet-18-w2", "45.6"),
        ("ResNet-18-w3", "101.8"),
        ("ResNet-34", "21.8"),
        ("ResNet-34-w1.5", "48.6"),
        ("ResNet-34-w2", "86.0"),
        ("ResNet-50", "25.6"),
        ("ResNet-101", "44.5"),
        ("ResNet-152", "60.2"),
        ("WRN-50-2-bottleneck", "68.9"),
        ("pre-ResNet-200", "64.7"),
    ],
)
def test_tables_7_and_8(name: str, printed: str) -> None:
    assert millions(imagenet(name).parameters) == printed


@pytest.mark.parametrize("name, parameters", [("ResNet-18-w1.5", 25_875_816), ("WRN-50-2-bottleneck", 68_883_240)])
def test_published_imagenet_counts(name: str, parameters: int) -> None:
    assert imagenet(name).parameters == parameters


@pytest.mark.parametrize(
    "name, theirs",
    [
        ("ResNet-18", "resnet18"),
        ("ResNet-34", "resnet34"),
        ("ResNet-50", "resnet50"),
        ("ResNet-101", "resnet101"),
        ("ResNet-152", "resnet152"),
        ("WRN-50-2-bottleneck", "wide_resnet50_2"),
        ("WRN-101-2-bottleneck", "wide_resnet101_2"),
        ("ResNeXt-50-32x4d", "resnext50_32x4d"),
        ("ResNeXt-101-32x8d", "resnext101_32x8d"),
        ("ResNeXt-101-64x4d", "resnext101_64x4d"),
    ],
)
def test_counts_are_torchvisions(name: str, theirs: str) -> None:
    with torch.device("meta"):
        model = getattr(torchvision.models, theirs)()
    assert imagenet(name).parameters == sum(parameter.numel() for parameter in model.parameters())


def resnet_50_multiply_adds() -> int:
    """Table 1 of He et al. 2015 at 224x224, with the stride on the 3x3."""
    total, before, side = 3 * 64 * 49 * 112**2, 64, 56
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        out, small = 4 * width, side // stride
        total += before * width * side**2 + (9 * width**2 + width * out + before * out) * small**2
        total += (blocks - 1) * (2 * out * width + 9 * width**2) * small**2
        before, side = out, small
    return total + 2048 * 1000


def test_a_published_gflop_is_a_multiply_add() -> None:
    assert imagenet("ResNet-50").multiply_adds == resnet_50_multiply_adds() == 4_089_184_256


@pytest.mark.parametrize(
    "name, printed",
    [
        ("ResNet-50", 4.1),
        ("ResNet-101", 7.8),
        ("ResNeXt-50-32x4d", 4.1),
        ("ResNeXt-101-32x4d", 7.8),
        ("ResNeXt-101-64x4d", 15.6),
    ],
)
def test_published_gflops(name: str, printed: float) -> None:
    """To the digit for ResNet; ResNeXt's are printed as those of the ResNet they match, or twice them."""
    ours = imagenet(name).multiply_adds / 1e9
    assert round(ours, 1) == printed if name.startswith("ResNet-") else ours == pytest.approx(printed, rel=0.035)


@pytest.mark.parametrize("cardinality, base_width", [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)])
def test_cardinality_at_equal_complexity(cardinality: int, base_width: int) -> None:
    """Xie et al. 2017, table 2: all of about the complexity of ResNet-50, 1x64d being ResNet-50 itself."""
    found = imagenet(f"ResNeXt-50-{cardinality}x{base_width}d")
    resnet = imagenet("ResNet-50")
    if cardinality == 1:
        assert found == resnet
    assert found.parameters == pytest.approx(resnet.parameters, rel=0.03)
    assert found.multiply_adds == pytest.approx(resnet.multiply_adds, rel=0.05)
