"""Steps of all recipes and networks on a GPU that is not there: none touches the CPU, none waits for the device."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from ablate.kinds.recipes import RECIPES
from ablate.nets.build import build
from ablate.nets.families import blueprint, task_of
from ablate.nets.notation import parse_architecture
from ablate.study.recipe import Recipe
from ablate.train.passes import Pass
from ablate.train.training import Training
from tests.gpu.fake_cuda import Watched, trace

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's, that there is no GPU

NETWORKS = {  # name: whether it is one for ImageNet
    **dict.fromkeys(("WRN-10-1", "WRN-10-1-dropout0.3", "WRN-10-1-groupnorm", "WRN-13-1-B(1,3,1)", "ResNet-8"), False),
    **dict.fromkeys(("pre-ResNet-11", "ResNet-8-survival0.5", "ResNeXt-11-2x4d", "NIN", "VGG"), False),
    **dict.fromkeys(
        (f"WRN-10-1-{name}" for name in ("leaky_relu", "elu", "silu", "gelu", "mish", "hardswish", "tanh")), False
    ),
    "ResNet-18-w0.25": True,
}


def check(net: str, recipe: Recipe, captured: bool = True, **more: Any) -> None:
    """No step has a tensor that was left on the CPU, none reads from the device, and a graph can capture what it should."""
    seen = trace(net, recipe, **more)
    assert {type(one).__name__ for one, _ in seen} == {"Training", "Testing"}
    for one, watched in seen:
        assert not +watched.mixed and not +watched.reads, (type(one).__name__, +watched.mixed, +watched.reads)
        assert one.capturable == (captured or not isinstance(one, Training))


@pytest.mark.parametrize("name", list(RECIPES))
def test_recipes(name: str) -> None:
    recipe = Recipe.named(name)
    check("WRN-10-1-dropout0.3", recipe, recipe.kinds[0].capturable)


@pytest.mark.parametrize("net", list(NETWORKS))
def test_networks(net: str) -> None:
    check(net, Recipe.named("wrn_cifar", precision="bfloat16"), "survival" not in net, imagenet=NETWORKS[net])


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({"optimizer": "adam"}, {}),
        ({"optimizer": "nadam"}, {}),
        ({"optimizer": "rmsprop"}, {}),
        ({"precision": "bfloat16"}, {"plain": True}),
        ({"checkpoint_activations": "blocks"}, {}),
        ({"precision": "tf32"}, {}),
        ({"precision": "float16"}, {}),
        ({"last_batch": "keep"}, {"augment": "none"}),
        ({"clip_norm": 1.0}, {"augment": "flip"}),
        ({"accumulate": 2}, {"augment": "crop"}),
        ({"ema": {"decay": 0.9}, "mixup": 0.2, "loss": "bce"}, {}),
    ],
    ids=str,
)
def test_ways_to_train(changes: dict[str, Any], more: dict[str, Any]) -> None:
    check("WRN-10-1", Recipe.named("wrn_cifar", **changes), **more)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda loss: loss.item(), "reads"),
        (lambda loss: loss + torch.ones(()), "mixed"),
        (lambda loss: loss.cpu(), "copies"),
    ],
)
def test_what_is_wrong_would_be_seen(wrong: Any, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add = Pass.add

    def add_wrong(self: Any, loss: torch.Tensor, *more: torch.Tensor) -> None:
        with contextlib.suppress(Exception):  # a value that is not there cannot be read
            wrong(loss)
        add(self, loss, *more)

    monkeypatch.setattr(Pass, "add", add_wrong)
    with pytest.raises(AssertionError):
        check("WRN-10-1", Recipe.named("wrn_cifar"))


# Operations without a deterministic CUDA kernel: beginnings of names.
# Source: documentation of torch.use_deterministic_algorithms().
REFUSED = (
    *("_adaptive_avg_pool2d_backward", "adaptive_max_pool2d_backward", "fractional_max_pool2d_backward", "max_unpool2d"),
    *("reflection_pad2d_backward", "upsample_", "grid_sampler_2d_backward", "nll_loss2d", "_ctc_loss_backward", "put_"),
    *("histc", "median", "_embedding_bag_backward"),
)


def refused(network: torch.nn.Module, images: torch.Tensor) -> set[str]:
    """The refused operations of a network's forward and backward passes."""
    with Watched() as watched:
        F.cross_entropy(network(images), torch.zeros(len(images), dtype=torch.int64)).backward()
    names = {name.removeprefix("aten.") for name in watched.operations}
    return {name for name in names if name.startswith(REFUSED)}


@pytest.mark.parametrize("net", list(NETWORKS))
def test_no_pass_of_a_network_is_refused_as_not_deterministic_on_cuda(net: str) -> None:
    architecture = parse_architecture(net, imagenet=NETWORKS[net])
    classes, shape = task_of(architecture, 10, 64 if NETWORKS[net] else 32, 3)
    assert not refused(build(blueprint(architecture, classes, shape)).train(), torch.randn(2, *shape))


def test_what_is_refused_would_be_seen() -> None:
    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten())
    assert refused(network, torch.randn(2, 3, 8, 8, requires_grad=True)) == {"_adaptive_avg_pool2d_backward.default"}
