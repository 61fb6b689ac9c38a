"""Residual blocks written out by hand: orders, shortcuts, strides, dropout's place; nothing in place does harm."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablate.nets import blueprint as bp
from ablate.nets.activations import ACTIVATIONS
from ablate.nets.architecture import ACTIVATION_ORDERS, NORMS, SHORTCUTS
from ablate.nets.build import Dropout, Residual, Subsample, build
from ablate.nets.families import blueprint
from ablate.nets.notation import parse_architecture
from ablate.nets.residual import Style, basic, bottleneck, residual_block

FUNCTIONS = {
    "relu": lambda x: x.clamp(min=0),
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "elu": lambda x: torch.where(x > 0, x, x.exp() - 1),
    "silu": lambda x: x / (1 + (-x).exp()),
    "gelu": lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2,
    "mish": lambda x: x * torch.tanh(torch.log(1 + x.exp())),
    "hardswish": lambda x: x * (x + 3).clamp(0, 6) / 6,
    "tanh": lambda x: 2 / (1 + (-2 * x).exp()) - 1,
}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(layer: bp.Layer, channels: int) -> nn.Module:
    """The module of one layer in double precision, its normalizations anything but the identity."""
    sketch = bp.Blueprint((channels, 8, 8), (bp.Section("block", (layer,)),))
    network = build(sketch, seeded(0)).double()
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
            module.weight.data.uniform_(0.5, 2, generator=seeded(1))
            module.bias.data.normal_(generator=seeded(2))
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=seeded(3))
            module.running_var.uniform_(0.5, 2, generator=seeded(4))
    return network


def by_hand(block: Residual, order: str, activation: str, stride: int, width: int, x: Tensor) -> Tensor:
    """He et al. 2016, figure 4, with the weights of a block of two convolutions."""
    c0, c1 = (module for module in block.branch if isinstance(module, nn.Conv2d))
    norms = [m for m in block.modules() if isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)) and m not in set(block.shortcut)]
    n0, n1 = norms if norms else (nn.Identity(), nn.Identity())
    a = FUNCTIONS[activation]

    def shortcut(s: Tensor) -> Tensor:
        convolutions = [module for module in block.shortcut if isinstance(module, nn.Conv2d)]
        if convolutions:
            s = F.conv2d(s, convolutions[0].weight, stride=stride)
            return s if order == "pre" or not norms else block.shortcut[1](s)
        if stride == 1 and s.shape[1] == width:
            return s
        wide = s.new_zeros(len(s), width, s.shape[2] // stride, s.shape[3] // stride)
        wide[:, : s.shape[1]] = (
            F.avg_pool2d(s, stride)
            if isinstance(pool := list(block.shortcut)[-1], Subsample) and pool.pooled
            else s[:, :, ::stride, ::stride]
        )
        return wide

    if order == "post":
        return a(n1(c1(a(n0(c0(x))))) + shortcut(x))
    if order == "bn_after_addition":
        return a(n1(c1(a(n0(c0(x)))) + shortcut(x)))
    if order == "relu_before_addition":
        return a(n1(c1(a(n0(c0(x)))))) + shortcut(x)
    if order == "relu_only_pre":
        return n1(c1(a(n0(c0(a(x)))))) + shortcut(x)
    opened = a(n0(x))
    return c1(a(n1(c0(opened)))) + shortcut(opened if len(block.shortcut) else x)


WIDER = (4, 6, 2)  # channels, width, stride
CASES = [
    *itertools.product(SHORTCUTS, [NORMS[0]], [WIDER, (6, 6, 1), (4, 6, 1), (6, 6, 2)], [True]),
    *itertools.product(SHORTCUTS, NORMS[1:], [WIDER], [True]),
    (SHORTCUTS[-1], NORMS[0], WIDER, False),  # the mode changes batch normalization only
]


@pytest.mark.parametrize("shortcut, norm, shape, training", CASES)
@pytest.mark.parametrize("order", ACTIVATION_ORDERS)
def test_orders(order: str, norm: str, shortcut: str, shape: tuple[int, int, int], training: bool) -> None:
    channels, width, stride = shape
    layer = residual_block(channels, basic(channels, width, (3, 3), stride), Style(order, shortcut, norm))
    ours = made(layer, channels).train(training)
    (block,) = (module for module in copy.deepcopy(ours).modules() if isinstance(module, Residual))
    x = torch.randn(3, channels, 8, 8, generator=seeded(2), dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    mine, other = ours(x), by_hand(block, order, "relu", stride, width, y)
    slope = torch.randn(mine.shape, generator=seeded(3), dtype=torch.float64)
    (mine * slope).sum().backward()
    (other * slope).sum().backward()
    assert mine.shape == (3, width, 8 // stride, 8 // stride)
    torch.testing.assert_close(mine, other, rtol=0, atol=1e-11)
    torch.testing.assert_close(x.grad, y.grad, rtol=0, atol=1e-10)
    for p, q in zip(ours.parameters(), block.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=0, atol=1e-10)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation: str) -> None:
    layer = residual_block(4, basic(4, 4, (3, 3), 1), Style("post", "A", activation=activation))
    ours = made(layer, 4).eval()
    (block,) = (module for module in ours.modules() if isinstance(module, Residual))
    x = torch.randn(2, 4, 8, 8, generator=seeded(2), dtype=torch.float64)
    torch.testing.assert_close(ours(x), by_hand(block, "post", activation, 1, 4, x), rtol=0, atol=1e-12)


def branch_of(name: str, section: str, shape: bp.Shape = (3, 32, 32)) -> list[bp.Conv]:
    """The convolutions of the first block of a section."""
    sections = {section.name: section for section in blueprint(parse_architecture(name), 10, shape).sections}
    block = sections[section].layers[0]
    assert isinstance(block, bp.Residual)
    return [layer for layer in block.branch if isinstance(layer, bp.Conv)]


@pytest.mark.parametrize(
    "name, strides",
    [
        ("WRN-16-1", [2, 1]),
        ("WRN-13-1-B(1,3,1)", [2, 1, 1]),
        ("ResNet-20", [2, 1]),
        ("pre-ResNet-164", [2, 1, 1]),
        ("ResNet-11-bottleneck", [2, 1, 1]),
        ("ResNeXt-29-8x64d", [1, 2, 1]),
        ("ResNet-18", [2, 1]),
        ("ResNet-50", [1, 2, 1]),
        ("pre-ResNet-200", [1, 2, 1]),
        ("ResNeXt-50-32x4d", [1, 2, 1]),
    ],
)
def test_which_convolution_carries_the_stride(name: str, strides: list[int]) -> None:
    for section in ("conv3", "conv4"):
        assert [layer.stride for layer in branch_of(name, section)] == strides
    assert [layer.stride for layer in branch_of(name, "conv2")] == [1] * len(strides)


def test_cardinality_splits_the_3x3_only() -> None:
    assert [(layer.kernel, layer.groups) for layer in branch_of("ResNeXt-29-8x64d", "conv2")] == [(1, 1), (3, 8), (1, 1)]
    assert bottleneck(64, 128, 256, 2, 32) == (
        bp.Conv(64, 128, 1),
        bp.Conv(128, 128, 3, 2, 32),
        bp.Conv(128, 256, 1),
    )


@pytest.mark.parametrize("block, dropouts", [((3,), 0), ((3, 3), 1), ((3, 1, 3), 2)])
@pytest.mark.parametrize("order", ACTIVATION_ORDERS)
def test_dropout_stands_between_convolutions(order: str, block: tuple[int, ...], dropouts: int) -> None:
    branch = residual_block(16, basic(16, 16, block, 1), Style(order, dropout=0.3)).branch
    places = [i for i, layer in enumerate(branch) if isinstance(layer, bp.Dropout)]
    assert len(places) == dropouts
    assert all(isinstance(branch[i - 1], bp.Activation) and isinstance(branch[i + 1], bp.Conv) for i in places)
    assert all(branch[i] == bp.Dropout(0.3) for i in places)


@pytest.mark.parametrize("same, kind", [("A", ()), ("B", ()), ("C", bp.Conv)])
def test_shortcut_where_the_shape_stays(same: str, kind: type) -> None:
    shortcut = residual_block(16, basic(16, 16, (3, 3), 1), Style("pre", same)).shortcut
    assert shortcut == () if kind == () else isinstance(shortcut[0], kind)


def out_of_place(network: nn.Module) -> nn.Module:
    other = copy.deepcopy(network)
    for module in other.modules():
        if getattr(module, "inplace", False):
            module.inplace = False
    return other


def in_place_names() -> Iterator[str]:
    for order in ACTIVATION_ORDERS:
        for norm in ("batchnorm", "groupnorm", "nonorm"):
            for rest in ("", "-shortcutA", "-shortcutC-elu", "-leaky_relu-dropout0.3", "-survival0.5"):
                yield f"WRN-16-0.25-{order}-{norm}{rest}"
            yield f"ResNet-18-w0.1-{order}-{norm}"
    yield from ("NIN-elu", "VGG-nonorm", "ResNet-8", "pre-ResNet-11", "ResNeXt-11-2x4d")


@pytest.mark.parametrize("name", list(in_place_names()))
def test_in_place_activations_change_nothing(name: str) -> None:
    """Bit for bit; but elu's gradient is then computed from its output, which rounds otherwise."""
    network = build(blueprint(parse_architecture(name), 5, (3, 8, 8)), seeded(0)).double().train()
    tolerance = 1e-12 if name.endswith("-elu") else 0
    found = []
    for model in (network, out_of_place(network)):
        generator = seeded(7)
        for module in model.modules():
            if isinstance(module, (Dropout, Residual)):
                module.generator = generator
        x = torch.randn(3, 3, 8, 8, generator=seeded(1), dtype=torch.float64)
        before, x = x.clone(), x.requires_grad_()
        logits = model(x)
        F.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
        assert torch.equal(x, before)
        found.append([logits, x.grad, *(parameter.grad for parameter in model.parameters())])
    assert any(getattr(module, "inplace", False) for module in network.modules())
    for mine, other in zip(*found, strict=True):
        assert (mine is None) == (other is None)
        assert mine is None or torch.allclose(mine, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("order", ACTIVATION_ORDERS)
@pytest.mark.parametrize("survival", [1.0, 1e-6], ids=["there", "left out"])
def test_block_leaves_its_input_alone(order: str, survival: float) -> None:
    ours = made(residual_block(4, basic(4, 4, (3, 3), 1), Style(order), survival), 4).train()
    x = torch.randn(2, 4, 8, 8, generator=seeded(0), dtype=torch.float64)
    before = x.clone()
    ours(x)
    assert torch.equal(x, before)
