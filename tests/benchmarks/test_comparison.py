"""Comparisons: whose turn it is, and what the ratios are of."""

from __future__ import annotations

import subprocess
import sys

import psutil  # type: ignore[import-untyped]
import pytest

from ablate.report.figures.style import to_bytes
from tests.benchmarks import comparison
from tests.benchmarks.comparison import Comparison, compare, comparisons_text, times
from tests.benchmarks.load import Clocks, load_text, read_clocks
from tests.benchmarks.results import draw_ratios

ONE = Comparison(
    "WRN-16-2, batch 128", "image", {"plain": (4.0, 6.0, 5.0), "ours": (2.0, 2.0, 5.0)}, {"plain": 100, "ours": 200},
    {"share of the limit": {"ours": 0.423}, "peak memory, MiB": {"plain": 2048.4, "ours": 600.0}},
)  # fmt: skip


def test_every_way_has_its_turn_in_every_round(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, called = [0.0], []
    monkeypatch.setattr(comparison, "read_clocks", lambda: Clocks(clock[0], 2 * clock[0], 3 * clock[0]))

    def way(name: str, seconds: float) -> None:
        called.append(name)
        clock[0] += seconds

    costs = {"a": 1.0, "b": 2.0, "c": 4.0}
    ways = {name: (lambda name=name: way(name, costs[name])) for name in costs}
    found = compare("title", "trial", ways, {"a": 10, "b": 10, "c": 80}, rounds=4)
    assert called == [*"abc", *"abc", *"bca", *"cab", *"abc"]  # once each before, then in an order that turns
    assert found.seconds == {name: (costs[name],) * 4 for name in costs}
    assert [found.ratio(name) for name in "abc"] == [found.processor_ratio(name) for name in "abc"] == [1.0, 0.5, 2.0]
    assert found.processor["c"] == (8.0,) * 4 and found.others == min(1.0, 1 / (psutil.cpu_count() or 1))
    called.clear()
    compare("title", "trial", ways, 1.0, rounds=1, warm_up=False)
    assert called == [*"abc"]


def test_processor_time_is_ours_and_the_rest_is_that_of_others() -> None:
    begun = read_clocks()
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", spin], check=True)
    spent = read_clocks().since(begun)
    assert 0.25 < spent.ours < 2 and spent.busy > 0.2 and spent.wall > 0.25
    assert Clocks(10.0, 2.0, 2.0).others == Clocks(0.0, 0.0, 0.0).others == Clocks(10.0, 2.0, 1.0).others == 0
    assert load_text(0.01).endswith("took 1% of the processors meanwhile.") and "quiet machine" in load_text(0.4)


def test_a_ratio_is_that_of_the_same_round() -> None:
    assert ONE.reference == "plain"
    assert ONE.per_unit("ours") == [0.01, 0.01, 0.025]
    assert ONE.ratios("ours") == pytest.approx([4.0, 6.0, 2.0])
    assert ONE.ratio("ours") == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("ratio", "said"),
    [(0.00214, "0.0021"), (0.623, "0.62"), (4.706, "4.71"), (18.34, "18.3"), (240.4, "240"), (20_883.2, "20,900")],
)
def test_a_ratio_has_few_digits(ratio: float, said: str) -> None:
    assert times(ratio) == said


def test_what_is_printed_is_ratios_alone() -> None:
    table = ONE.table()
    assert table.titles == ["", "Speed", "Range", "Share of the limit", "Peak memory, MiB"]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["plain", "1", "", "", "2,048"],
        ["ours", "4.00", "2.00–6.00", "42%", "600"],
    ]
    assert comparisons_text([ONE]).startswith("WRN-16-2, batch 128\n\n|")
    values = ONE.as_json()["ways"]["ours"]
    assert values["seconds"] == [2.0, 2.0, 5.0] and values["ratio"] == pytest.approx(4.0)
    assert values["peak memory, MiB"] == 600.0


def test_the_figure_has_a_bar_a_way_but_the_reference() -> None:
    figure = draw_ratios([ONE, ONE], "Title", "caption")
    (axis,) = figure.axes
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([4.0, 4.0])
    assert [text.get_text() for text in axis.get_yticklabels()] == ["ours"] * 2
    assert [text.get_text() for text in axis.texts][::2] == [f"{ONE.title}; 1 is plain"] * 2
    assert to_bytes(draw_ratios([ONE], "Title", "caption"), "svg") == to_bytes(
        draw_ratios([ONE], "Title", "caption"), "svg"
    )
