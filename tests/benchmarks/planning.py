"""Planning: enumerate_variants() and the whole command against counting every candidate of a budget, nothing kept."""

from __future__ import annotations

import itertools
import math
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from ablate.nets.architecture import Architecture
from ablate.nets.counts import Counts, count
from ablate.nets.families import find_family
from ablate.study.axes import architecture_of
from ablate.study.budget import BudgetResult, Naming, solve_budget
from ablate.study.data import Data
from ablate.study.expand import cells
from ablate.study.plan import Enumeration, enumerate_variants
from ablate.study.spec import load_study
from ablate.study.study import Study
from tests.benchmarks.comparison import Announce, Comparison, compare
from tests.benchmarks.whole import run_command

LEARNING_RATES = 20  # under each of which a typical grid has every network
DROPOUT = (0.0, 0.1, 0.2, 0.3, 0.4)
MOST_CONVOLUTIONS = 6  # in a block


def bench_plan(
    variants: int = 100_000, plain_variants: int = 500, rounds: int = 5, announce: Announce = lambda line: None
) -> list[Comparison]:
    """Two comparisons, per variant: of a grid in which every network is there several times, and of one without repetition.

    The plain way counts each candidate from a blueprint of its own; "ablate" is enumerate_variants(); the third is the
    whole command.

    variants: of each grid, or a few more; plain_variants: of them, spread evenly, that the plain way finds in a round.
    Our caches are empty at the beginning of every round.
    """
    found = []
    titles = ("networks under 20 learning rates each, depth solved", "networks that all differ, k solved")
    for title, make in zip(titles, (repeating_grid, differing_grid)):
        grid = make(variants)
        study = grid_study(*grid)
        asked = list(cells(study))
        some = asked[:: max(1, len(asked) // plain_variants)][:plain_variants]
        ways: dict[str, Callable[[], object]] = {
            "plain counting": partial(solve_plainly, study, some),
            "ablate": partial(enumerate_afresh, study),
        }
        peaks = []
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "grid.yaml"
            path.write_text(grid_text(*grid))
            words = ["plan", str(path), "--runs", str(Path(folder) / "runs")]
            ways["ablate plan"] = lambda: peaks.append(run_command(words))  # noqa: B023 - called in this turn
            work = {"plain counting": len(some), "ablate": len(asked), "ablate plan": len(asked)}
            timed = compare(f"{len(asked):,} {title}", "variant", ways, work, rounds, warm_up=False, announce=announce)
        found.append(replace(timed, figures={"peak memory, MiB": {"ablate plan": max(peaks)}}))
    return found


def repeating_grid(variants: int) -> tuple[str, dict[str, Sequence[Any]]]:
    """What is solved, and the axes: widths x blocks x dropout x learning rates."""
    widths, some_blocks = _sides(variants / len(DROPOUT) / LEARNING_RATES)
    rates = [round(0.01 * i, 2) for i in range(1, LEARNING_RATES + 1)]
    k = [1 + i / 16 for i in range(widths)]
    return "depth", {"k": k, "block": blocks(some_blocks), "dropout": DROPOUT, "recipe.lr": rates}


def differing_grid(variants: int) -> tuple[str, dict[str, Sequence[Any]]]:
    """What is solved, and the axes: depths x blocks x dropout."""
    depths, some_blocks = _sides(variants / len(DROPOUT))
    return "k", {"N": range(1, depths + 1), "block": blocks(some_blocks), "dropout": DROPOUT}


def blocks(number: int) -> list[str]:
    """So many different blocks, the short ones first; as many as there are."""
    kernels = (kernels for l in range(1, MOST_CONVOLUTIONS + 1) for kernels in itertools.product((3, 1), repeat=l))
    return [f"B({','.join(map(str, block))})" for block in itertools.islice(kernels, number)]


def _sides(area: float) -> tuple[int, int]:
    """Two whole numbers whose product is at least the area, the second no more than there are blocks."""
    side = max(1, min(2 ** (MOST_CONVOLUTIONS + 1) - 2, math.ceil(math.sqrt(area))))
    return max(1, math.ceil(area / side)), side


def grid_study(solve: str, axes: dict[str, Sequence[Any]]) -> Study:
    """The study of a grid in which every network has at most 40 million parameters."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grid.yaml"
        path.write_text(grid_text(solve, axes))
        return load_study(path)


def grid_text(solve: str, axes: dict[str, Sequence[Any]]) -> str:
    """The study file of grid_study()."""
    lists = ", ".join(f"{axis}: {list(values)}" for axis, values in axes.items())
    text = f"name: grid\ndata: cifar10\nrecipe: wrn_cifar\nseeds: 1\nbudget: {{parameters: {{max: 40M}}, solve: {solve}}}\n"
    return f"{text}variants:\n  - grid: {{{lists}}}\n"


def solve_plainly(study: Study, asked: Sequence[Any]) -> list[tuple[str, Counts, BudgetResult]]:
    """Name, counts and budget result of the network of each of some cells, in order."""
    assert study.budget is not None
    cost, found = attrgetter(study.budget.measure), []
    for entry, axes, data, *_ in asked:
        naming = Naming(entry.depth_rule, show_block=True)
        architecture, _ = architecture_of(study, axes, entry.depth_rule, True)
        solved, counts, result, _ = solve_budget(architecture, study.budget, partial(count_plainly, data), cost, naming, {})
        found.append((naming.of(solved), counts, result))
    return found


def count_plainly(data: Data, architecture: Architecture, axis: str) -> Callable[[Any], Counts]:
    """What counts a network with any value of one axis, from a blueprint made for it, of blocks that are."""
    make, empty = find_family(architecture.family).blueprint, caches("ablate.nets.counts", "ablate.nets.residual")

    def counts(value: Any) -> Counts:
        for clear in empty:
            clear()
        return count(make(architecture.with_axis(axis, value), data.classes, data.input_shape))

    return counts


def enumerate_afresh(study: Study) -> Enumeration:
    """enumerate_variants() as a process does it that has done nothing yet."""
    for clear in caches("ablate.nets", "ablate.study"):
        clear()
    return enumerate_variants(study)


@cache
def caches(*prefixes: str) -> list[Callable[[], None]]:
    """What empties each cache of some modules."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith(prefixes)]
    kept = [each for module in modules for each in vars(module).values() if hasattr(each, "cache_clear")]
    return [each.cache_clear for each in kept]
