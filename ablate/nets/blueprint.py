"""A network as plain data: layers in sections. No torch here; shapes are (channels, height, width) of one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Union

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Conv:
    """A square convolution padded by kernel // 2; groups: into how many its channels are split."""

    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    bias: bool = False


@dataclass(frozen=True, slots=True)
class BatchNorm:
    channels: int


@dataclass(frozen=True, slots=True)
class GroupNorm:
    channels: int
    groups: int


@dataclass(frozen=True, slots=True)
class Activation:
    """A pointwise nonlinearity by its name. inplace: its input is needed by nobody else."""

    kind: str = "relu"
    inplace: bool = True


@dataclass(frozen=True, slots=True)
class Dropout:
    rate: float


@dataclass(frozen=True, slots=True)
class Pool:
    """Square pooling, "max" or "average". partial: a last window that the image does not fill counts too."""

    kind: str
    kernel: int
    stride: int
    padding: int = 0
    partial: bool = False


@dataclass(frozen=True, slots=True)
class GlobalPool:
    """Mean or maximum over height and width, flattened to (channels,)."""

    kind: str = "average"


@dataclass(frozen=True, slots=True)
class Linear:
    in_features: int
    out_features: int


@dataclass(frozen=True, slots=True)
class Subsample:
    """A shortcut without parameters: every stride-th pixel, the missing channels zero (ResNet's option A)."""

    in_channels: int
    out_channels: int
    stride: int


@dataclass(frozen=True, slots=True)
class Residual:
    """after(shortcut(s) + branch(s)) of s = shared(x); an empty shortcut is the identity.

    survival: with this probability the branch is there in a training batch; in evaluation it is scaled by it.
    """

    shared: tuple[Layer, ...]
    branch: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()
    after: tuple[Layer, ...] = ()
    survival: float = 1.0


@dataclass(frozen=True, slots=True)
class Custom:
    """A reader's "module:callable" with its arguments; it returns a torch module.

    args: JSON, which tells 1 from 1.0; offered: arguments it is given if it names them; code: a digest of its source, so
    that other code is another layer. out_channels and stride: what it must make of its input; stride 0
    stands for one value a channel.
    """

    python: str
    out_channels: int
    stride: int
    args: str = "{}"
    offered: tuple[tuple[str, Any], ...] = ()
    code: str = ""


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same shape-preserving layer, `times` times over, each with weights of its own."""

    layer: Layer
    times: int


Layer = Union[
    Conv,
    BatchNorm,
    GroupNorm,
    Activation,
    Dropout,
    Pool,
    GlobalPool,
    Linear,
    Subsample,
    Residual,
    Custom,
    Repeat,
]


class Section(NamedTuple):
    """A named stretch of layers: conv1, a group of blocks, the head."""

    name: str
    layers: tuple[Layer, ...]


class Blueprint(NamedTuple):
    """A whole network: the shape of its input image and its sections in order."""

    input_shape: Shape
    sections: tuple[Section, ...]
