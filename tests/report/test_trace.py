"""From a cell of a table.csv to the trials behind it, on an invented report."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablate.commands.trace_text import trace_text
from ablate.errors import RecordError
from ablate.report.trace import Trace, trace_cell

# ruff: noqa: E501
TABLE = """\
net,recipe.lr,parameters,data,median_test_error,n,min,max,mean,epoch_rule,baseline,difference,published,published_difference,published_source,protocol_differs,trials,not_run,baseline_trials
"WRN-10-1-B(1,3,1)",0.1,1200,Digits,7.0,3,5.0,9.0,7.0,last,"WRN-10-1, lr 0.1",1.5,6.06,0.94,"WRN, Table 2",50 epochs; 1 seed,a0 a1 a2,,b0 b1
WRN-10-1,0.1,1300,Digits,5.5,2,5.0,6.0,5.5,last,"WRN-10-1, lr 0.1",0.0,,,,,b0 b1,,b0 b1
WRN-10-1,0.05,1300,Digits,,2,4.0,,,last,"WRN-10-1, lr 0.1",,,,,,c0 c1,,b0 b1
WRN-16-1,0.1,1400,Digits,3.0,1,3.0,3.0,3.0,best,"WRN-10-1, lr 0.1",-2.5,,,,,d0,,b0 b1
DSN,,,Digits,,,,,,,,,8.22,,"WRN, Table 5",,,deep supervision is not built,
"""
ERRORS = {"a0": 7.0, "a1": 9.0, "a2": 5.0, "b0": 5.0, "b1": 6.0, "c0": 4.0, "c1": None, "d0": 3.5}
HEADER = (
    "net,seed,id,state,epoch_rule,test_error,train_seconds,test_seconds,ablate,revision,python,torch,device,"
    "threads,started,finished"
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lines = [HEADER]
    for trial, error in ERRORS.items():
        state, text = ("diverged", "") if error is None else ("recorded", error)
        made = (
            "0.1.0,84d6be3236c6a8e0cb0e618406ef9e553dff792d+,3.11.7,2.15.0,A CPU,1,2026-11-21T05:03:01,2026-11-21T05:05:10"
        )
        lines.append(f"net,{trial[1]},{trial},{state},last,{text},114.04,14.3,{made}")
    (tmp_path / "trials.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "table.csv").write_text(TABLE)
    return tmp_path / "table.csv"


def ids(trace: Trace) -> list[str]:
    return [trial["id"] for trial in trace.trials]


@pytest.mark.parametrize(
    "cell",
    ["1,median_test_error", "1,5", "WRN-10-1-B(1,3,1),median_test_error", 'WRN-10-1-B(1,3,1), 5', '"WRN-10-1-B(1,3,1)",5'],
)  # fmt: skip
def test_a_cell_is_named_by_number_or_by_text(table: Path, cell: str) -> None:
    trace = trace_cell(table, cell)
    assert (trace.row, trace.column, trace.name) == (1, "median_test_error", "WRN-10-1-B(1,3,1)")
    assert (trace.value, ids(trace), trace.selected) == ("7.0", ["a0", "a1", "a2"], ["a0"])
    assert trace.remarks == ["the median of 3 is a0 (seed 0, 7.00)"]


@pytest.mark.parametrize(
    ("cell", "selected", "remark"),
    [
        ("1,min", ["a2"], "the minimum of 3 is a2 (seed 2, 5.00)"),
        ("1,max", ["a1"], "the maximum of 3 is a1 (seed 1, 9.00)"),
        ("2,median_test_error", ["b0", "b1"], "the median of 2 lies between b0 (seed 0, 5.00) and b1 (seed 1, 6.00)"),
        ("3,max", ["c1"], "the maximum of 2 is c1 (seed 1, diverged)"),
        ("3,min", ["c0"], "the minimum of 2 is c0 (seed 0, 4.00)"),
        ("3,median_test_error", ["c0", "c1"], "between c0 (seed 0, 4.00) and c1 (seed 1, diverged)"),
        ("4,median_test_error", [], "the median of these errors is 3.50: one of the two files is older"),
        ("1,parameters", [], "parameters is counted from the network"),
        ("1,published_difference", ["a0"], "published 6.06: WRN, Table 2"),
    ],
)
def test_a_cell_says_which_of_the_trials_it_is(table: Path, cell: str, selected: list[str], remark: str) -> None:
    trace = trace_cell(table, cell)
    assert trace.selected == selected and remark in " | ".join(trace.remarks) and trace.trials


@pytest.mark.parametrize("column", ["published", "published_source"])
def test_a_published_value_has_a_source_and_no_trials(table: Path, column: str) -> None:
    trace = trace_cell(table, f"1,{column}")
    assert trace.trials == [] and trace.selected == []
    assert trace.remarks == ["published 6.06: WRN, Table 2", "protocol differs: 50 epochs; 1 seed"]
    assert trace_cell(table, f"2,{column}").remarks == ["no published value stands in this row"]
    dsn = trace_cell(table, f"DSN,{column}")
    assert dsn.remarks == ["published 8.22: WRN, Table 5", "not run: deep supervision is not built"]


def test_a_row_that_is_only_published_has_no_trials(table: Path) -> None:
    trace = trace_cell(table, "DSN,median_test_error")
    assert trace.trials == [] and trace.remarks == ["no trial is behind this row: deep supervision is not built"]


def test_a_comparison_has_the_trials_of_both(table: Path) -> None:
    trace = trace_cell(table, "1,difference")
    assert ids(trace) == ["a0", "a1", "a2"]
    assert [trial["id"] for trial in trace.baseline_trials] == ["b0", "b1"]
    assert "The baseline's trials:" in trace_text(trace)


def test_the_text_and_the_json_have_the_provenance(table: Path) -> None:
    trace = trace_cell(table, "1,median_test_error")
    lines = trace_text(trace).splitlines()
    assert lines[0] == f"{table}, row 1 of 5 (WRN-10-1-B(1,3,1)), median_test_error: 7.0"
    (first,) = [line for line in lines if line.startswith("|") and " a0 " in line]
    assert first.startswith("| *") and " 7.00 " in first
    (common,) = [line for line in lines if line.startswith("the same for all: ")]
    for shown in ("revision 84d6be3236c6+", "device A CPU", "train seconds 114.0", "epoch rule last", "python 3.11.7"):
        assert shown in common
    value = trace.as_json()
    assert value["selected"] == ["a0"] and value["column"] == "median_test_error"
    assert value["trials"][1]["test_error"] == 9.0 and value["trials"][1]["seed"] == 1
    assert value["trials"][1]["revision"] == "84d6be3236c6a8e0cb0e618406ef9e553dff792d+"
    assert trace_cell(table, "3,n").as_json()["trials"][1]["test_error"] is None


def test_files_of_two_reports_are_told_apart(table: Path) -> None:
    trials = table.with_name("trials.csv")
    trials.write_text(trials.read_text().replace(",7.0,", ",7.5,"))
    assert "one of the two files is older" in trace_cell(table, "1,median_test_error").remarks[0]
    trials.write_text(trials.read_text().replace("a1,", "e1,"))
    with pytest.raises(RecordError, match=r"trials\.csv: has no trial a1, which .*table\.csv names"):
        trace_cell(table, "1,n")
    assert trace_cell(table, "1,published").remarks  # needs no trials


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("1", "`cell`: found '1'; allowed: ROW,COL such as 1,median_test_error"),
        (",2", "`cell`: found ',2'; allowed: ROW,COL"),
        ("0,1", "row: found 0; allowed: 1 to 5"),
        ("6,1", "row: found 6; allowed: 1 to 5"),
        ("1,0", "column: found 0; allowed: 1 to 19"),
        ("1,20", "column: found 20; allowed: 1 to 19"),
        ("-1,1", "row: found '-1'; "),
        (
            "WRN-10-2,1",
            "row: found 'WRN-10-2'; did you mean 'WRN-10-1'? allowed: WRN-10-1-B(1,3,1), WRN-10-1, WRN-16-1, DSN",
        ),
        ("WRN-10-1,n", "row: found 'WRN-10-1' 2 times; allowed: 2 or 3"),
        ("1,median", "column: found 'median'; "),
    ],
)
def test_a_cell_that_is_not_there_is_refused(table: Path, cell: str, message: str) -> None:
    with pytest.raises(RecordError) as caught:
        trace_cell(table, cell)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_no_report_are_refused(table: Path) -> None:
    trials = table.with_name("trials.csv")
    trials.write_text(trials.read_text().replace(",7.0,", ",seven,"))
    with pytest.raises(RecordError, match=r"trials\.csv: test_error: found 'seven'; allowed: a number"):
        trace_cell(table, "1,n")
    for content, why in ((b"net,n\nWRN,1\n", "has no column 'trials'"), (b"\x89PNG\xff", "is no CSV"), (b"", "no column")):
        table.write_bytes(content)
        with pytest.raises(RecordError, match=why):
            trace_cell(table, "1,1")
    with pytest.raises(FileNotFoundError):
        trace_cell(table.with_name("none.csv"), "1,1")
