"""Steps of training and testing on a GPU that is not there: tensors without values, whose device says "cuda".

PyTorch's FakeTensorMode checks shapes, types and devices in each operation and computes nothing. So a tensor that was left
on the CPU is found, and a step that reads from the device. There is no backward pass, as autograd's threads need a device;
gradients are made as it would make them.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ablate.data.tensors import LabelledTensors, Normalization
from ablate.kinds import uncompiled
from ablate.nets.build import build, checkpoint_blocks
from ablate.nets.families import blueprint, task_of
from ablate.nets.notation import parse_architecture
from ablate.study.data import Data
from ablate.study.recipe import Recipe
from ablate.train.batches import TestBatches, TrainingBatches
from ablate.train.optimization import make_optimizer, start_epoch
from ablate.train.passes import Pass
from ablate.train.testing import Testing
from ablate.train.training import Training

# What reads from the device, so that the host waits for it.
READS = ("_local_scalar_dense", "item", "nonzero", "masked_select", "unique", "equal.default", "is_nonzero")
IMAGES, BATCH = 40, 16


class Watched(TorchDispatchMode):
    """Notes the operations of a step, those on tensors of several devices, and those that read from the device."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()
        self.mixed: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, str(func)
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        devices = {one.device.type for one in tensors}
        self.operations[name] += 1
        self.mixed[name] += len(devices) > 1 or ("_to_copy" in name and devices == {"cpu"})
        self.reads[name] += any(word in name for word in READS) and "cuda" in devices
        if "_fused_" in name:  # it has no shapes to check, but it takes lists of tensors that must be alike
            check_fused(args, kwargs)
            return None
        result = func(*args, **kwargs)
        made = {one.device.type for one in tree_leaves(result) if isinstance(one, Tensor)}
        self.reads[name] += "cuda" in devices and "cpu" in made
        return result


def check_fused(args: Any, kwargs: Any) -> None:
    """What the kernel of a fused update asks of each parameter with its gradient and its state, and of the rate."""
    lists = [one for one in args if isinstance(one, (list, tuple)) and one and isinstance(one[0], Tensor)]
    for first, *others in zip(*lists):
        assert all(one.device == first.device for one in others), [one.device for one in (first, *others)]
        assert all(one.stride() == first.stride() for one in others if one.ndim), [one.stride() for one in (first, *others)]
    assert kwargs["lr"].device.type == "cuda" and kwargs["lr"].dtype == torch.float32


def trace(
    net: str, recipe: Recipe, augment: Any = "flip_crop", imagenet: bool = False, plain: bool = False
) -> list[tuple[Pass, Watched]]:
    """The first training step, the second, and so on, then the steps of a test, with what each did."""
    architecture = parse_architecture(net, imagenet=imagenet)
    classes, shape = task_of(architecture, 10, 64 if imagenet else 32, 3)
    recipe = recipe.model_copy(update={"batch_size": BATCH, "gpus": 1})
    data = Data.named("svhn", augment=augment, classes=classes)
    data = data.model_copy(update={"image_size": shape[1]})
    seen: list[tuple[Pass, Watched]] = []
    with FakeTensorMode(allow_non_fake_inputs=True), instead_of_a_gpu():
        made = (on_gpu(build(blueprint(architecture, classes, shape), **dict(recipe.init))) for _ in range(2))
        network, average = next(made), next(made) if recipe.ema.decay else None
        if recipe.checkpoint_activations == "blocks":
            checkpoint_blocks(network)
        pixels = torch.empty((IMAGES, *shape[1:], shape[0]), dtype=torch.uint8, device="cuda")
        part = LabelledTensors(pixels, torch.empty(IMAGES, dtype=torch.int64, device="cuda"))
        normalization = Normalization(torch.empty(3, device="cuda"), torch.empty(3, device="cuda"))
        with rates_given_late():
            optimizer = make_optimizer(recipe, network)
        batches = TrainingBatches(part, normalization, data, recipe, 0)
        training = Training(network, optimizer, batches, recipe, plain, average)
        testing = Testing(network, TestBatches(part, normalization, BATCH), recipe)
        with mock.patch.object(Tensor, "backward", lambda *given, **more: make_gradients(training)):
            for one in (training, testing):
                one.begin(1)
                for size in one.batches.sizes:
                    one.prepare(size)
                    with Watched() as watched:
                        one.step(size)
                    seen.append((one, watched))
        start_epoch(recipe, optimizer, 2, training.rates)
    return seen


def on_gpu(network: nn.Module) -> nn.Module:
    """A network as make_network() leaves it on a GPU; weights and statistics have no values."""
    for module in network.modules():
        for name, one in list(module._parameters.items()):
            if one is not None:
                kind = torch.channels_last if one.ndim == 4 else torch.contiguous_format
                empty = torch.empty(one.shape, dtype=one.dtype, device="cuda", memory_format=kind)
                module._parameters[name] = nn.Parameter(empty)
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = torch.zeros(buffer.shape, dtype=buffer.dtype, device="cuda")
    return network


def make_gradients(training: Training) -> None:
    """What backward() leaves: of the copies that were cast, and of all other weights."""
    copies = list(training.batched.copies.values()) if training.batched else []
    cast = {id(one) for one in training.batched.weights} if training.batched and copies else set()
    for one in (*copies, *(weight for weight in training.own.parameters() if id(weight) not in cast)):
        one.grad = torch.empty_like(one)


@contextlib.contextmanager
def rates_given_late() -> Iterator[None]:
    """Optimizers get their rate after they are made: they look at its value, which a fake tensor has not."""

    def late(kind: Any) -> Any:
        def make(groups: Any, lr: Any, **more: Any) -> Any:
            made = kind(groups, lr=0.1, **more)
            for group in made.param_groups:
                group["lr"] = lr
            return made

        return make

    with mock.patch.object(uncompiled, "uncompiled", lambda kind, find=uncompiled.uncompiled: late(find(kind))):
        yield


@contextlib.contextmanager
def instead_of_a_gpu() -> Iterator[None]:
    """What asks the driver for a GPU is answered here: generators, autocast."""
    make, rand = torch.Generator, torch.rand
    with contextlib.ExitStack() as stack:
        for target, name, value in (
            (torch, "Generator", lambda device="cpu": make()),
            (torch, "rand", lambda *size, **more: 0.5 if size in ((), ((),)) else rand(*size, **more)),
            (torch.cuda, "is_bf16_supported", lambda *given, **more: True),
            (torch.amp.autocast_mode.torch.cuda.amp.common, "amp_definitely_not_available", lambda: False),
        ):
            stack.enter_context(mock.patch.object(target, name, value))
        yield
