"""A network's name and its axes, both ways: "WRN-40-2-B(1,3,1)" <-> Architecture. Source: WRN, section 2.

    WRN-<depth>-<k>[-B(<kernel>,...)][-dropout<rate>]

B(M) lists the kernel sizes in a block, B(3,3) where it is not written. Two depth conventions are in use in the paper:
"convolutions" counts every convolution, depth = 3 N l + 4 with l convolutions in a block; "nominal" is 6 N + 4 whatever
l is. N, the number of blocks in each of the three groups, is what both mean.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ablate.errors import NotationError

DepthRule = Literal["convolutions", "nominal"]
Block = tuple[int, ...]

BASIC: Block = (3, 3)
MAX_N = 2000  # blocks per group; WRN-12004 is far past anything trainable
MAX_K = 64.0
MAX_BLOCK = 16  # convolutions in a block
MAX_KERNEL = 15
DECIMALS = 6  # of k and of the dropout rate, so that every network has a name

_NAME = re.compile(r"WRN-(?P<depth>[0-9]{1,6})-(?P<k>[0-9]{1,4}(?:\.[0-9]{1,6})?)(?P<rest>.*)", re.DOTALL)
_BLOCK = re.compile(r"B\(\s*([0-9]{1,3}(?:\s*,\s*[0-9]{1,3})*)\s*\)")
_DROPOUT = re.compile(r"dropout(0(?:\.[0-9]{1,6})?)")


@dataclass(frozen=True, slots=True)
class Architecture:
    """One network, free of the convention its depth is written in.

    N: blocks per group; k: widening factor; block: kernel sizes, first to last; dropout: rate inside the blocks.
    """

    N: int
    k: float
    block: Block = BASIC
    dropout: float = 0.0
    family: str = "WRN"

    def __post_init__(self) -> None:
        if not 1 <= self.N <= MAX_N:
            raise NotationError(f"N = {self.N} blocks per group; allowed: 1 to {MAX_N}")
        if not (math.isfinite(self.k) and 1 / 16 <= self.k <= MAX_K):
            raise NotationError(f"widening factor k = {self.k:g}; allowed: 0.0625 to {MAX_K:g}")
        if not 1 <= len(self.block) <= MAX_BLOCK:
            raise NotationError(f"a block of {len(self.block)} convolutions; allowed: 1 to {MAX_BLOCK}")
        for kernel in self.block:
            if kernel % 2 == 0 or not 1 <= kernel <= MAX_KERNEL:
                raise NotationError(f"kernel size {kernel} in {format_block(self.block)}; allowed: odd, 1 to {MAX_KERNEL}")
        if not (math.isfinite(self.dropout) and 0 <= self.dropout < 1):
            raise NotationError(f"dropout rate {self.dropout:g}; allowed: 0 to below 1")
        for what, number in (("widening factor k", self.k), ("dropout rate", self.dropout)):
            if round(number, DECIMALS) != number:
                raise NotationError(f"{what} = {number!r}; allowed: at most {DECIMALS} decimals")

    @property
    def l(self) -> int:
        """Deepening factor: convolutions in a block."""
        return len(self.block)


def convolutions_per_block(block: Block, rule: DepthRule) -> int:
    """How many convolutions of a block the depth convention counts."""
    return len(block) if rule == "convolutions" else 2


def depth_of(architecture: Architecture, rule: DepthRule = "convolutions") -> int:
    """Depth n under a convention: 3 N l + 4 (conv1 and the three 1x1 shortcuts are the 4), or nominally 6 N + 4."""
    return 3 * architecture.N * convolutions_per_block(architecture.block, rule) + 4


def blocks_per_group(depth: int, block: Block, rule: DepthRule = "convolutions") -> int:
    """N for a depth. Raises NotationError, naming the nearest possible depths, where N would not be whole."""
    step = 3 * convolutions_per_block(block, rule)
    n, rest = divmod(depth - 4, step)
    if rest or n < 1:
        near = sorted({4 + step * max(1, n), 4 + step * max(1, n + 1)})
        other = ""
        if rule == "convolutions" and len(block) != 2 and depth > 4 and (depth - 4) % 6 == 0:
            other = " (or 'depth_rule: nominal', which counts 6 N + 4)"
        raise NotationError(
            f"depth {depth} with {format_block(block)}: depth = {step} N + 4 has no whole N >= 1; "
            f"nearest: {' and '.join(map(str, near))}{other}"
        )
    return n


def parse_block(text: str) -> Block:
    """Kernel sizes of "B(3,1,3)". Raises NotationError."""
    match = _BLOCK.fullmatch(text.strip())
    if match is None:
        raise NotationError(f"block '{_clip(text)}'; allowed: B(M) with M a list of odd kernel sizes, such as B(3,1,3)")
    return tuple(int(kernel) for kernel in match[1].split(","))


def format_block(block: Block) -> str:
    """ "B(3,1,3)" for (3, 1, 3)."""
    return f"B({','.join(map(str, block))})"


class Name(NamedTuple):
    """What a name says, before a depth convention makes an N of its depth."""

    depth: int
    k: float
    block: Block
    dropout: float


def read_name(name: str) -> Name:
    """The parts of a network's name. Raises NotationError: what was read and where it stopped."""
    text = name.strip()
    match = _NAME.fullmatch(text)
    if match is None:
        raise NotationError(f"network '{_clip(text)}'; allowed: WRN-<depth>-<k>[-B(3,1,...)][-dropout0.3]")
    block, dropout, rest, after = BASIC, 0.0, match["rest"], "-B(3,1,...), then -dropout0.3"
    if part := re.match(rf"-({_BLOCK.pattern})", rest):
        block, rest = parse_block(part[1]), rest[part.end() :]
        after = "-dropout0.3"
    if part := re.match(rf"-{_DROPOUT.pattern}", rest):
        dropout, rest = float(part[1]), rest[part.end() :]
        after = "nothing"
    if rest:
        read = text[: len(text) - len(rest)]
        raise NotationError(
            f"network '{_clip(text)}': read '{_clip(read)}', stopped at '{_clip(rest)}'; allowed there: {after}"
        )
    return Name(int(match["depth"]), float(match["k"]), block, dropout)


def parse_architecture(name: str, rule: DepthRule = "convolutions") -> Architecture:
    """The Architecture a name stands for under a depth convention. Raises NotationError."""
    depth, k, block, dropout = read_name(name)
    return Architecture(blocks_per_group(depth, block, rule), k, block, dropout)


def format_architecture(architecture: Architecture, rule: DepthRule = "convolutions", show_block: bool = False) -> str:
    """The name of an Architecture; parse_architecture() of it, under the same rule, gives the Architecture back."""
    depth = depth_of(architecture, rule)
    return format_name(Name(depth, architecture.k, architecture.block, architecture.dropout), show_block)


def format_name(name: Name, show_block: bool = False) -> str:
    """The text of a name; B(3,3) is left out unless it is to be shown."""
    text = f"WRN-{name.depth}-{_plain(name.k)}"
    if show_block or name.block != BASIC:
        text += f"-{format_block(name.block)}"
    if name.dropout:
        text += f"-dropout{_plain(name.dropout)}"
    return text


def _plain(number: float) -> str:
    """Shortest decimal without exponent: 2.0 -> "2", 0.3 -> "0.3"."""
    return f"{number:.{DECIMALS}f}".rstrip("0").rstrip(".")


def _clip(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
