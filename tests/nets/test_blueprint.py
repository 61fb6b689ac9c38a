"""A blueprint against the module that is built from it, over every family and every option."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ablate.errors import NotationError
from ablate.nets import blueprint as bp
from ablate.nets.activations import ACTIVATIONS
from ablate.nets.architecture import ACTIVATION_ORDERS, Architecture
from ablate.nets.build import Residual, build
from ablate.nets.counts import Counts, count, count_sections
from ablate.nets.describe import describe_network
from ablate.nets.families import blueprint
from ablate.nets.notation import parse_architecture
from ablate.nets.residual import Style, norm

SMALL = (1, 8, 8)


def counts(name: str, classes: int = 10, shape: bp.Shape = (3, 32, 32)) -> Counts:
    return count(blueprint(parse_architecture(name), classes, shape))


# WRN-10-1 on 1x8x8: conv1 and conv2 at 8x8, conv3 at 4x4, conv4 at 2x2; a 1x1 shortcut in conv3 and conv4 only.
HAND = {
    "conv1": (9 * 16, 9 * 16 * 64, 16 * 64, 1),
    "conv2": (2 * 2 * 16 + 2 * 9 * 16 * 16, 2 * 9 * 16 * 16 * 64, 2 * 16 * 64, 2),
    "conv3": (2 * 16 + 4608 + 2 * 32 + 9216 + 512, (4608 + 9216 + 512) * 16, 3 * 32 * 16, 3),
    "conv4": (2 * 32 + 18432 + 2 * 64 + 36864 + 2048, (18432 + 36864 + 2048) * 4, 3 * 64 * 4, 3),
    "head": (2 * 64 + 640 + 10, 640, 10, 1),
}


def test_counts_by_hand() -> None:
    sections = list(count_sections(blueprint(Architecture(1), 10, SMALL)))
    assert {name: found[:4] for name, found, _ in sections} == HAND
    assert [shape for _, _, shape in sections] == [(16, 8, 8), (16, 8, 8), (32, 4, 4), (64, 2, 2), (10, 1, 1)]


def test_totals_by_hand() -> None:
    assert counts("WRN-10-1", shape=SMALL)[:4] == (77_562, 763_520, 5_386, 10)


def test_more_classes_cost_only_in_the_linear_layer() -> None:
    ten, hundred = counts("WRN-10-1", shape=SMALL), counts("WRN-10-1", 100, SMALL)
    assert hundred[:4] == (ten.parameters + 90 * 65, ten.multiply_adds + 90 * 64, ten.activations + 90, ten.layers)


@pytest.mark.parametrize("name", ["WRN-16-1", "ResNet-20", "pre-ResNet-11", "ResNeXt-11-2x4d"])
def test_image_size_changes_no_parameter(name: str) -> None:
    small, large = counts(name, shape=(3, 8, 8)), counts(name)
    linear = 10 * {"WRN-16-1": 64, "ResNet-20": 64, "pre-ResNet-11": 256, "ResNeXt-11-2x4d": 1024}[name]
    assert small.parameters == large.parameters
    assert large.multiply_adds - linear == 16 * (small.multiply_adds - linear)


def test_widening_the_first_group_adds_its_shortcut() -> None:
    assert counts("WRN-10-2").layers == counts("WRN-10-1").layers + 1


@pytest.mark.parametrize(
    "k, widths", [(0.0625, (1, 2, 4)), (0.1, (2, 3, 6)), (0.5, (8, 16, 32)), (1.28125, (21, 41, 82)), (2.0, (32, 64, 128))]
)
def test_fractional_widening_rounds_each_width(k: float, widths: tuple[int, ...]) -> None:
    shapes = [shape for _, _, shape in count_sections(blueprint(Architecture(1, k)))]
    assert tuple(shape[0] for shape in shapes[1:4]) == widths


@pytest.mark.parametrize("channels, groups", [(16, 8), (64, 32), (48, 16), (40, 8), (21, 1), (1, 1), (2048, 32)])
def test_group_norm_divides_the_channels(channels: int, groups: int) -> None:
    assert norm(Style(norm="group"), channels) == (bp.GroupNorm(channels, groups),)


def by_options(name: str, options: Sequence[str]) -> list[str]:
    return [f"{name}-{option}" for option in options]


ORDERS = [order for order in ACTIVATION_ORDERS if order != "pre"]
NAMES = [
    *["WRN-10-1", "WRN-10-0.0625", "WRN-16-0.3-dropout0.5", "WRN-10-1.3-B(7)", "WRN-13-0.25-B(1,5,1)-dropout0.3"],
    *["WRN-16-0.3-B(3,1,3,1)", "WRN-7-0.0625-B(15)", "WRN-16-0.25-survival0.5"],
    *[f"WRN-16-0.25-{order}{rest}" for order in ORDERS for rest in ("", "-groupnorm", "-nonorm-shortcutC", "-shortcutA")],
    *by_options("WRN-10-0.5", ["shortcutA", "shortcutC", "groupnorm", "nonorm", "maxpool", *[*ACTIVATIONS][1:]]),
    *["ResNet-8", "ResNet-14-w0.3", "ResNet-11-bottleneck", "ResNet-8-dropout0.2-survival0.9"],
    *by_options("ResNet-8", ["shortcutB", "shortcutC", "pre", "maxpool", "groupnorm", "nonorm", "gelu", *ORDERS[1:]]),
    *["pre-ResNet-11", "pre-ResNet-8", "pre-ResNet-20-bottleneck-w0.5", "pre-ResNet-11-shortcutA", "pre-ResNet-11-post"],
    *["ResNeXt-11-2x4d", "ResNeXt-20-3x1d-pre-shortcutC", "ResNeXt-11-4x2d-nonorm-mish-dropout0.1"],
    *["ResNet-18", "ResNet-18-w0.25-pre-shortcutA", "ResNet-34-w0.1-bn_after_addition", "ResNet-18-relu_only_pre-nonorm"],
    *["WRN-50-0.1-bottleneck", "ImageNet-pre-ResNet-18", "ImageNet-pre-ResNet-50", "ResNeXt-50-2x4d-survival0.9"],
    *["ResNet-50-relu_before_addition-groupnorm-tanh", "NIN", "VGG"],
    *[f"{name}-{option}" for name in ("NIN", "VGG") for option in ("nonorm", "groupnorm", "maxpool", "elu")],
]


EVEN = ("WRN-16-0.25-survival0.5", "ResNet-8", "pre-ResNet-11", "ResNeXt-11-2x4d", "ResNet-18", "ImageNet-pre-ResNet-18")


@pytest.mark.parametrize(
    "name, classes, shape",
    [(name, 5, (3, 9, 13)) for name in NAMES]  # odd, each number another one
    + [(name, 10, (1, 32, 32)) for name in (*EVEN, "NIN", "NIN-maxpool", "VGG", "VGG-maxpool")],
    ids=str,
)
def test_counts_are_those_of_the_built_network(name: str, classes: int, shape: bp.Shape) -> None:
    network_blueprint = blueprint(parse_architecture(name), classes, shape)
    activations: list[int] = []
    with torch.device("meta"):
        network = build(network_blueprint).eval()
        x = torch.empty(1, *shape)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(lambda module, inputs, output: activations.append(output.numel()))
    sections = zip(network.named_children(), count_sections(network_blueprint), strict=True)
    for (section, module), (expected, found, out) in sections:
        del activations[:]
        with torch.no_grad(), FlopCounterMode(display=False) as flops:
            x = module(x)
        assert section == expected
        assert tuple(x.shape) == ((1, classes) if section == "head" else (1, *out))
        assert found.parameters == sum(parameter.numel() for parameter in module.parameters())
        assert 2 * found.multiply_adds == flops.get_total_flops()
        assert (found.activations, found.layers) == (sum(activations), len(activations))


def all_there(network: nn.Module) -> None:
    """Has no block left out."""
    for module in network.modules():
        if isinstance(module, Residual):
            module.survival = 1.0


LIGHT = [name for name in NAMES if not name.startswith(("ResNet-34", "ResNet-50", "WRN-50", "VGG-", "NIN-", "ImageNet"))]


@pytest.mark.parametrize("name", LIGHT)
def test_every_parameter_learns(name: str) -> None:
    network = build(blueprint(parse_architecture(name), 3, SMALL), torch.Generator().manual_seed(0)).train()
    all_there(network)
    logits = network(torch.randn(4, *SMALL, generator=torch.Generator().manual_seed(1)))
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])).backward()
    assert logits.shape == (4, 3)
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize(
    "name, side, refused",
    [("NIN", 3, True), ("NIN", 4, False), ("NIN-maxpool", 3, True), ("NIN-maxpool", 4, False), ("VGG", 1, False)],
)
def test_images_too_small_for_pooling_are_refused(name: str, side: int, refused: bool) -> None:
    network_blueprint = blueprint(parse_architecture(name), 10, (1, side, side))
    network = build(network_blueprint).eval()
    x = torch.zeros(1, 1, side, side)
    if refused:
        with pytest.raises(NotationError, match="images are too small"):
            count(network_blueprint)
        with pytest.raises(RuntimeError):
            network(x)
    else:
        assert math.prod(list(count_sections(network_blueprint))[-1][2]) == 10
        assert network(x).shape == (1, 10)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("kernel, stride", [(2, 2), (3, 2), (3, 1), (2, 3)])
@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooled_sizes(kind: str, kernel: int, stride: int, padding: int, partial: bool) -> None:
    layer = bp.Pool(kind, kernel, stride, padding, partial)
    for height in range(3, 12):
        sketch = bp.Blueprint((2, height, 14 - height), (bp.Section("pool", (layer,)),))
        (_, _, shape), *_ = count_sections(sketch)
        assert build(sketch)(torch.zeros(1, *sketch.input_shape)).shape[1:] == shape


def test_description_adds_up() -> None:
    described = describe_network(parse_architecture("WRN-40-2-B(1,3,1)", "nominal"), "nominal", 10, (3, 32, 32))
    assert described["net"] == "WRN-40-2-B(1,3,1)"
    assert (described["depth"], described["nominal_depth"], described["blocks_per_group"]) == (58, 40, 6)
    assert described["axes"]["k"] == 2 and described["axes"]["block"] == "B(1,3,1)" and described["axes"]["l"] == 3
    assert described["parameters"] == 1_429_082
    for key in ("parameters", "multiply_adds"):
        assert described[key] == sum(section[key] for section in described["sections"])
