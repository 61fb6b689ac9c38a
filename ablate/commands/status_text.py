"""The text output of `ablate status`, from the same plain values that --json prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ablate.errors import printable
from ablate.report.document import Column, make_table
from ablate.report.numbers import DASH, counted, format_of
from ablate.report.writers.plain import table_text
from ablate.study.plan import plain
from ablate.study.short_names import short_axis

NO_TRIALS = "no trials: the networks are counted, nothing is trained"


def status_text(status: dict[str, Any]) -> str:
    """The trials by state, one row per network, and the cause and log of each failure; for a search, its candidates.

    Args:
        status: As returned by Experiment.status() or SearchExperiment.status().
    """
    if "candidates" in status:
        return _candidates_text(status)
    if not status["trials"] and "tuning" not in status:
        return NO_TRIALS
    states: dict[str, list[str]] = {}
    for trial in status["trials"]:
        states.setdefault(trial["net"], []).append(trial["state"])
    what, tuning = "Variant" if "program" in status else "Network", status.get("tuning", [])
    titles = [what, *(["Tuned", "Candidates"] if tuning else []), "Trials"]
    rows = [[net, count_states(of_net)] for net, of_net in states.items()]
    rows = _tuning_rows(tuning, states) if tuning else rows
    lines = [table_text(make_table([Column(title, False) for title in titles], rows))]
    for trial in status["trials"]:
        fold = f"fold {trial['fold']} " if "fold" in trial else ""
        if trial["cause"]:
            lines.append(printable(f"failed: {trial['net']} {fold}seed {trial['seed']}: {trial['cause']} ({trial['log']})"))
    lines += map(printable, map(_comparison_line, status.get("comparisons", ())))
    lines += map(printable, status["remarks"])
    if tuning:
        done = sum(one["chosen"] is not None for one in tuning)
        lines.append(f"{done} of {counted(len(tuning), 'variant')} tuned")
    if status["trials"]:
        lines.append(f"{counted(len(status['trials']), 'trial')}: {count_states(t['state'] for t in status['trials'])}")
    return "\n".join(lines)


def _comparison_line(one: dict[str, Any]) -> str:
    """What a comparison came to so far, of a study with `seeds.until`."""
    name, seeds = f"{one['net']} against {one['baseline']}", counted(one["seeds"], "seed")
    if one["verdict"] == "open":
        return f"{name}: open, next seed {one['next_seed']}" if one["seeds"] else f"{name}: not compared yet"
    if one["verdict"] == "undecided":
        return f"{name}: undecided after {seeds}, the maximum"
    return f"{name}: decided after {seeds} ({one['verdict']})"


def _tuning_rows(tuning: list[dict[str, Any]], states: dict[str, list[str]]) -> list[list[str]]:
    """A row for each variant that is tuned, then for those that are trained at their own values."""
    rows = []
    for one in tuning:
        chosen = ", ".join(f"{short_axis(axis)} {plain(value)}" for axis, value in (one["chosen"] or {}).items()) or "open"
        tried = ", ".join(f"{n} {state}" for state, n in one["candidates"].items())
        rows.append([one["net"], chosen, tried, count_states(states.get(one["net"], ())) or DASH])
    names = {one["net"] for one in tuning}
    return rows + [[net, DASH, DASH, count_states(each)] for net, each in states.items() if net not in names]


def _candidates_text(status: dict[str, Any]) -> str:
    rows, by = [], status["decided_by"]
    write, program = format_of(by["unit"]).value, "program" in status
    for one in status["candidates"]:
        value = one[by["name"]]
        shown = DASH if value is None else write(value)
        rows.append([str(one["number"]), one["net"], one["state"], f"{one['trainings']} of {one['of']}", shown])
    columns = [
        Column("Candidate"), Column("Values" if program else "Network", False), Column("State", False), Column("Trainings"),
        Column(f"{by['axis'][:1].upper()}{by['axis'][1:]}"),
    ]  # fmt: skip
    states = ", ".join(f"{n} {state}" for state, n in status["states"].items())
    total = f"{counted(sum(status['states'].values()), 'candidate')}: {states}"
    return "\n".join([*([table_text(make_table(columns, rows))] if rows else []), total])


def count_states(states: Iterable[str]) -> str:
    """The number of trials per state, such as "3 recorded, 2 missing".

    Args:
        states: The state of each trial.
    """
    return ", ".join(f"{n} {state}" for state, n in Counter(states).items())
