"""The key `figure_style`: what it accepts, in studies of networks, of programs and in searches, and that no id has it."""

from __future__ import annotations

from pathlib import Path

import pytest
import recorded

from ablate.api import load_study
from ablate.errors import StudyError
from ablate.kinds.figures import FigureStyle
from ablate.study.spec import load_any_study

STUDY = f"{recorded.DIGITS}seeds: 2\nvariants: [{{net: WRN-10-1}}]\n"
PROGRAM = "name: p\nprogram: {command: 'true {lr} {seed}'}\nmeasures: [loss]\nseeds: 1\nvariants: [{grid: {lr: [1, 2]}}]\n"


@pytest.mark.parametrize(
    ("width", "inches"), [("3.3in", 3.3), ("84mm", 84 / 25.4), ("8.4 cm", 8.4 / 2.54), ("240pt", 240 / 72.27)]
)
def test_widths_have_units(tmp_path: Path, width: str, inches: float) -> None:
    for text in (STUDY, PROGRAM):
        path = tmp_path / "study.yaml"
        path.write_text(f"{text}figure_style: {{width: {width}, font: serif, title: false}}\n")
        style = load_any_study(path).figure_style
        assert style.width == pytest.approx(inches) and (style.font, style.title) == ("serif", False)


def test_without_the_key_nothing_changes_and_no_id_has_it(tmp_path: Path) -> None:
    plain = recorded.written(tmp_path, STUDY)
    assert plain.study.figure_style == FigureStyle()
    styled = load_study(tmp_path / "invented.yaml", ["figure_style.width=3.3in"])
    assert [trial.id for trial in styled.trials()] == [trial.id for trial in plain.trials()]


@pytest.mark.parametrize(
    ("style", "message"),
    [
        ("{width: 3.3}", "6:16: figure_style.width: found 3.3; allowed: a width of 2.5 to 14 inches, such as 3.3in"),
        ("{width: 84m}", "figure_style.width: found '84m'; allowed"),
        ("{width: 1in}", "found '1in'; allowed: a width of 2.5 to 14 inches"),
        ("{width: 99cm}", "found '99cm'"),
        ("{font: comic}", "figure_style.font: found 'comic'; allowed: sans-serif, serif"),
        ("{size: 9}", "unknown key 'size'"),
    ],
)
def test_other_values_are_refused_where_they_stand(tmp_path: Path, style: str, message: str) -> None:
    with pytest.raises(StudyError, match=message.replace("'", ".")):
        recorded.written(tmp_path, f"{STUDY}figure_style: {style}\n")
