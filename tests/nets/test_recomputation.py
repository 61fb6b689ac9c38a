"""Blocks that are computed again in the backward pass: less is held, and nothing else changes."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablate.nets.architecture import ACTIVATION_ORDERS
from ablate.nets.build import Dropout, Residual, build, checkpoint_blocks
from ablate.nets.families import blueprint
from ablate.nets.notation import parse_architecture

SHAPE = (3, 8, 8)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network_of(name: str) -> nn.Module:
    return build(blueprint(parse_architecture(name), 5, SHAPE), seeded(0)).train()


RECOMPUTED = [
    *["WRN-16-0.25", "WRN-16-0.25-dropout0.3", "WRN-16-0.5-dropout0.3-survival0.6", "ResNet-14-survival0.5"],
    *["pre-ResNet-20-dropout0.2", "ResNeXt-11-2x4d-dropout0.5-groupnorm"],
    *[f"WRN-16-0.25-{order}-dropout0.3-survival0.7{norm}" for order in ACTIVATION_ORDERS for norm in ("", "-nonorm")],
]


def trained(network: nn.Module, precision: torch.dtype, own_generators: bool) -> tuple[list[Tensor | None], int]:
    """(outputs, gradients, running statistics and generator states after two steps, bytes that autograd held)."""
    drop, depth = seeded(11), seeded(12)
    torch.manual_seed(13)
    for module in network.modules():
        if isinstance(module, (Dropout, Residual)) and own_generators:
            module.generator = drop if isinstance(module, Dropout) else depth
    held: dict[int, Tensor] = {}

    def hold(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage()._cdata] = tensor
        return tensor

    found: list[Tensor | None] = []
    for step in range(2):
        x = torch.randn(4, *SHAPE, generator=seeded(step))
        autocast = torch.autocast("cpu", precision) if precision != torch.float32 else nullcontext()
        with autocast, torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
            logits = network(x)
        F.cross_entropy(logits.float(), torch.tensor([0, 1, 2, 3])).backward()
        found += [logits.detach(), drop.get_state(), depth.get_state(), torch.get_rng_state()]
    found += [parameter.grad for parameter in network.parameters()]
    found += list(network.buffers())
    return found, sum(tensor.untyped_storage().nbytes() for tensor in held.values())


@pytest.mark.parametrize(
    "name, precision",
    [(name, torch.float32) for name in RECOMPUTED]
    + [(name, torch.bfloat16) for name in RECOMPUTED[2:7]]
    + [("ResNet-18-w0.25-survival0.8", torch.float32)],  # bfloat16's strided convolutions are wrong on 1x1 in torch
    ids=str,
)
def test_computing_again_changes_nothing_but_memory(name: str, precision: torch.dtype) -> None:
    kept = network_of(name)
    again = copy.deepcopy(kept)
    checkpoint_blocks(again)
    expected, more = trained(kept, precision, own_generators=True)
    found, less = trained(again, precision, own_generators=True)
    for one, other in zip(expected, found, strict=True):
        assert (one is None) == (other is None)
        assert one is None or torch.equal(one, other)
    assert less < more


def test_computing_again_without_a_generator_of_ones_own() -> None:
    kept = network_of("WRN-16-0.25-dropout0.3")
    again = copy.deepcopy(kept)
    checkpoint_blocks(again)
    expected, found = (trained(network, torch.float32, own_generators=False)[0] for network in (kept, again))
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))


def test_evaluation_ignores_recomputation() -> None:
    network = network_of("WRN-16-0.25-dropout0.3-survival0.5").eval()
    x = torch.randn(3, *SHAPE, generator=seeded(1))
    before = network(x)
    checkpoint_blocks(network)
    assert torch.equal(network(x), before)
    with torch.no_grad():
        assert torch.equal(network(x), before)
