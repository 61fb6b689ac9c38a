"""Every count of a network, computed from its blueprint. No torch here.

All counts are for one image and one forward pass. multiply_adds counts convolutions and linear layers without their
biases. activations counts the output elements of the same layers (as RegNet does). parameters counts every trainable
number. kept counts the elements that autograd holds for the backward pass; kept_by_blocks counts the same where only
the input of each block is held and the features inside the block are computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from ablate.errors import NotationError
from ablate.nets import blueprint as bp
from ablate.nets.activations import ACTIVATIONS


class Counts(NamedTuple):
    """The counts of some consecutive layers, for one image.

    Args:
        parameters: Trainable numbers.
        multiply_adds: Of convolutions and linear layers, without biases.
        activations: Output elements of convolutions and linear layers.
        layers: Convolutions and linear layers.
        kept: Elements that autograd holds for the backward pass.
        entries: Elements of the input of each block, and elements that are kept outside of blocks.
        largest: Elements that are kept inside the block that keeps the most.
    """

    parameters: int
    multiply_adds: int
    activations: int
    layers: int
    kept: int = 0
    entries: int = 0
    largest: int = 0

    def __add__(self, other: Counts) -> Counts:  # type: ignore[override]
        return total((self, other))

    def times(self, n: int) -> Counts:
        """The counts of n times these layers.

        Args:
            n: 0 or more.
        """
        a, b, c, d, e, f, g = self
        return Counts(a * n, b * n, c * n, d * n, e * n, f * n, g if n else 0)

    @property
    def kept_by_blocks(self) -> int:
        """Elements held for the backward pass where blocks are computed again: their inputs, and the inside of one."""
        return min(self.kept, self.entries + self.largest)


NOTHING = Counts(0, 0, 0, 0)


class State(NamedTuple):
    """What a layer receives.

    Args:
        shape: (channels, height, width) of its input.
        held: Whether autograd already holds the input.
        outside: Whether it is held outside of a block.
    """

    shape: bp.Shape
    held: bool = False
    outside: bool = False


def count(blueprint: bp.Blueprint) -> Counts:
    """Exact totals of a network.

    Raises:
        NotationError: Images are too small for the network.
    """
    return total(counts for _, counts, _ in count_sections(blueprint))


class LinearCounts(NamedTuple):
    """Counts of a network as a linear function of the number of blocks per group.

    Args:
        one: With one block in each group.
        two: With two blocks in each group.
        later: What each further block per group adds.
    """

    one: Counts
    two: Counts
    later: Counts

    def at(self, n: int) -> Counts:
        """The counts with n blocks in each group. The largest block is among the first three.

        Args:
            n: Blocks per group, 1 or more.
        """
        if n == 1:
            return self.one
        (a, b, c, d, e, f, g), (h, i, j, k, l, m, o), more = self.two, self.later, n - 2
        largest = o if more and o > g else g
        return Counts(a + h * more, b + i * more, c + j * more, d + k * more, e + l * more, f + m * more, largest)


def count_linearly(blueprint: bp.Blueprint) -> LinearCounts:
    """Counts for any number of blocks, from a network with groups of one block and a Repeat of it.

    Raises:
        NotationError: Images are too small for the network.
    """
    firsts, seconds, laters = list[Counts](), list[Counts](), list[Counts]()
    state = State(blueprint.input_shape)
    for section in blueprint.sections:
        for layer in section.layers:
            repeated = layer.layer if isinstance(layer, bp.Repeat) else layer
            counts, after = _COUNT[type(repeated)](repeated, state)
            if repeated is layer:
                firsts.append(counts)
            else:
                seconds.append(counts)
                if after != state:
                    counts, after = _COUNT[type(repeated)](repeated, after)
                laters.append(counts)
            state = after
    one = total(firsts)
    return LinearCounts(one, one + total(seconds), total(laters))


def count_sections(blueprint: bp.Blueprint) -> Iterator[tuple[str, Counts, bp.Shape]]:
    """(name, counts, output shape) of each section in order.

    Raises:
        NotationError: Images are too small for the network.
    """
    state = State(blueprint.input_shape)
    for section in blueprint.sections:
        counts, state = _count_sequence(section.layers, state)
        yield section.name, counts, state.shape


def _count_sequence(layers: tuple[bp.Layer, ...], state: State) -> tuple[Counts, State]:
    """The sum of the counts of layers in order, and the state after them."""
    if not layers:
        return NOTHING, state
    parts = []
    for layer in layers:
        counts, state = _COUNT[type(layer)](layer, state)
        parts.append(counts)
    return parts[0] if len(parts) == 1 else total(parts), state


def total(parts: Iterable[Counts]) -> Counts:
    """The sum of all counts; `largest` is the maximum."""
    parameters = multiply_adds = activations = number = kept = entries = largest = 0
    for p, m, a, n, k, e, most in parts:  # explicit additions for speed: planning counts a hundred thousand networks
        parameters += p
        multiply_adds += m
        activations += a
        number += n
        kept += k
        entries += e
        largest = most if most > largest else largest
    return Counts(parameters, multiply_adds, activations, number, kept, entries, largest)


def _holding(state: State, more: int = 0) -> tuple[int, int]:
    """(kept, entries) of a layer that holds its input and `more` further elements for the backward pass."""
    channels, height, width = state.shape
    size = channels * height * width
    return more if state.held else size + more, more if state.outside else size + more


@lru_cache(maxsize=4096)
def _conv(layer: bp.Conv, state: State) -> tuple[Counts, State]:
    channels, height, width = state.shape
    assert channels == layer.in_channels, f"{layer} after {state}"
    height, width = (height - 1) // layer.stride + 1, (width - 1) // layer.stride + 1
    out_channels = layer.out_channels
    weights = out_channels * (channels // layer.groups) * layer.kernel**2
    area = height * width
    parameters = weights + out_channels if layer.bias else weights
    counts = Counts(parameters, weights * area, out_channels * area, 1, *_holding(state))
    return counts, State((out_channels, height, width))


@lru_cache(maxsize=4096)
def _norm(layer: bp.BatchNorm | bp.GroupNorm, state: State) -> tuple[Counts, State]:
    assert state.shape[0] == layer.channels, f"{layer} after {state}"
    return Counts(2 * layer.channels, 0, 0, 0, *_holding(state)), State(state.shape)


@lru_cache(maxsize=4096)
def _activation(layer: bp.Activation, state: State) -> tuple[Counts, State]:
    if not _holds_output(layer):
        return Counts(0, 0, 0, 0, *_holding(state)), State(state.shape)
    same = layer.inplace and ACTIVATIONS[layer.kind].in_place  # the output is the same tensor as the input
    return Counts(0, 0, 0, 0, *_holding(state if same else State(state.shape))), State(state.shape, True, True)


def _holds_output(layer: bp.Layer) -> bool:
    """Whether a layer is an activation that needs its output for the backward pass, not its input."""
    if not isinstance(layer, bp.Activation):
        return False
    kind = ACTIVATIONS[layer.kind]
    return kind.needs_output or (layer.inplace and kind.in_place)


@lru_cache(maxsize=4096)
def _dropout(layer: bp.Dropout, state: State) -> tuple[Counts, State]:
    return Counts(0, 0, 0, 0, *_holding(State(state.shape))), State(state.shape)  # the mask


def _pool(layer: bp.Pool, state: State) -> tuple[Counts, State]:
    channels, *sizes = state.shape
    height, width = (_pooled(layer, size) for size in sizes)
    indices = 2 * channels * height * width if layer.kind == "max" else 0  # an index has eight bytes
    return Counts(0, 0, 0, 0, *_holding(state, indices)), State((channels, height, width))


def _pooled(layer: bp.Pool, size: int) -> int:
    """The size of a pooled image in pixels, of an image of `size` pixels."""
    covered = size + 2 * layer.padding - layer.kernel
    out = (covered + (layer.stride - 1 if layer.partial else 0)) // layer.stride + 1
    out -= layer.partial and (out - 1) * layer.stride >= size + layer.padding  # no window begins in the padding
    if out < 1:
        raise NotationError(f"images are too small: {size} pixels where {layer.kernel} are pooled")
    return out


def _global_pool(layer: bp.GlobalPool, state: State) -> tuple[Counts, State]:
    channels = state.shape[0]
    if layer.kind == "max":
        return Counts(0, 0, 0, 0, *_holding(state, channels)), State((channels, 1, 1), True, True)
    return NOTHING, State((channels, 1, 1))


def _linear(layer: bp.Linear, state: State) -> tuple[Counts, State]:
    assert state.shape == (layer.in_features, 1, 1), f"{layer} after {state}"
    weights = layer.in_features * layer.out_features
    counts = Counts(weights + layer.out_features, weights, layer.out_features, 1, *_holding(state))
    return counts, State((layer.out_features, 1, 1))


def _subsample(layer: bp.Subsample, state: State) -> tuple[Counts, State]:
    channels, height, width = state.shape
    assert channels == layer.in_channels, f"{layer} after {state}"
    height, width = (height - 1) // layer.stride + 1, (width - 1) // layer.stride + 1
    return NOTHING, State((layer.out_channels, height, width))


def _residual(layer: bp.Residual, state: State) -> tuple[Counts, State]:
    counts, inner = _count_sequence(layer.shared, state)
    branch, out = _count_sequence(layer.branch, inner)
    first = layer.branch[0]
    held = inner.held or not _holds_output(first)  # whether the branch already holds the block's inner input
    shortcut, beside = _count_sequence(layer.shortcut, State(inner.shape, held))
    assert out.shape == beside.shape, f"branch {out} and shortcut {beside} differ"
    after, out = _count_sequence(layer.after, State(out.shape))
    parameters, multiply_adds, activations, number, kept, *_ = total((counts, branch, shortcut, after))
    input_kept, entry = _holding(state)
    opening = (*layer.shared, first)[0]
    if _holds_output(opening) and (layer.shared or not layer.shortcut):
        input_kept = 0  # no layer in the block holds the block's input
    counts = Counts(parameters, multiply_adds, activations, number, kept, entry, kept - input_kept)
    return counts, State(out.shape, out.held)


def _repeat(layer: bp.Repeat, state: State) -> tuple[Counts, State]:
    if layer.times == 0:
        return NOTHING, state
    first, out = _COUNT[type(layer.layer)](layer.layer, state)
    assert out.shape == state.shape, f"{layer} changes {state}"
    if layer.times == 1:
        return first, out
    rest, out = (first, out) if out == state else _COUNT[type(layer.layer)](layer.layer, out)
    return first + rest.times(layer.times - 1), out


def _custom(layer: bp.Custom, state: State) -> tuple[Counts, State]:
    from ablate.nets.custom import count_custom

    found, shape = count_custom(layer, state.shape)
    _, height, width = state.shape
    sides = ((height - 1) // layer.stride + 1, (width - 1) // layer.stride + 1) if layer.stride else (1, 1)
    if shape != (layer.out_channels, *sides):
        wanted = "x".join(map(str, (layer.out_channels, *sides)))
        made, given = ("x".join(map(str, shape)) for shape in (shape, state.shape))
        raise NotationError(f"{layer.python} makes {made} of {given}; allowed: {wanted}")
    return Counts(*found), State(shape)


@lru_cache(maxsize=4096)
def _detector(layer: bp.Detector, state: State) -> tuple[Counts, State]:
    """The weights of each part once, everything else once for each input."""
    found = []
    for part in layer.parts:
        for i, (shape, times) in enumerate(part.inputs):
            counts = _count_sequence(part.layers, State(shape))[0].times(times)
            one = counts.parameters // times if not i else 0
            found.append(counts._replace(parameters=one, layers=counts.layers // times if not i else 0))
    return total(found), State((layer.classes, 1, 1))


_COUNT: dict[type, Callable[[Any, State], tuple[Counts, State]]] = {
    bp.Conv: _conv,
    bp.BatchNorm: _norm,
    bp.GroupNorm: _norm,
    bp.Activation: _activation,
    bp.Dropout: _dropout,
    bp.Pool: _pool,
    bp.GlobalPool: _global_pool,
    bp.Linear: _linear,
    bp.Subsample: _subsample,
    bp.Residual: _residual,
    bp.Custom: _custom,
    bp.Repeat: _repeat,
    bp.Detector: _detector,
}
