"""Architecture: the axes of one network, every one of them with a value. Names and layers are in other modules."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import repeat
from operator import attrgetter
from typing import Any, Literal, Union

from ablate.errors import NotationError
from ablate.nets.activations import ACTIVATIONS

DepthRule = Literal["convolutions", "nominal"]
Kernels = tuple[int, ...]
Block = Union[Kernels, str]  # kernel sizes; "basic"; "bottleneck"; or a user-defined "module:callable"
Blocks = Union[int, tuple[int, ...]]  # blocks per group: one number for all groups, or one for each

BASIC: Kernels = (3, 3)
MAX_N = 2000  # blocks per group; a WRN-12004 is far deeper than anything that can be trained
MAX_K = 64.0
MAX_BLOCK = 16  # convolutions in a block
MAX_KERNEL = 15
MAX_CARDINALITY = 1024
MAX_BASE_WIDTH = 4096
DECIMALS = 6  # of every number in a name, so that every network has a name

SHORTCUTS = ("A", "B", "C", "P")
ACTIVATION_ORDERS = ("pre", "post", "bn_after_addition", "relu_before_addition", "relu_only_pre")
NORMS = ("batch", "group", "none")
POOLS = ("average", "max")
CHOICES = {
    "shortcut": SHORTCUTS,
    "activation_order": ACTIVATION_ORDERS,
    "norm": NORMS,
    "activation": tuple(ACTIVATIONS),
    "pool": POOLS,
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """The axes of one network, independent of the convention by which its depth is written.

    The defaults are those of the wide ResNet.

    Args:
        N: Blocks per group, 1 to 2000; one number for all groups, or one for each.
        k: Widening factor, 0.0625 to 64, with at most 6 decimals.
        block: Kernel sizes from first to last, "basic", "bottleneck", or a user-defined "module:callable".
        dropout: Rate inside the blocks, 0 to below 1.
        family: Key of the family, such as "WRN" or "ImageNet-ResNet".
        cardinality: Groups of a block's 3x3 convolution, 1 to 1024.
        base_width: Channels of each of these groups in the first stage, 1 to 4096.
        survival: Probability that the last block is active in a training batch, above 0 to 1. The probability of the
            other blocks decays linearly from 1 (stochastic depth).
        shortcut: One of SHORTCUTS: A and P without parameters, of which P
            averages pixels, B 1x1 where the shape changes, C 1x1 in every block.
        activation_order: One of ACTIVATION_ORDERS, as in figure 4 of He et al. 2016.
        norm: Kind of normalization, one of NORMS.
        activation: Nonlinearity, one of ACTIVATIONS.
        pool: Kind of the global pooling, one of POOLS.
        python: A user-defined network as "module:callable"; "" for a network of a built-in family.
        args: Arguments of the user-defined network or block, as JSON.
        code: Digest of the source of the user-defined network or block; "" if there is none.

    Raises:
        NotationError: A value is outside of what is allowed.
    """

    N: Blocks
    k: float = 1.0
    block: Block = BASIC
    dropout: float = 0.0
    family: str = "WRN"
    cardinality: int = 1
    base_width: int = 64
    survival: float = 1.0
    shortcut: str = "B"
    activation_order: str = "pre"
    norm: str = "batch"
    activation: str = "relu"
    pool: str = "average"
    python: str = ""
    args: str = "{}"
    code: str = ""

    def __post_init__(self) -> None:
        n, most = (self.N, self.N) if isinstance(self.N, int) else (min(self.N), max(self.N))
        if n < 1 or most > MAX_N:
            raise NotationError(f"N = {self.N} blocks per group; allowed: 1 to {MAX_N}")
        _check_numbers(self.k, self.dropout, self.survival)
        if not isinstance(self.block, str):
            _check_kernels(self.block)
        if not 1 <= self.cardinality <= MAX_CARDINALITY:
            raise NotationError(f"cardinality {self.cardinality}; allowed: 1 to {MAX_CARDINALITY}")
        if not 1 <= self.base_width <= MAX_BASE_WIDTH:
            raise NotationError(f"base_width {self.base_width}; allowed: 1 to {MAX_BASE_WIDTH}")
        for axis, values in CHOICES.items():
            if getattr(self, axis) not in values:
                raise NotationError(f"{axis}: found {getattr(self, axis)}; allowed: {', '.join(values)}")

    @property
    def l(self) -> int:
        """The deepening factor: convolutions in a block."""
        return convolutions_in(self.block)

    def with_axis(self, axis: str, value: Any) -> Architecture:
        """A copy with another value of one axis, not checked: solving for a budget makes many copies.

        Args:
            axis: Name of a field, such as "k".
            value: The new value.
        """
        other = object.__new__(Architecture)
        for _ in map(_set, repeat(other), _AXES, values_of(self)):
            pass
        _set(other, axis, value)
        return other

    def identity(self) -> dict[str, Any]:
        """Every axis that can change a result: the first five always, the others where they differ from their default."""
        always = dict(zip(_AXES, values_of(self)[:5]))
        return always | {axis: value for axis in _AXES[5:] if (value := getattr(self, axis)) != DEFAULTS[axis]}


@lru_cache(maxsize=4096)
def _check_numbers(k: float, dropout: float, survival: float) -> None:
    """Raise NotationError for a number that is not allowed; cached, so that a plan with many networks checks few."""
    if not (math.isfinite(k) and 1 / 16 <= k <= MAX_K):
        raise NotationError(f"widening factor k = {k:g}; allowed: 0.0625 to {MAX_K:g}")
    if not (math.isfinite(dropout) and 0 <= dropout < 1):
        raise NotationError(f"dropout rate {dropout:g}; allowed: 0 to below 1")
    if not (math.isfinite(survival) and 0 < survival <= 1):
        raise NotationError(f"survival {survival:g}; allowed: above 0 to 1")
    for what, number in (("widening factor k", k), ("dropout rate", dropout), ("survival", survival)):
        if not number.is_integer() and round(number, DECIMALS) != number:
            raise NotationError(f"{what} = {number!r}; allowed: at most {DECIMALS} decimals")


@lru_cache(maxsize=4096)
def _check_kernels(block: Kernels) -> None:
    """Raise NotationError for kernel sizes that are not allowed."""
    if not 1 <= len(block) <= MAX_BLOCK:
        raise NotationError(f"a block of {len(block)} convolutions; allowed: 1 to {MAX_BLOCK}")
    for kernel in block:
        if kernel % 2 == 0 or not 1 <= kernel <= MAX_KERNEL:
            found = f"kernel size {kernel} in {format_block(block)}"
            raise NotationError(f"{found}; allowed: odd, 1 to {MAX_KERNEL}")


_AXES = tuple(field.name for field in fields(Architecture))
values_of: Callable[[Architecture], tuple[Any, ...]] = attrgetter(*_AXES)  # the values of all axes, in their order
_set = object.__setattr__
DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(Architecture)[1:]}  # N has no default


def convolutions_in(block: Block) -> int:
    """The number of convolutions in a block, without its shortcut. A user-defined block counts as two."""
    if isinstance(block, str):
        return 3 if block == "bottleneck" else 2
    return len(block)


@lru_cache(maxsize=4096)
def format_block(block: Block) -> str:
    """The text of a block: "B(3,1,3)" for (3, 1, 3); a kind of block is its own name."""
    return block if isinstance(block, str) else f"B({','.join(map(str, block))})"


def rounded(width: float) -> int:
    """A whole number of channels: the nearest one, half rounded up, at least 1."""
    return max(1, int(width + 0.5))
