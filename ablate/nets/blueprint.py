"""A network as plain data, and every count that is read from it. No torch here.

Shapes are (channels, height, width) of one image. Conventions, one image and one forward pass:
multiply_adds counts convolutions and linear layers, biases aside; activations counts the output elements of the same
layers (as RegNet does); parameters counts every trainable number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Union

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Conv:
    """A square convolution without bias, padded by kernel // 2."""

    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1


@dataclass(frozen=True, slots=True)
class BatchNorm:
    channels: int


@dataclass(frozen=True, slots=True)
class ReLU:
    pass


@dataclass(frozen=True, slots=True)
class Dropout:
    rate: float


@dataclass(frozen=True, slots=True)
class GlobalAveragePool:
    """Mean over height and width, flattened to (channels,)."""


@dataclass(frozen=True, slots=True)
class Linear:
    in_features: int
    out_features: int


@dataclass(frozen=True, slots=True)
class Residual:
    """shortcut(s) + branch(s) of s = shared(x); an empty shortcut is the identity."""

    shared: tuple[Layer, ...]
    branch: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same shape-preserving layer, `times` times over, each with weights of its own."""

    layer: Layer
    times: int


Layer = Union[Conv, BatchNorm, ReLU, Dropout, GlobalAveragePool, Linear, Residual, Repeat]


class Section(NamedTuple):
    """A named stretch of layers: conv1, a group of blocks, the head."""

    name: str
    layers: tuple[Layer, ...]


class Blueprint(NamedTuple):
    """A whole network: the shape of its input image and its sections in order."""

    input_shape: Shape
    sections: tuple[Section, ...]


class Counts(NamedTuple):
    """What a stretch of layers costs, for one image."""

    parameters: int
    multiply_adds: int
    activations: int
    layers: int  # convolutions and linear layers

    def __add__(self, other: Counts) -> Counts:  # type: ignore[override]
        return Counts(*(a + b for a, b in zip(self, other)))

    def times(self, n: int) -> Counts:
        return Counts(*(a * n for a in self))


NOTHING = Counts(0, 0, 0, 0)


def count(blueprint: Blueprint) -> Counts:
    """Exact totals of the whole network."""
    total = NOTHING
    for _, counts, _ in count_sections(blueprint):
        total += counts
    return total


def count_sections(blueprint: Blueprint) -> Iterator[tuple[str, Counts, Shape]]:
    """(name, counts, output shape) of each section in order."""
    shape = blueprint.input_shape
    for section in blueprint.sections:
        counts, shape = _count_sequence(section.layers, shape)
        yield section.name, counts, shape


def _count_sequence(layers: tuple[Layer, ...], shape: Shape) -> tuple[Counts, Shape]:
    total = NOTHING
    for layer in layers:
        counts, shape = _count_layer(layer, shape)
        total += counts
    return total, shape


def _count_layer(layer: Layer, shape: Shape) -> tuple[Counts, Shape]:
    channels, height, width = shape
    match layer:
        case Conv():
            assert channels == layer.in_channels, f"{layer} after {shape}"
            out = (layer.out_channels, (height - 1) // layer.stride + 1, (width - 1) // layer.stride + 1)
            weights = layer.out_channels * layer.in_channels * layer.kernel**2
            return Counts(weights, weights * out[1] * out[2], out[0] * out[1] * out[2], 1), out
        case BatchNorm():
            assert channels == layer.channels, f"{layer} after {shape}"
            return Counts(2 * layer.channels, 0, 0, 0), shape
        case Linear():
            assert shape == (layer.in_features, 1, 1), f"{layer} after {shape}"
            weights = layer.in_features * layer.out_features
            return Counts(weights + layer.out_features, weights, layer.out_features, 1), (layer.out_features, 1, 1)
        case GlobalAveragePool():
            return NOTHING, (channels, 1, 1)
        case ReLU() | Dropout():
            return NOTHING, shape
        case Repeat():
            counts, out = _count_layer(layer.layer, shape)
            assert out == shape, f"{layer} changes {shape}"
            return counts.times(layer.times), shape
        case Residual():
            shared, inner = _count_sequence(layer.shared, shape)
            branch, out = _count_sequence(layer.branch, inner)
            shortcut, beside = _count_sequence(layer.shortcut, inner)
            assert out == beside, f"branch {out} and shortcut {beside} differ"
            return shared + branch + shortcut, out
