"""Blueprint -> torch.nn.Module.

initialization.py has the rules for the first weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ablate.nets import blueprint as bp
from ablate.nets.activations import ACTIVATIONS
from ablate.nets.custom import CustomModule, make_module
from ablate.nets.detector import DetectionNetwork, DetectorModule
from ablate.nets.initialization import BATCH_NORM_INITS, CONVOLUTION_INITS
from ablate.own_code import seeded_draws


class Dropout(nn.Module):
    """Set each element to zero with probability `rate` in training.

    The trainer sets `generator`; with None the draws come from torch's global generator.

    Args:
        rate: 0 to below 1.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """The features with dropout applied in training, unchanged in evaluation.

        Args:
            x: Features of any shape.
        """
        if not self.training or self.rate == 0:
            return x
        return (x * self._draw_kept(x)) / (1 - self.rate)

    def _draw_kept(self, x: Tensor) -> Tensor:
        """Ones with probability 1 - `rate`, else zeros, in the shape, layout and type of x.

        On a CPU bernoulli_() takes a quarter of a training step. Numbers of 32 bits, two a draw, take a third of its time;
        the probability is exact to 2^-32.
        """
        kept = torch.empty_like(x)
        if x.device.type != "cpu":
            return kept.bernoulli_(1 - self.rate, generator=self.generator)
        count = kept.numel()
        draws = torch.empty((count + 1) // 2, dtype=torch.int64).random_(-(2**63), None, generator=self.generator)
        below = draws.view(torch.int32)[:count] < min(round((1 - self.rate) * 2**32) - 2**31, 2**31 - 1)
        kept.as_strided((count,), (1,)).copy_(below)  # in the order of the memory, whatever the layout
        return kept

    def extra_repr(self) -> str:
        """The rate, for torch's printout of the module."""
        return f"rate={self.rate}"


class GlobalMaxPool(nn.Module):
    """The maximum over height and width. torch's own layer has no deterministic gradient on every device."""

    def forward(self, x: Tensor) -> Tensor:
        """The maximum of each channel, (N, C).

        Args:
            x: Features (N, C, H, W).
        """
        return x.amax((2, 3))


class Subsample(nn.Module):
    """Every stride-th pixel, or the mean of stride x stride, with the missing channels zero.

    Args:
        layer: Its description.
    """

    def __init__(self, layer: bp.Subsample) -> None:
        super().__init__()
        self.stride, self.more = layer.stride, layer.out_channels - layer.in_channels
        self.pooled = layer.pooled

    def forward(self, x: Tensor) -> Tensor:
        """The subsampled features (N, out_channels, ceil(H / stride), ceil(W / stride)).

        Args:
            x: Features (N, in_channels, H, W).
        """
        kept = F.avg_pool2d(x, self.stride, ceil_mode=True) if self.pooled else x[:, :, :: self.stride, :: self.stride]
        return F.pad(kept, (0, 0, 0, 0, 0, self.more))


class Residual(nn.Module):
    """A residual block: after(shortcut(s) + branch(s)) with s = shared(x).

    With survival below 1, one draw per training batch decides whether the branch is active, from a generator on the CPU
    that the trainer sets; in evaluation the branch is scaled by survival. With `checkpoint`, the features inside the block
    are not kept for the backward pass but computed again, with the same dropout and without a second update of the batch
    statistics.

    Args:
        layer: Its description.
    """

    def __init__(self, layer: bp.Residual) -> None:
        super().__init__()
        self.shared = _sequence(layer.shared)
        self.branch = _sequence(layer.branch)
        self.shortcut = _sequence(layer.shortcut)
        self.after = _sequence(layer.after)
        self.survival = layer.survival
        self.generator: torch.Generator | None = None
        self.checkpoint = False
        self.compiled: Callable[[Tensor, float], Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """The features after the block, (N, out_channels, H', W').

        Args:
            x: Features (N, C, H, W).
        """
        scale = 1.0
        if self.survival < 1:
            scale = float(torch.rand((), generator=self.generator) < self.survival) if self.training else self.survival
        if not (self.checkpoint and self.training and torch.is_grad_enabled()):
            return (self.compiled or self._compute)(x, scale)
        again = Recomputation(self)
        result: Tensor = checkpoint(
            self._compute,
            x,
            scale,
            use_reentrant=False,
            preserve_rng_state=again.draws_globally,
            context_fn=lambda: (nullcontext(), again.context()),
        )
        return result

    def _compute(self, x: Tensor, scale: float) -> Tensor:
        """The features after the block, with the branch scaled by `scale`; at 0 the branch is not computed."""
        x = self.shared(x)
        result: Tensor = self.shortcut(x)
        if scale == 1:
            result = result + self.branch(x)
        elif scale > 0:
            result = result + scale * self.branch(x)
        elif self.after:
            result = result.clone()  # it may be this block's input, which `after` must not overwrite
        return self.after(result)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """The survival probability, for torch's printout of the module; "" if it is 1."""
        return f"survival={self.survival:g}" if self.survival < 1 else ""


class Narrow(nn.Conv2d):
    """A strided 1x1 convolution of fewer than 8 channels. On the CPU it first selects the pixels that it reads.

    PyTorch 2.15's own convolution writes outside of its memory in the backward pass on processors without AVX-512.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The convolved features (N, out_channels, H', W').

        Args:
            x: Features (N, in_channels, H, W).
        """
        if x.device.type != "cpu":
            return super().forward(x)
        rows, columns = self.stride
        return F.conv2d(x[:, :, ::rows, ::columns], self.weight, self.bias, groups=self.groups)


class Recomputation:
    """The second computation of a block, with the dropout draws of the first: it restores the generators' earlier states.

    Args:
        block: The block, before its first computation.
    """

    def __init__(self, block: Residual) -> None:
        self.norms = [module for module in block.modules() if isinstance(module, nn.BatchNorm2d)]
        drops = [module.generator for module in block.modules() if isinstance(module, Dropout)]
        self.states = {generator: generator.get_state() for generator in drops if generator}
        self.draws_globally = None in drops

    @contextmanager
    def context(self) -> Iterator[None]:
        """Run the body with the generator states of the first computation and without updates of the batch statistics."""
        now = {generator: generator.get_state() for generator in self.states}
        kept = [(norm, norm.momentum, norm.num_batches_tracked) for norm in self.norms]
        try:
            for generator, state in self.states.items():
                generator.set_state(state)
            for norm in self.norms:  # the second pass over the same batch must not change the running statistics
                norm.momentum, norm.num_batches_tracked = 0.0, None
            yield
        finally:
            for generator, state in now.items():
                generator.set_state(state)
            for norm, momentum, batches in kept:
                norm.momentum, norm.num_batches_tracked = momentum, batches


def build(
    blueprint: bp.Blueprint,
    generator: torch.Generator | None = None,
    convolution: str = "fan_in",
    batch_norm_weight: str = "ones",
) -> nn.Sequential:
    """The module of a blueprint on the CPU; it maps images (N, C, H, W) to logits (N, classes), or is a DetectionNetwork.

    A user-defined module keeps its own initialization, for which the global generators of Python, NumPy and torch are
    seeded with the generator's initial seed.

    Args:
        blueprint: The network.
        generator: Source of the initial weights; None for torch's global generator.
        convolution: The rule for the weights of convolutions; see initialize().
        batch_norm_weight: The rule for the weights of batch norm.
    """
    detects = isinstance(blueprint.sections[-1].layers[-1], bp.Detector)
    network = DetectionNetwork() if detects else nn.Sequential()
    with _seeded(generator.initial_seed()) if generator else nullcontext():
        for section in blueprint.sections:
            network.add_module(section.name, _sequence(section.layers))
        initialize(network, generator, convolution, batch_norm_weight)
    return network


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Run the body with the global generators of Python, NumPy and torch seeded, and restore them."""
    with seeded_draws(seed), torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        yield


def initialize(
    network: nn.Module,
    generator: torch.Generator | None = None,
    convolution: str = "fan_in",
    batch_norm_weight: str = "ones",
) -> None:
    """Draw all weights, in the order of the modules, except those of user-defined modules and of a detector.

    Batch norm is drawn after all else, so that its rule changes no other weight.

    Args:
        network: Changed in place.
        generator: Source of the weights; None for torch's global generator.
        convolution: A name of CONVOLUTION_INITS.
        batch_norm_weight: A name of BATCH_NORM_INITS.
    """
    rule, norm = CONVOLUTION_INITS[convolution], BATCH_NORM_INITS[batch_norm_weight]
    with torch.no_grad():
        for module in _own(network):
            if isinstance(module, nn.Conv2d):
                fan = rule.fan(*module.weight.shape, module.groups)  # type: ignore[call-arg]
                module.weight.normal_(0, math.sqrt(2 / fan), generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.in_features)
                module.weight.uniform_(-bound, bound, generator=generator)
                module.bias.zero_()
        if norm.draw:
            branches = [branch for module in _own(network) if (branch := getattr(module, "branch", None))]
            last = {list(branch)[-1] for branch in branches}
            for module in _own(network):
                if isinstance(module, nn.BatchNorm2d) and (not norm.last or module in last):
                    norm.draw(module.weight, generator)


def _own(network: nn.Module) -> Iterator[nn.Module]:
    """The modules that have weights of their own, in order, without user-defined modules and detector."""
    for module in network.children():
        if not isinstance(module, (CustomModule, DetectorModule)):
            yield module
            yield from _own(module)


def checkpoint_blocks(network: nn.Module) -> None:
    """Compute every block again in the backward pass instead of keeping its features: less memory, more time, same result.

    Args:
        network: Changed in place.
    """
    for module in network.modules():
        if isinstance(module, Residual):
            module.checkpoint = True


def compile_blocks(network: nn.Module) -> None:
    """Compile every block at its first batch; blocks of the same kind and size share the compiled code.

    Dropout itself is not compiled, so its draws do not change. A network without blocks is unchanged.

    Args:
        network: Changed in place.
    """
    import torch._dynamo

    # Above the limit a block would silently run uncompiled, with other last bits. With this setting it raises.
    torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = 4096
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled())  # for what is compiled too
    for module in network.modules():
        if isinstance(module, Residual):
            module.compiled = torch.compile(module._compute, dynamic=False)
        elif isinstance(module, Dropout):
            module.forward = torch.compiler.disable(module.forward)  # type: ignore[method-assign, no-untyped-call]


def _sequence(layers: Iterable[bp.Layer]) -> nn.Sequential:
    return nn.Sequential(*(module for layer in layers for module in _modules(layer)))


def _modules(layer: bp.Layer) -> Iterator[nn.Module]:
    """The modules of one layer, in order."""
    match layer:
        case bp.Conv(in_channels, out_channels, kernel, stride, groups, bias):
            kind = Narrow if (kernel, stride > 1, in_channels < 8) == (1, True, True) else nn.Conv2d
            yield kind(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=bias)
        case bp.BatchNorm(channels):
            yield nn.BatchNorm2d(channels)
        case bp.GroupNorm(channels, groups):
            yield nn.GroupNorm(groups, channels)
        case bp.Activation(name, inplace):
            activation = ACTIVATIONS[name]
            yield getattr(nn, activation.module)(**({"inplace": inplace} if activation.in_place else {}))
        case bp.Dropout(rate):
            yield Dropout(rate)
        case bp.Linear(in_features, out_features):
            yield nn.Linear(in_features, out_features)
        case bp.Pool("max", kernel, stride, padding, partial):
            yield nn.MaxPool2d(kernel, stride, padding, ceil_mode=partial)
        case bp.Pool(_, kernel, stride, padding, partial):
            yield nn.AvgPool2d(kernel, stride, padding, ceil_mode=partial)
        case bp.GlobalPool(kind):
            yield GlobalMaxPool() if kind == "max" else nn.AdaptiveAvgPool2d(1)
            yield nn.Flatten()
        case bp.Subsample():
            yield Subsample(layer)
        case bp.Residual():
            yield Residual(layer)
        case bp.Custom():
            yield make_module(layer)
        case bp.Detector():
            yield DetectorModule(layer)
        case bp.Repeat(repeated, times):
            for _ in range(times):
                yield from _modules(repeated)
