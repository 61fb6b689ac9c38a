"""The table of figures: its entries can be drawn, and a report writes each of its figures once in each format."""

from __future__ import annotations

import ast
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure

import ablate.report.figures
from ablate.kinds.figures import CHOICES, DEFAULTS, FIGURES, FigureKind, FigureStyle
from ablate.report.drawn_figures import FORMATS, DrawnFigure, draw_figures, figures_of, is_figure
from ablate.report.figures import style
from ablate.report.figures.style import open_canvas, to_bytes
from ablate.study.decision import TEST_ERROR

DRAWING = Path(ablate.report.figures.__file__).parent
PLAIN = (  # what holds no records
    "ablate.errors", "ablate.files", "ablate.kinds.figures", "ablate.report.figures",
    "ablate.report.numbers", "ablate.study.decision",
)  # fmt: skip
OWN = """\
from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.style import open_canvas


def values(analysis):
    return [FigureInfo(analysis.n, "first", "", 1), FigureInfo(analysis.n + 1, "second", "", 2)]


def draw(values, title, caption, badge=""):
    return open_canvas(title, str(values), badge, width=3.0, body=1.0)[0]
"""


def drawn() -> DrawnFigure:
    return DrawnFigure("what it shows", lambda: open_canvas("title", "caption", width=3.0, body=1.0)[0])


@pytest.mark.parametrize("kind", FIGURES, ids=lambda kind: f"{kind.reports[0]}-{kind.name}")
def test_the_functions_of_an_entry_are_there(kind: FigureKind) -> None:
    for place in (kind.values, kind.draw):
        module, _, name = place.partition(":")
        assert callable(getattr(import_module(module), name))
    assert kind.draw.startswith("ablate.report.figures.") and kind.values.startswith("ablate.report.figure_values.")


def test_names_differ_and_only_those_of_trained_studies_are_chosen() -> None:
    found = [(report, kind) for kind in FIGURES for report in kind.reports]
    assert len({(report, kind.name) for report, kind in found}) == len(found)
    assert {report for report, kind in found if kind.choice != "always"} == {"trained", "program"}
    assert {kind.name for report, kind in found if report == "program"} <= {*CHOICES}
    images = ("class_errors", "confusion", "agreement", "missed")
    assert ("curves", "train_test", "errors", "parameters", "ranks", "effects", "interactions", *images, "path") == CHOICES
    assert tuple(name for name in CHOICES if name != "train_test") == DEFAULTS


def test_chosen_figures_come_first_in_the_order_of_the_study() -> None:
    assert [kind.name for kind in figures_of("trained", ("ranks", "curves"))] == ["ranks", "curves", "critical_difference"]
    assert [kind.name for kind in figures_of("counted", ("ranks",))] == ["scaling", "step_times"]


def test_files_of_figures_are_known_by_their_names() -> None:
    assert all(map(is_figure, ("curves", "ranks_2", "pareto", "step_times")))
    assert not any(map(is_figure, ("curve", "ranks_", "ranks_2b", "my_curves", "")))


def test_an_entry_and_a_file_make_a_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_figure.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    kind = FigureKind(
        name="own", alt_text="my own", reports=("counted",), values="own_figure:values", draw="own_figure:draw"
    )
    monkeypatch.setattr("ablate.report.drawn_figures.FIGURES", (FIGURES[0], kind))
    study = SimpleNamespace(decision=TEST_ERROR, figure_style=FigureStyle(width=2.5, title=False))
    made = draw_figures(SimpleNamespace(badge="SMALL", n=6, study=study), "counted")
    assert [(name, one.alt_text) for name, one in made.items()] == [("own_1", "my own"), ("own_2", "my own")]
    assert [text.get_text() for text in made["own_2"].figure.texts] == ["SMALL"]  # title and caption are the paper's
    assert made["own_2"].figure.get_figwidth() == 2.5
    assert made["own_2"].rendered("svg").startswith(b"<?xml")


def test_a_format_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written: Counter[str] = Counter()

    def counting(figure: Figure, kind: str) -> bytes:
        written[kind] += 1
        return to_bytes(figure, kind)

    monkeypatch.setattr(style, "to_bytes", counting)
    one = drawn()
    files = [one.rendered(format) for format in (*FORMATS, *FORMATS)]
    assert files[:3] == files[3:] and written == {"png": 1, "svg": 1, "pdf": 1}


def test_a_file_is_the_same_whichever_format_is_asked_for_first() -> None:
    first, second = drawn(), drawn()
    first.rendered("pdf")
    assert [second.rendered(format) for format in FORMATS] == [first.rendered(format) for format in FORMATS]


@pytest.mark.parametrize("path", sorted(DRAWING.glob("*.py")), ids=lambda path: path.stem)
def test_drawing_reads_no_records(path: Path) -> None:
    nodes = ast.walk(ast.parse(path.read_text()))
    found = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert all(name.startswith(PLAIN) for name in found if name.startswith("ablate"))
