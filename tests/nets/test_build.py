from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablate.nets import blueprint as bp
from ablate.nets.build import Dropout, build
from ablate.nets.notation import parse_architecture
from ablate.nets.wide_resnet import preactivation_block, wide_resnet


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Reference(nn.Module):
    """The pre-activation block written out: BN-ReLU-conv ..., the shortcut taken after the first BN-ReLU if projected."""

    def __init__(self, channels: int, width: int, stride: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        inputs = [channels] + [width] * (len(kernels) - 1)
        strides = [stride] + [1] * (len(kernels) - 1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in inputs)
        self.convs = nn.ModuleList(
            nn.Conv2d(c, width, kernel, s, kernel // 2, bias=False) for c, kernel, s in zip(inputs, kernels, strides)
        )
        self.projection = nn.Conv2d(channels, width, 1, stride, bias=False) if stride > 1 or channels != width else None

    def forward(self, x: Tensor) -> Tensor:
        opened = F.relu(self.norms[0](x))
        branch = self.convs[0](opened)
        for norm, conv in zip(list(self.norms)[1:], list(self.convs)[1:]):
            branch = conv(F.relu(norm(branch)))
        return branch + (x if self.projection is None else self.projection(opened))


def weighted(module: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [m for m in module.modules() if isinstance(m, kind)]


def block_pair(
    channels: int, width: int, stride: int, kernels: tuple[int, ...], dropout: float
) -> tuple[nn.Module, Reference]:
    layer = preactivation_block(channels, width, stride, kernels, dropout)
    ours = build(bp.Blueprint((channels, 8, 8), (bp.Section("block", (layer,)),)), seeded(0)).double()
    reference = Reference(channels, width, stride, kernels).double()
    draw = seeded(1)
    for norm in weighted(ours, nn.BatchNorm2d):
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.data.normal_(generator=draw)
        norm.running_var.uniform_(0.5, 2, generator=draw)
    for kind in (nn.BatchNorm2d, nn.Conv2d):  # the projection is the last convolution of both
        for mine, other in zip(weighted(ours, kind), weighted(reference, kind), strict=True):
            other.load_state_dict(mine.state_dict())
    return ours, reference


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(
    "channels, width, stride, kernels, dropout",
    [
        (6, 6, 1, (3, 3), 0.0),
        (4, 6, 2, (3, 3), 0.0),
        (4, 6, 1, (3, 3), 0.0),
        (6, 6, 2, (3, 1), 0.0),
        (6, 6, 1, (1, 3, 1), 0.0),
        (4, 6, 2, (1, 3, 1), 0.0),
        (6, 6, 1, (5,), 0.0),
        (6, 6, 1, (3, 3), 0.5),
        (4, 6, 2, (3, 1, 3), 0.5),
    ],
)
def test_block_is_the_reference(
    channels: int, width: int, stride: int, kernels: tuple[int, ...], dropout: float, training: bool
) -> None:
    ours, reference = block_pair(channels, width, stride, kernels, dropout)
    ours.train(training)
    reference.train(training)
    for module in weighted(ours, Dropout):
        module.eval()
    x = torch.randn(3, channels, 8, 8, generator=seeded(2), dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    mine, other = ours(x), reference(y)
    slope = torch.randn(mine.shape, generator=seeded(3), dtype=torch.float64)
    (mine * slope).sum().backward()
    (other * slope).sum().backward()
    assert mine.shape == (3, width, 8 // stride, 8 // stride)
    torch.testing.assert_close(mine, other, rtol=0, atol=1e-12)
    torch.testing.assert_close(x.grad, y.grad, rtol=0, atol=1e-11)
    for kind in (nn.BatchNorm2d, nn.Conv2d):
        for a, b in zip(weighted(ours, kind), weighted(reference, kind), strict=True):
            for p, q in zip(a.parameters(), b.parameters(), strict=True):
                torch.testing.assert_close(p.grad, q.grad, rtol=0, atol=1e-11)


def test_block_leaves_its_input_alone() -> None:
    ours, _ = block_pair(4, 4, 1, (3, 3), 0.0)
    x = torch.randn(2, 4, 8, 8, generator=seeded(0), dtype=torch.float64)
    before = x.clone()
    ours(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    "name, classes, shape",
    [
        ("WRN-10-0.5", 10, (3, 32, 32)),
        ("WRN-16-0.25-B(3,1)-dropout0.3", 100, (1, 8, 8)),
        ("WRN-13-0.25-B(1,3,1)", 2, (3, 9, 7)),
    ],
)
def test_forward_gives_logits(name: str, classes: int, shape: tuple[int, int, int]) -> None:
    network = build(wide_resnet(parse_architecture(name), classes, shape), seeded(0))
    logits = network(torch.randn(5, *shape, generator=seeded(1)))
    assert logits.shape == (5, classes)
    assert torch.isfinite(logits).all()


def test_sections_have_their_names() -> None:
    network = build(wide_resnet(parse_architecture("WRN-22-0.25"), 10, (3, 8, 8)))
    assert [name for name, _ in network.named_children()] == ["conv1", "conv2", "conv3", "conv4", "head"]
    assert [len(network.get_submodule(f"conv{i}")) for i in (2, 3, 4)] == [3, 3, 3]


@pytest.mark.parametrize(
    "layer", [bp.Conv(64, 64, 3), bp.Conv(16, 48, 5), bp.Conv(128, 256, 1), bp.Conv(3, 64, 9)], ids=str
)
def test_convolutions_start_normal(layer: bp.Conv) -> None:
    network = build(bp.Blueprint((layer.in_channels, 8, 8), (bp.Section("conv", (layer,)),)), seeded(0))
    weight = network.get_parameter("conv.0.weight").detach().double()
    std = math.sqrt(2 / (layer.kernel**2 * layer.in_channels))
    count = weight.numel()
    assert weight.std().item() == pytest.approx(std, rel=4 / math.sqrt(2 * count))
    assert abs(weight.mean().item()) < 4 * std / math.sqrt(count)
    assert (weight.abs() > 2 * std).double().mean().item() == pytest.approx(0.0455, abs=0.01)  # normal tails


def test_linear_and_batch_norm_start() -> None:
    network = build(wide_resnet(parse_architecture("WRN-10-2"), 100, (3, 8, 8)), seeded(0))
    linear = weighted(network, nn.Linear)[0]
    bound = 1 / math.sqrt(128)
    assert torch.equal(linear.bias, torch.zeros(100))
    assert linear.weight.abs().max().item() <= bound
    assert linear.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.03)
    for norm in weighted(network, nn.BatchNorm2d):
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert torch.equal(norm.bias, torch.zeros_like(norm.bias))


def test_weights_come_from_the_generator() -> None:
    blueprint = wide_resnet(parse_architecture("WRN-10-0.25"), 10, (3, 8, 8))
    torch.manual_seed(1)
    one = build(blueprint, seeded(5)).state_dict()
    torch.manual_seed(2)
    same = build(blueprint, seeded(5)).state_dict()
    other = build(blueprint, seeded(6)).state_dict()
    assert all(torch.equal(one[key], same[key]) for key in one)
    drawn = [key for key in one if one[key].dim() >= 2]
    assert len(drawn) == 11
    assert not any(torch.equal(one[key], other[key]) for key in drawn)


def test_repeated_blocks_have_weights_of_their_own() -> None:
    network = build(wide_resnet(parse_architecture("WRN-16-0.25"), 10, (3, 8, 8)), seeded(0))
    first, second = (network.get_parameter(f"conv3.{i}.branch.{place}.weight") for i, place in ((0, 3), (1, 5)))
    assert first.shape == second.shape == (8, 8, 3, 3)
    assert not torch.equal(first, second)


def test_dropout_keeps_the_mean() -> None:
    dropout = Dropout(0.3)
    dropout.generator = seeded(0)
    y = dropout(torch.ones(100_000))
    kept = y != 0
    torch.testing.assert_close(y[kept], torch.full((int(kept.sum()),), 1 / 0.7))
    assert kept.double().mean().item() == pytest.approx(0.7, abs=0.006)
    assert y.mean().item() == pytest.approx(1, abs=0.009)


def test_dropout_draws_from_its_generator_only() -> None:
    dropout = Dropout(0.5)
    x = torch.ones(1000)
    outside = torch.get_rng_state()
    dropout.generator = seeded(3)
    first, second = dropout(x), dropout(x)
    dropout.generator = seeded(3)
    assert torch.equal(dropout(x), first)
    assert not torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), outside)


def test_dropout_passes_the_gradient_it_let_through() -> None:
    dropout = Dropout(0.5)
    dropout.generator = seeded(0)
    x = torch.ones(50, requires_grad=True)
    y = dropout(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach())


@pytest.mark.parametrize("rate, training", [(0.9, False), (0.0, True)])
def test_dropout_is_the_identity(rate: float, training: bool) -> None:
    x = torch.randn(20, generator=seeded(0))
    assert torch.equal(Dropout(rate).train(training)(x), x)


def test_network_ignores_dropout_in_eval() -> None:
    x = torch.randn(2, 3, 8, 8, generator=seeded(1))
    plain, dropped = (
        build(wide_resnet(parse_architecture(name), 10, (3, 8, 8)), seeded(0)).eval()
        for name in ("WRN-10-0.25", "WRN-10-0.25-dropout0.9")
    )
    assert torch.equal(plain(x), dropped(x))
    assert not torch.equal(plain(x), dropped.train()(x))
