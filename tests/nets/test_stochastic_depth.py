"""Stochastic depth: Huang et al. 2016."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablate.nets import blueprint as bp
from ablate.nets.architecture import ACTIVATION_ORDERS
from ablate.nets.build import Residual, build
from ablate.nets.families import blueprint
from ablate.nets.notation import parse_architecture
from ablate.nets.residual import Style, basic, linear_decay, residual_block

SHAPE = (3, 8, 8)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network_of(name: str) -> nn.Module:
    return build(blueprint(parse_architecture(name), 5, SHAPE), seeded(0)).train()


def blocks(network: nn.Module) -> list[Residual]:
    return [module for module in network.modules() if isinstance(module, Residual)]


def block_of(order: str, survival: float, stride: int = 1) -> Residual:
    layer = residual_block(4, basic(4, 4, (3, 3), stride), Style(order), survival)
    (block,) = blocks(build(bp.Blueprint((4, 8, 8), (bp.Section("block", (layer,)),)), seeded(0)))
    return block


def parts(block: Residual, x: Tensor) -> tuple[Tensor, Tensor]:
    """(shortcut, branch), before the addition."""
    opened = block.shared(x.clone())
    return block.shortcut(opened.clone()), block.branch(opened.clone())


def test_linear_decay() -> None:
    """p_l = 1 - l / L (1 - p_L): 0.5 after 54 blocks, the middle one at 0.75 (ResNet-110)."""
    assert linear_decay(0.5, 4) == [0.875, 0.75, 0.625, 0.5]
    found = [block.survival for block in blocks(network_of("ResNet-110-survival0.5"))]
    assert len(found) == 54
    assert found[26] == 0.75 and found[-1] == 0.5
    torch.testing.assert_close(torch.tensor(found).diff(), torch.full((53,), -0.5 / 54), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["WRN-16-0.25", "ResNet-14", "pre-ResNet-20", "ResNeXt-20-2x4d", "ResNet-18-w0.1"])
def test_survival_runs_over_the_whole_network(name: str) -> None:
    found = [block.survival for block in blocks(network_of(f"{name}-survival0.2"))]
    assert found == linear_decay(0.2, len(found))
    assert len(found) == len(blocks(network_of(name)))


@pytest.mark.parametrize("order", ACTIVATION_ORDERS)
def test_the_branch_is_there_or_not(order: str) -> None:
    block = block_of(order, 0.7).train()
    block.generator, draws = seeded(5), seeded(5)
    x = torch.randn(2, 4, 8, 8, generator=seeded(1))
    seen = set()
    for _ in range(20):
        there = bool(torch.rand((), generator=draws) < 0.7)
        shortcut, branch = parts(block, x)
        assert torch.equal(block(x), block.after(shortcut + branch if there else shortcut))
        seen.add(there)
    assert seen == {True, False}


def test_branches_are_there_as_often_as_asked() -> None:
    block = block_of("pre", 0.7).train()
    block.generator = seeded(0)
    x = torch.randn(2, 4, 2, 2, generator=seeded(1))
    there = [not torch.equal(block(x), x) for _ in range(2000)]
    assert sum(there) / len(there) == pytest.approx(0.7, abs=4 * (0.21 / 2000) ** 0.5)


@pytest.mark.parametrize("order", ACTIVATION_ORDERS)
@pytest.mark.parametrize("stride", [1, 2])
def test_evaluation_is_the_expectation(order: str, stride: int) -> None:
    block = block_of(order, 0.3, stride).eval()
    block.generator = seeded(0)
    before = block.generator.get_state()
    x = torch.randn(2, 4, 8, 8, generator=seeded(1))
    shortcut, branch = parts(block, x)
    torch.testing.assert_close(block(x), block.after(shortcut + 0.3 * branch), rtol=0, atol=1e-6)
    assert torch.equal(block.generator.get_state(), before)


@pytest.mark.parametrize("training", [True, False])
def test_survival_1_is_the_plain_network(training: bool) -> None:
    plain, survived = network_of("ResNet-14").train(training), network_of("ResNet-14-survival1.0").train(training)
    outside = torch.get_rng_state()
    x = torch.randn(3, *SHAPE, generator=seeded(1))
    assert torch.equal(plain(x), survived(x))
    assert torch.equal(torch.get_rng_state(), outside)


def test_a_block_left_out_learns_nothing() -> None:
    network = network_of("WRN-16-0.25-survival0.000001")
    *_, last = blocks(network)
    last.generator = seeded(0)
    F.cross_entropy(network(torch.randn(3, *SHAPE, generator=seeded(1))), torch.tensor([0, 1, 2])).backward()
    assert all(parameter.grad is None for parameter in last.parameters())
    assert all(not (norm.running_mean != 0).any() for norm in last.modules() if isinstance(norm, nn.BatchNorm2d))
    assert network.get_parameter("conv1.0.weight").grad is not None


@pytest.mark.parametrize("training", [True, False])
def test_draws_are_replayed(training: bool) -> None:
    found = []
    for seed in (3, 3, 4):
        network = network_of("ResNet-32-survival0.5").train(training)
        generator = seeded(seed)
        for block in blocks(network):
            block.generator = generator
        found.append(network(torch.randn(3, *SHAPE, generator=seeded(1))))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2]) != training
