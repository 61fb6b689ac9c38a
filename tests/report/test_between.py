"""Two studies compared, and what a notebook shows of a study."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from recorded import DIGITS, recorded, written

from ablate.errors import StudyError
from ablate.report.writers.notebook import brief_html

STUDY = DIGITS + "seeds: 6\nvariants:\n  - net: [WRN-10-1, WRN-10-2]\nbaseline: WRN-10-1\n"
ERRORS = {0: [5.0, 6.0, 7.0, 8.0, 9.0, 10.0], 1: [9.0, 8.0, 7.0, 6.0, 5.0, 4.0]}


def test_variants_of_one_name_are_compared_in_pairs(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    ours = recorded(tmp_path / "ours", STUDY, ERRORS)
    worse = {place: [error + 2 for error in errors] for place, errors in ERRORS.items()}
    text = STUDY.replace("epochs: 2", "epochs: 2, lr: 0.2").replace("WRN-10-2]", "WRN-10-3]")
    theirs = recorded(tmp_path / "theirs", text, worse)
    frame = ours.compare(theirs).set_index("variant")
    assert list(frame.index) == ["WRN-10-1", "WRN-10-2", "WRN-10-3"]
    both = frame.loc["WRN-10-1"]
    assert (both["median_test_error"], both["other_median_test_error"], both["difference"]) == (7.5, 9.5, -2.0)
    assert (both["test"], both["n"], both["other_n"], both["comparisons"]) == ("paired", 6, 6, 1)
    assert both["p_family"] == pytest.approx(2 / 2**6) and both["interval_high"] < 0
    assert frame.loc["WRN-10-2", "other_n"] == 0 and frame["difference"].isna().sum() == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STUDY.replace("[WRN-10-1, WRN-10-2]", "[WRN-16-1]").replace("baseline: WRN-10-1", ""), "no variant has the same"),
        (STUDY + "validation: {holdout: 32}\n", "one decides by test error, the other by validation error"),
    ],
)
def test_studies_that_cannot_be_compared_are_refused(tmp_path: Path, text: str, message: str) -> None:
    ours = written(tmp_path, STUDY)
    with pytest.raises(StudyError, match=message):
        ours.compare(written(tmp_path, text))


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.append(tag)
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.usefixtures("unrendered")
def test_a_notebook_shows_finding_table_and_figure(tmp_path: Path) -> None:
    experiment = recorded(tmp_path, STUDY, ERRORS)
    report = experiment.report()
    assert repr(report) == "<StudyReport invented: 12 of 12 recorded>"
    assert repr(experiment) == "<Experiment invented: 2 variants, 12 trials>"
    of_report, of_experiment = report._repr_html_(), experiment._repr_html_()
    assert Tags(of_report).found.count("img") == 1 and Tags(of_experiment).found.count("img") == 0
    for text in (of_report, of_experiment):
        assert report.document.finding in text and text.count("<tr>") == 3
    next(experiment.runs.rglob("epochs.jsonl")).write_text("")
    assert "damaged" in experiment._repr_html_()


def test_texts_of_a_notebook_are_escaped() -> None:
    assert "<b>" not in brief_html("x", "<b>&", None, b"", "").removeprefix("<p><b>x</b>")
