"""A network as plain data: sections of layers. No torch here; shapes are (channels, height, width) of one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Union

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Conv:
    """A square convolution, padded by kernel // 2.

    Args:
        in_channels: Channels of its input.
        out_channels: Channels of its output.
        kernel: Side of the kernel in pixels, odd.
        stride: In pixels, in both directions.
        groups: Number of groups that the channels are split into.
        bias: Whether it has a bias for each output channel.
    """

    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    bias: bool = False


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """Batch normalization with a trainable scale and shift.

    Args:
        channels: Channels of its input.
    """

    channels: int


@dataclass(frozen=True, slots=True)
class GroupNorm:
    """Group normalization with a trainable scale and shift.

    Args:
        channels: Channels of its input.
        groups: Number of groups that the channels are split into.
    """

    channels: int
    groups: int


@dataclass(frozen=True, slots=True)
class Activation:
    """A pointwise nonlinearity.

    Args:
        kind: Its name, one of activations.ACTIVATIONS.
        inplace: Whether it may overwrite its input, because no other layer needs it.
    """

    kind: str = "relu"
    inplace: bool = True


@dataclass(frozen=True, slots=True)
class Dropout:
    """Dropout of single elements.

    Args:
        rate: Probability that an element is set to zero in training, 0 to below 1.
    """

    rate: float


@dataclass(frozen=True, slots=True)
class Pool:
    """Square pooling.

    Args:
        kind: "max" or "average".
        kernel: Side of the window in pixels.
        stride: In pixels, in both directions.
        padding: Pixels on each side.
        partial: Whether a last window that is only partly inside the image counts too.
    """

    kind: str
    kernel: int
    stride: int
    padding: int = 0
    partial: bool = False


@dataclass(frozen=True, slots=True)
class GlobalPool:
    """Mean or maximum over height and width, flattened to (channels,).

    Args:
        kind: "average" or "max".
    """

    kind: str = "average"


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer with bias.

    Args:
        in_features: Numbers in its input.
        out_features: Numbers in its output.
    """

    in_features: int
    out_features: int


@dataclass(frozen=True, slots=True)
class Subsample:
    """A shortcut without parameters: every stride-th pixel or the mean of stride x stride; the missing channels are zero.

    Args:
        in_channels: Channels of its input.
        out_channels: Channels of its output, at least in_channels.
        stride: In pixels, in both directions.
        pooled: Whether the pixels are averaged (Huang et al. 2016) and not left out (option A of ResNet).
    """

    in_channels: int
    out_channels: int
    stride: int
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class Residual:
    """A residual block: after(shortcut(s) + branch(s)) with s = shared(x).

    Args:
        shared: Layers before branch and shortcut.
        branch: Layers of the residual branch.
        shortcut: Layers of the shortcut; empty for the identity.
        after: Layers after the addition.
        survival: Probability that the branch is active in a training batch. In evaluation the branch is scaled by it.
    """

    shared: tuple[Layer, ...]
    branch: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()
    after: tuple[Layer, ...] = ()
    survival: float = 1.0


@dataclass(frozen=True, slots=True)
class Custom:
    """A user-defined "module:callable" that returns a torch module.

    Args:
        python: The callable, as "module:callable".
        out_channels: Channels that its output must have.
        stride: Ratio of input to output size; 0 if the output must be one value per channel.
        args: Its arguments as JSON, which distinguishes 1 from 1.0.
        offered: (name, value) of arguments that are passed if the callable has parameters of these names.
        code: Digest of its source, so that a layer with other code is another layer.
    """

    python: str
    out_channels: int
    stride: int
    args: str = "{}"
    offered: tuple[tuple[str, Any], ...] = ()
    code: str = ""


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same shape-preserving layer several times, each time with separate weights.

    Args:
        layer: The layer.
        times: How often, 0 or more.
    """

    layer: Layer
    times: int


@dataclass(frozen=True, slots=True)
class Shared:
    """Layers with one set of weights that are applied to several inputs, such as the head of each level of a pyramid.

    Args:
        name: Of these layers.
        layers: In order.
        inputs: (shape of an input, how many inputs have it), for one image.
    """

    name: str
    layers: tuple[Layer, ...]
    inputs: tuple[tuple[Shape, int], ...]


@dataclass(frozen=True, slots=True)
class Detector:
    """The layers of an object detector after the features of several sections; see detection.py.

    Args:
        classes: Number of classes, without the background.
        sources: (section, shape of its output) of the features, from fine to coarse.
        parts: Its layers.
        settings: (name, value) of the settings that it is built with.
    """

    classes: int
    sources: tuple[tuple[str, Shape], ...]
    parts: tuple[Shared, ...]
    settings: tuple[tuple[str, Any], ...]


Layer = Union[
    Conv, BatchNorm, GroupNorm, Activation, Dropout, Pool, GlobalPool, Linear, Subsample, Residual, Custom, Repeat, Detector
]


class Section(NamedTuple):
    """Consecutive layers with a name: conv1, a group of blocks, the head.

    Args:
        name: Such as "conv1".
        layers: In order.
    """

    name: str
    layers: tuple[Layer, ...]


class Blueprint(NamedTuple):
    """A whole network.

    Args:
        input_shape: (channels, height, width) of an input image.
        sections: In order.
    """

    input_shape: Shape
    sections: tuple[Section, ...]
