"""Planning side by side: the plain way and ours find the same, and both do all of the work."""

from __future__ import annotations

import pytest

from ablate.study.expand import cells
from tests.benchmarks.planning import (
    bench_plan,
    blocks,
    differing_grid,
    enumerate_afresh,
    grid_study,
    repeating_grid,
    solve_plainly,
)


@pytest.mark.parametrize("make, networks", [(repeating_grid, 20), (differing_grid, 320)])
def test_both_ways_find_the_same(make: object, networks: int) -> None:
    assert callable(make)
    study = grid_study(*make(300))
    asked = list(cells(study))
    variants = enumerate_afresh(study).variants
    assert len(variants) == len(asked) >= 300
    assert len({variant.architecture for variant in variants}) == networks
    some = slice(None, None, 7)
    assert solve_plainly(study, asked[some]) == [(one.net, one.counts, one.budget_result) for one in variants[some]]


def test_comparisons_of_both_grids() -> None:
    lines: list[str] = []
    found = bench_plan(variants=40, plain_variants=5, rounds=1, announce=lines.append)
    assert [one.unit for one in found] == ["variant", "variant"]
    for one in found:
        assert list(one.seconds) == ["plain counting", "ablate", "ablate plan"] and one.reference == "plain counting"
        assert one.work["plain counting"] == 5 and one.work["ablate"] == one.work["ablate plan"] >= 40
        assert 10 < one.figures["peak memory, MiB"]["ablate plan"] < 300
        assert all(len(seconds) == 1 and min(seconds) > 0 for seconds in one.seconds.values())
    assert lines


def test_blocks_differ() -> None:
    assert blocks(7) == ["B(3)", "B(1)", "B(3,3)", "B(3,1)", "B(1,3)", "B(1,1)", "B(3,3,3)"]
    assert len(set(blocks(1000))) == len(blocks(1000)) == 126
