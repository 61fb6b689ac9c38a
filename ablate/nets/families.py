"""The table of families, with the blueprint and the counts of a network of any family.

A package adds a family by an entry point in the group `ablate.families` that names a Family.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple, Optional

from ablate.errors import NotationError, allowed
from ablate.nets import imagenet, plain, resnet, wide_resnet
from ablate.nets.architecture import DEFAULTS, Architecture, format_block
from ablate.nets.blueprint import Blueprint, Custom, Section, Shape
from ablate.nets.counts import Counts, LinearCounts, count, count_linearly
from ablate.nets.family import Family
from ablate.own_modules import default_arguments
from ablate.registry import Registry

PYTHON = "python"  # the family of user-defined networks
IMAGENET = "ImageNet-"  # prefix of the families of networks for ImageNet
# Arguments that are set here, so they are no axes.
OFFERED = ("classes", "num_classes", "input_shape", "in_channels", "out_channels", "stride")

BUILT_IN = (
    imagenet.RESNET,
    imagenet.PRE_RESNET,
    imagenet.RESNEXT,
    wide_resnet.FAMILY,
    resnet.RESNET,
    resnet.PRE_RESNET,
    resnet.RESNEXT,
    plain.NIN,
    plain.VGG,
)


def _custom_network(architecture: Architecture, classes: int, input_shape: Shape) -> Blueprint:
    """The blueprint of a user-defined network: one opaque layer."""
    offered = (("classes", classes), ("num_classes", classes), ("input_shape", input_shape))
    network = Custom(architecture.python, classes, 0, architecture.args, offered, architecture.code)
    return Blueprint(input_shape, (Section("network", (network,)),))


CUSTOM = Family(PYTHON, "your own code", "python", (), (), "{python}".format_map, _custom_network, ("args",))

# Every family by its name: built-in families, user-defined networks, families of installed packages.
FAMILIES = Registry("ablate.families", Family, *BUILT_IN, CUSTOM)


def find_family(key: str) -> Family:
    """The family of a key.

    Args:
        key: Such as "WRN" or "ImageNet-ResNet".

    Raises:
        NotationError: There is no such family.
    """
    try:
        return FAMILIES[key]
    except KeyError:
        named = [key for key, family in FAMILIES.items() if family.heads]
        raise NotationError(f"family '{key}'; {allowed(key, named)}") from None


def axes_of(architecture: Architecture) -> dict[str, Any]:
    """Every axis of a network by name, as plain values.

    Returns:
        "family", "N" (None for a family without depth), the family's axes, and the arguments of a user-defined network or
        block as "args.<name>", with the defaults of its signature.
    """
    family = find_family(architecture.family)
    named = [axis for axis in ("python", *family.axes) if axis != "args" and (axis != "python" or architecture.python)]
    axes = {axis: getattr(architecture, axis) for axis in named}
    if "block" in axes or family.table:
        axes["block"] = format_block(architecture.block)
    args = {f"args.{name}": value for name, value in arguments_of(architecture).items()}
    return {"family": family.key, "N": architecture.N if family.has_depth else None, **axes, **args}


def arguments_of(architecture: Architecture) -> dict[str, Any]:
    """The arguments of a user-defined network or block by name: the defaults of its signature, and those that are written.

    Raises:
        NotationError: The callable is missing, or raises an error.
    """
    written = json.loads(architecture.args)
    if not architecture.code:
        return dict(written)
    known = default_arguments(architecture.python or format_block(architecture.block), architecture.code)
    return {**{name: value for name, value in known.items() if name not in OFFERED}, **written}


def task_of(
    architecture: Architecture, classes: int | None = None, image_size: int | None = None, channels: int = 3
) -> tuple[int, Shape]:
    """(classes, input shape) for a network; by default those of ImageNet or CIFAR-10, whichever its family is made for.

    Args:
        architecture: The network.
        classes: Number of classes; None for 1000 (ImageNet) or 10.
        image_size: Height and width in pixels; None for 224 (ImageNet) or 32.
        channels: 1 or 3.
    """
    usual, size = (1000, 224) if architecture.family.startswith(IMAGENET) else (10, 32)
    return classes or usual, (channels, image_size or size, image_size or size)


class Head(NamedTuple):
    """What a task other than classification puts in place of a classifier's last layers.

    Args:
        make: (blueprint of the classifier, classes, settings) -> the blueprint of the task's network; it raises
            NotationError for a network that it cannot use.
        settings: (name, value) of each setting.
    """

    make: Callable[[Blueprint, int, Mapping[str, Any]], Blueprint]
    settings: tuple[tuple[str, Any], ...]


@lru_cache(maxsize=4096)
def blueprint(
    architecture: Architecture, classes: int = 10, input_shape: Shape = (3, 32, 32), head: Optional[Head] = None
) -> Blueprint:
    """The blueprint of a network.

    Args:
        architecture: The network.
        classes: Number of classes.
        input_shape: (channels, height, width) of an image.
        head: Of the task; None: a classifier.

    Raises:
        NotationError: There is no such family, or the task cannot use the network.
    """
    network = find_family(architecture.family).blueprint(architecture, classes, input_shape)
    return head.make(network, classes, dict(head.settings)) if head else network


def count_network(
    architecture: Architecture, classes: int = 10, input_shape: Shape = (3, 32, 32), head: Optional[Head] = None
) -> Counts:
    """Exact totals of a network.

    Args:
        architecture, classes, input_shape, head: As in blueprint().

    Raises:
        NotationError: Images are too small for the network, or a user-defined module or the task cannot be used.
    """
    return counts_along(architecture, "N", classes, input_shape, head)(architecture.N)


def counts_along(
    architecture: Architecture, axis: str, classes: int = 10, input_shape: Shape = (3, 32, 32), head: Optional[Head] = None
) -> Callable[[Any], Counts]:
    """A function from a value of one axis to the totals of the network with this value. It raises NotationError.

    Where the groups are alike, the blocks are counted once for networks of every depth, dropout and survival.

    Args:
        architecture, classes, input_shape, head: As in blueprint().
        axis: Name of the axis, such as "N" or "k".
    """
    n = architecture.N
    if not (isinstance(n, int) and find_family(architecture.family).groups):
        return lambda value: _count(architecture.with_axis(axis, value), classes, input_shape, head)
    along_k = axis == "N"  # the depth is an argument of LinearCounts.at(), so any other axis can be the key
    i = _COSTLY.index("k" if along_k else axis)
    values = _costly(architecture)
    by_value = _by_value(values[:i], values[i + 1 :], architecture.dropout > 0, classes, input_shape, head)
    return by_value[values[i]].at if along_k else lambda value: by_value[value].at(n)


_COSTLY = tuple(axis for axis in DEFAULTS if axis not in ("dropout", "survival"))  # these two rates change no count
_costly = attrgetter(*_COSTLY)


def what_counts(architecture: Architecture) -> tuple[Any, ...]:
    """The values that the counts of a network depend on. Networks with equal values have equal counts."""
    return architecture.N, architecture.dropout > 0, *_costly(architecture)


class _ByValue(dict[Any, LinearCounts]):
    """The counts of networks of any depth that differ in one axis of _COSTLY, by the value of this axis.

    `before` and `after` are the values of the other axes, in the order of _COSTLY.
    """

    def __init__(self, before: tuple[Any, ...], after: tuple[Any, ...], drops: bool, *task: Any) -> None:
        self.before, self.after, self.drops, self.task = before, after, drops, task

    def __missing__(self, value: Any) -> LinearCounts:
        axes = dict(zip(_COSTLY, (*self.before, value, *self.after)))
        architecture = Architecture(3, **axes, dropout=0.5 if self.drops else 0.0)
        return self.setdefault(value, count_linearly(blueprint(architecture, *self.task)))


_by_value = lru_cache(maxsize=65536)(_ByValue)


@lru_cache(maxsize=65536)
def _count(architecture: Architecture, classes: int, input_shape: Shape, head: Optional[Head]) -> Counts:
    """The counts of a network, cached."""
    return count(blueprint(architecture, classes, input_shape, head))
