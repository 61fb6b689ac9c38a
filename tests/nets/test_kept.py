"""Counts.kept: elements that are held for the backward pass, against what autograd saves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ablate.nets import blueprint as bp
from ablate.nets.activations import ACTIVATIONS
from ablate.nets.architecture import ACTIVATION_ORDERS
from ablate.nets.build import Residual, build, checkpoint_blocks
from ablate.nets.counts import Counts, count
from ablate.nets.families import blueprint
from ablate.nets.notation import parse_architecture

BATCH = 4
FLOAT = 4  # bytes
SMALL = (3, 8, 8)


def held_bytes(network: nn.Module, x: Tensor, *aside: Tensor) -> int:
    """Bytes of the distinct storages that autograd holds; parameters, buffers, statistics of normalization, `aside` not."""
    passed = {tensor.untyped_storage()._cdata for tensor in (*network.parameters(), *network.buffers(), *aside)}
    group_statistics = {(len(x), norm.num_groups) for norm in network.modules() if isinstance(norm, nn.GroupNorm)}
    held: dict[int, Tensor] = {}

    def hold(tensor: Tensor) -> Tensor:
        statistics = tensor.dim() == 1 or tuple(tensor.shape) in group_statistics
        if tensor.untyped_storage()._cdata not in passed and not statistics:
            held[tensor.untyped_storage()._cdata] = tensor  # the tensor, lest another takes its storage's place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        network(x)
    return sum(tensor.untyped_storage().nbytes() for tensor in held.values())


def made(name: str, shape: bp.Shape) -> tuple[Counts, nn.Module, Tensor]:
    network_blueprint = blueprint(parse_architecture(name), 7, shape)
    network = build(network_blueprint, torch.Generator().manual_seed(0)).train()
    return count(network_blueprint), network, torch.randn(BATCH, *shape)


ORDERS = [f"{order}{norm}" for order in ACTIVATION_ORDERS for norm in ("", "-nonorm", "-groupnorm", "-shortcutC-silu")]
STYLES = ["shortcutA", "shortcutB", "shortcutC", "maxpool", "dropout0.3", *[*ACTIVATIONS][1:]]
NAMES = [
    *["WRN-10-1", "WRN-10-2", "WRN-10-2-dropout0.3", "WRN-16-1-B(3)", "WRN-13-1-B(1,3,1)", "WRN-16-1"],
    *[f"WRN-16-1-{option}" for option in (*ORDERS, *STYLES)],
    *["WRN-10-1-dropout0.3-tanh", "WRN-10-1-dropout0.3-nonorm", "WRN-10-1-dropout0.3-silu-post"],
    *["ResNet-8", "ResNet-14", "ResNet-11-bottleneck", "pre-ResNet-20", "pre-ResNet-20-bottleneck", "ResNet-8-gelu"],
    *["ResNeXt-11-2x4d", "ResNeXt-11-2x4d-pre-nonorm", "pre-ResNet-11-shortcutA"],
]
LARGER = [
    *["ResNet-18", "ImageNet-pre-ResNet-18", "ResNet-18-shortcutC-pre", "ResNet-18-silu", "ResNet-50-relu_only_pre"],
    *[f"ResNet-18-{order}-nonorm" for order in ACTIVATION_ORDERS if order != "post"],
    *["NIN", "NIN-silu", "NIN-maxpool", "NIN-nonorm", "VGG", "VGG-nonorm", "VGG-tanh", "VGG-maxpool", "VGG-groupnorm"],
]


@pytest.mark.parametrize("name, shape", [(name, SMALL) for name in NAMES] + [(name, (3, 32, 32)) for name in LARGER])
def test_kept_is_what_autograd_saves(name: str, shape: bp.Shape) -> None:
    counts, network, x = made(name, shape)
    assert counts.kept * BATCH * FLOAT == held_bytes(network, x)


@pytest.mark.parametrize(
    "name",
    ["WRN-16-1", "WRN-16-2-dropout0.3", "WRN-16-1-post-silu", "ResNet-14", "pre-ResNet-20-bottleneck", "ResNeXt-11-2x4d"],
)
def test_kept_by_blocks_is_the_inputs_and_one_inside(name: str) -> None:
    counts, network, x = made(name, SMALL)
    inputs: dict[Residual, Tensor] = {}
    hooks = []
    for module in network.modules():
        if isinstance(module, Residual):
            hooks.append(module.register_forward_pre_hook(lambda block, args: inputs.update({block: args[0]})))
    kept = held_bytes(network, x)
    checkpoint_blocks(network)
    outside = held_bytes(network, x)
    for hook in hooks:
        hook.remove()
    insides = []
    for block, entry in inputs.items():
        block.checkpoint = False
        again = entry.detach().requires_grad_()
        insides.append(held_bytes(block, again, again))
    assert outside < kept == counts.kept * BATCH * FLOAT
    assert counts.kept_by_blocks * BATCH * FLOAT == outside + max(insides)
