"""Family: the names of a kind of network, its axes, and how its axes become a blueprint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ablate.errors import NotationError
from ablate.nets.architecture import Architecture, Block, Blocks, DepthRule, convolutions_in, format_block
from ablate.nets.blueprint import Blueprint, Shape

Parts = Mapping[str, Any]  # axes by name, those that a name or a study gives; with "depth" instead of "N"
NUMBER = r"[0-9]{1,4}(?:\.[0-9]{1,6})?"  # a number in a name: a widening factor, a rate
STYLE_AXES = ("dropout", "survival", "shortcut", "activation_order", "norm", "activation", "pool")


def always(**values: Any) -> Callable[[Parts], dict[str, Any]]:
    """The `defaults` of a family where they are the same for all its networks.

    Args:
        values: Of axes, where they differ from those of Architecture.
    """
    return lambda parts: dict(values)


@dataclass(frozen=True, eq=False)
class Family:
    """One family of networks.

    Args:
        key: Its name, such as "WRN".
        source: The paper that defines it.
        form: The form of its names, such as "WRN-<depth>-<k>".
        examples: Names.
        heads: Regular expressions for the beginning of its names, with groups named after axes. One match is enough.
        write: (all axes by name) -> the beginning of a name, which one of `heads` or `shared` matches.
        blueprint: (architecture, classes, input shape) -> the network.
        axes: The axes that can vary besides depth.
        defaults: (axes that are given) -> values of axes that are not given, where they differ from those of Architecture.
        shared: As `heads`, for names that mean another family unless this one is asked for, or the data is ImageNet.
        groups: Number of groups; depth = groups * N * (convolutions in a block) + offset. A group is a block and a Repeat
            of N - 1 blocks, unless survival makes the blocks different. The rates of dropout and survival change no count.
        offset: The constant term of the depth.
        table: Depth -> blocks per group, where only some depths exist. Without groups and table the family has one network,
            which has no depth.
        channels: Channels of the first group at k = 1.
        remarks: Depth -> what a reader must know about the network of this depth.
    """

    key: str
    source: str
    form: str
    examples: tuple[str, ...]
    heads: tuple[str, ...]
    write: Callable[[Parts], str]
    blueprint: Callable[[Architecture, int, Shape], Blueprint]
    axes: tuple[str, ...]
    defaults: Callable[[Parts], dict[str, Any]] = lambda parts: {}
    shared: tuple[str, ...] = ()
    groups: int = 0
    offset: int = 0
    table: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    channels: int = 16
    remarks: Mapping[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The key, under which the family is in the table of families."""
        return self.key

    @property
    def has_depth(self) -> bool:
        """Whether its networks differ in depth."""
        return bool(self.groups or self.table)

    def depth(self, architecture: Architecture, rule: DepthRule = "convolutions") -> int | None:
        """The depth that a name states; None for a network without one."""
        n = architecture.N
        if isinstance(n, tuple):
            return sum(n) * convolutions_in(architecture.block) + 2
        return self.groups * n * self.counted(architecture.block, rule) + self.offset if self.groups else None

    def counted(self, block: Block, rule: DepthRule) -> int:
        """The number of convolutions of a block that the depth convention counts.

        Args:
            block: Kernel sizes, or a kind of block.
            rule: Depth convention.
        """
        return 2 if rule == "nominal" and not isinstance(block, str) else convolutions_in(block)

    def blocks(self, depth: int, block: Block, rule: DepthRule = "convolutions") -> Blocks:
        """The number of blocks per group, N, for a depth.

        Args:
            depth: As a name states it.
            block, rule: As in counted().

        Raises:
            NotationError: The depth is not possible; the message names the nearest possible depths.
        """
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
        """The possible depths nearest to an impossible one, at most two.

        Args:
            depth: As a name states it.
            block, rule: As in counted().
        """
        if self.table:
            return sorted(self.table, key=lambda possible: abs(possible - depth))[:2]
        step = self.groups * self.counted(block, rule)
        n = (depth - self.offset) // step
        return sorted({self.offset + step * max(1, n), self.offset + step * max(1, n + 1)})
