from __future__ import annotations

from tests.benchmarks.searching import OPTUNA, OURS, SAMPLERS, bench_search


def test_a_search_is_held_against_optuna_small() -> None:
    said: list[str] = []
    found = bench_search(trials=2, rounds=1, announce=said.append)
    assert [one.title for one in found] == [f"{sampler}, 2 candidates" for sampler in SAMPLERS] and said
    for one in found:
        assert one.reference == OPTUNA and set(one.work.values()) == {2.0}
        assert {name: len(seconds) for name, seconds in one.seconds.items()} == {OPTUNA: 1, OURS: 1}
        assert min(one.seconds[OPTUNA]) > 0 and min(min(values.values()) for values in one.figures.values()) >= 2
