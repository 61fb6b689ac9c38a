from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ablate.nets import blueprint as bp
from ablate.nets.build import Dropout, Narrow, build
from ablate.nets.families import blueprint
from ablate.nets.notation import parse_architecture


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weighted(module: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [m for m in module.modules() if isinstance(m, kind)]


def network_of(name: str, classes: int = 10, shape: tuple[int, int, int] = (3, 8, 8), seed: int = 0) -> nn.Module:
    return build(blueprint(parse_architecture(name), classes, shape), seeded(seed))


@pytest.mark.parametrize(
    "name, classes, shape",
    [
        ("WRN-10-0.5", 10, (3, 32, 32)),
        ("WRN-16-0.25-B(3,1)-dropout0.3", 100, (1, 8, 8)),
        ("WRN-13-0.25-B(1,3,1)", 2, (3, 9, 7)),
    ],
)
def test_forward_gives_logits(name: str, classes: int, shape: tuple[int, int, int]) -> None:
    network = build(blueprint(parse_architecture(name), classes, shape), seeded(0))
    logits = network(torch.randn(5, *shape, generator=seeded(1)))
    assert logits.shape == (5, classes)
    assert torch.isfinite(logits).all()


def test_sections_have_their_names() -> None:
    network = build(blueprint(parse_architecture("WRN-22-0.25"), 10, (3, 8, 8)))
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
    network = build(blueprint(parse_architecture("WRN-10-2"), 100, (3, 8, 8)), seeded(0))
    linear = weighted(network, nn.Linear)[0]
    bound = 1 / math.sqrt(128)
    assert torch.equal(linear.bias, torch.zeros(100))
    assert linear.weight.abs().max().item() <= bound
    assert linear.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.03)
    for norm in weighted(network, nn.BatchNorm2d):
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert torch.equal(norm.bias, torch.zeros_like(norm.bias))


def test_weights_come_from_the_generator() -> None:
    torch.manual_seed(1)
    one = network_of("WRN-10-0.25", seed=5).state_dict()
    torch.manual_seed(2)
    same = network_of("WRN-10-0.25", seed=5).state_dict()
    other = network_of("WRN-10-0.25", seed=6).state_dict()
    assert all(torch.equal(one[key], same[key]) for key in one)
    drawn = [key for key in one if one[key].dim() >= 2]
    assert len(drawn) == 11
    assert not any(torch.equal(one[key], other[key]) for key in drawn)


def test_repeated_blocks_have_weights_of_their_own() -> None:
    network = build(blueprint(parse_architecture("WRN-16-0.25"), 10, (3, 8, 8)), seeded(0))
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


def test_dropout_draws_alike_in_every_type_and_layout() -> None:
    def drawn(x: torch.Tensor) -> torch.Tensor:
        dropout = Dropout(0.5)
        dropout.generator = seeded(3)
        return dropout(x) != 0

    x = torch.ones(1, 3, 5, 7)  # an odd number of elements
    kept = drawn(x)
    assert torch.equal(drawn(x.bfloat16()), kept)
    last = drawn(x.to(memory_format=torch.channels_last))
    assert torch.equal(last.permute(0, 2, 3, 1).flatten(), kept.flatten())  # in the order of the memory
    assert torch.equal(drawn(torch.ones(1, 1, 5, 7).expand(1, 3, 5, 7)), kept)
    assert "".join("01"[one] for one in drawn(torch.ones(12)).tolist()) == "011100110101"  # on every processor


@pytest.mark.parametrize("rate, share", [(1e-12, 1.0), (0.001, 0.999), (0.999, 0.001), (1 - 1e-12, 0.0)])
def test_dropout_of_every_rate(rate: float, share: float) -> None:
    dropout = Dropout(rate)
    dropout.generator = seeded(0)
    kept = (dropout(torch.ones(1_000_000, dtype=torch.float64)) != 0).double().mean().item()
    assert kept == pytest.approx(share, abs=5 * (share * (1 - share) / 1_000_000) ** 0.5)


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
        build(blueprint(parse_architecture(name), 10, (3, 8, 8)), seeded(0)).eval()
        for name in ("WRN-10-0.25", "WRN-10-0.25-dropout0.9")
    )
    assert torch.equal(plain(x), dropped(x))
    assert not torch.equal(plain(x), dropped.train()(x))


def test_a_narrow_strided_shortcut_is_the_convolution_it_stands_for() -> None:
    network = build(blueprint(parse_architecture("WRN-10-0.25"), 10, (3, 8, 8)), seeded(0))
    (narrow,) = [module for module in network.modules() if isinstance(module, Narrow) and module.in_channels == 4]
    x = torch.randn(5, 4, 8, 8, generator=seeded(1)).to(memory_format=torch.channels_last).requires_grad_()
    out = narrow(x)
    expected = torch.einsum("nchw,oc->nohw", x[:, :, ::2, ::2], narrow.weight[:, :, 0, 0])
    assert out.shape == (5, 8, 4, 4) and torch.allclose(out, expected, atol=1e-6)
    for _ in range(100):  # where PyTorch's own convolution overruns its memory
        torch.autograd.grad(narrow(x).square().sum(), (x, narrow.weight))
    ours, theirs = (torch.autograd.grad(y.square().sum(), (x, narrow.weight)) for y in (narrow(x), expected))
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(ours, theirs))
