"""Family: what a kind of network is called, which axes it has, and how its axes become a blueprint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ablate.errors import NotationError
from ablate.nets.architecture import Architecture, Block, Blocks, DepthRule, convolutions_in, format_block
from ablate.nets.blueprint import Blueprint, Shape

Parts = Mapping[str, Any]  # axes by name, as far as a name or a study gives them; depth rather than N
NUMBER = r"[0-9]{1,4}(?:\.[0-9]{1,6})?"  # in names: a widening factor, a rate
STYLE_AXES = ("dropout", "survival", "shortcut", "activation_order", "norm", "activation", "pool")


def no_defaults(parts: Parts) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, eq=False)
class Family:
    """One family of networks.

    heads: regular expressions of how its names begin, their groups named after axes; any of them is enough.
    shared: the same for names that mean another family unless this one is asked for, or the data is ImageNet.
    write: the beginning of a name from its parts, one that `heads` or `shared` match.
    axes: what can be varied besides depth; defaults: the values of axes that nothing is said about.
    groups, offset: depth = groups * N * (convolutions in a block) + offset; each group is a block and a Repeat of
    N - 1, unless survival tells the blocks apart; no count depends on the rates of dropout and survival. table: the
    blocks of each depth, where only some depths exist; no groups and no table: there is one network, without a depth.
    channels: those of the first group at k = 1. remarks: what a reader must know of the network of a depth.
    """

    key: str
    source: str
    form: str
    examples: tuple[str, ...]
    heads: tuple[str, ...]
    write: Callable[[Parts], str]
    blueprint: Callable[[Architecture, int, Shape], Blueprint]
    axes: tuple[str, ...]
    defaults: Callable[[Parts], dict[str, Any]] = no_defaults
    shared: tuple[str, ...] = ()
    groups: int = 0
    offset: int = 0
    table: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    channels: int = 16
    remarks: Mapping[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """In the table of families."""
        return self.key

    @property
    def has_depth(self) -> bool:
        return bool(self.groups or self.table)

    def depth(self, architecture: Architecture, rule: DepthRule = "convolutions") -> int | None:
        """The depth a name states; None for a network without one."""
        n = architecture.N
        if isinstance(n, tuple):
            return sum(n) * convolutions_in(architecture.block) + 2
        return self.groups * n * self.counted(architecture.block, rule) + self.offset if self.groups else None

    def counted(self, block: Block, rule: DepthRule) -> int:
        """How many convolutions of a block the depth convention counts."""
        return 2 if rule == "nominal" and not isinstance(block, str) else convolutions_in(block)

    def blocks(self, depth: int, block: Block, rule: DepthRule = "convolutions") -> Blocks:
        """N for a depth. Raises NotationError, naming the nearest possible depths, where there is none."""
        if self.table:
            if depth not in self.table:
                raise NotationError(f"depth {depth}: {self.key} has {', '.join(map(str, self.table))}")
            return self.table[depth]
        step = self.groups * self.counted(block, rule)
        n, rest = divmod(depth - self.offset, step)
        if rest or n < 1:
            near, other = self.nearest(depth, block, rule), ""
            if rule == "convolutions" and self.counted(block, rule) != self.counted(block, "nominal"):
                nominal = self.groups * self.counted(block, "nominal")
                if depth > self.offset and (depth - self.offset) % nominal == 0:
                    other = f" (or 'depth_rule: nominal', which counts {nominal} N + {self.offset})"
            raise NotationError(
                f"depth {depth} with {format_block(block)}: depth = {step} N + {self.offset} has no whole N >= 1; "
                f"nearest: {' and '.join(map(str, near))}{other}"
            )
        return n

    def nearest(self, depth: int, block: Block, rule: DepthRule = "convolutions") -> list[int]:
        """The possible depths around one that is not."""
        if self.table:
            return sorted(self.table, key=lambda possible: abs(possible - depth))[:2]
        step = self.groups * self.counted(block, rule)
        n = (depth - self.offset) // step
        return sorted({self.offset + step * max(1, n), self.offset + step * max(1, n + 1)})
