"""How a network meets a budget, and what the networks beside it would cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ablate.nets.architecture import Architecture, DepthRule
from ablate.nets.counts import Counts
from ablate.nets.notation import format_architecture


class Naming(NamedTuple):
    """How the networks of a study are called, as format_architecture() has it."""

    rule: DepthRule
    show_block: bool
    imagenet: bool = False

    def of(self, architecture: Architecture) -> str:
        """The name of a network."""
        return format_architecture(architecture, *self)


class Solved(NamedTuple):
    """The value that a field of an Architecture was solved for, its counts, and (value, cost) of those beside it."""

    field: str
    value: Any
    counts: Counts
    below: tuple[Any, int] | None
    above: tuple[Any, int] | None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A value of the last solved axis beside the chosen one, and what it would cost."""

    net: str
    count: int


@dataclass(frozen=True, slots=True)
class Fit:
    """How a network meets its budget: what it costs, and by which fraction of the target (the maximum) it differs.

    solved: the last axis that was, None where none is. Its neighbours are named when they are asked for: in a large plan
    few are.
    """

    count: int
    deviation: float
    architecture: Architecture
    solved: Solved | None
    naming: Naming

    @property
    def below(self) -> Neighbour | None:
        """The next cheaper one."""
        return self._neighbour(self.solved.below) if self.solved else None

    @property
    def above(self) -> Neighbour | None:
        """The next more expensive one."""
        return self._neighbour(self.solved.above) if self.solved else None

    def _neighbour(self, beside: tuple[Any, int] | None) -> Neighbour | None:
        if self.solved is None or beside is None:
            return None
        return Neighbour(self.naming.of(self.architecture.with_axis(self.solved.field, beside[0])), beside[1])
