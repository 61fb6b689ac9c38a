"""The text output of `ablate status`, from the same plain values that --json prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ablate.errors import printable
from ablate.report.numbers import DASH, counted, format_of
from ablate.report.table import Column, make_table
from ablate.report.writers.plain import table_text
from ablate.schedule.durations import duration
from ablate.study.axis_text import short_axis, values_text

NO_TRIALS = "no trials: the networks are counted, nothing is trained"


def status_text(status: dict[str, Any], live: bool = False) -> str:
    """The trials by state, one row per network, and the cause and log of each failure; for a search, its candidates.

    What is being trained now stands before the sum at the end.

    Args:
        status: As returned by Experiment.status() or SearchExperiment.status().
        live: Whether the order is the other one: of a table that is too long for a window the end is not seen.
    """
    if not status.get("trials") and "candidates" not in status and "tuning" not in status:
        return NO_TRIALS
    found = _candidates_blocks(status) if "candidates" in status else _trials_blocks(status)
    blocks = [*found[:-1], *_running_blocks(status), *found[-1:]]
    return "\n".join(blocks[::-1] if live else blocks)


def is_over(status: dict[str, Any]) -> bool:
    """Whether nothing is left to train.

    Args:
        status: As returned by Experiment.status() or SearchExperiment.status().
    """
    open_ = any(one["chosen"] is None for one in status.get("tuning", ()))
    return not open_ and not status["running"] and set(status["states"]) <= {"recorded", "diverged", "complete", "pruned"}


def _running_blocks(status: dict[str, Any]) -> list[str]:
    """A table of what is being trained now, and how long all will take; nothing where nothing is."""
    if not (running := status.get("running")):
        return []
    by = status["decided_by"]
    write = format_of(by["unit"]).value
    titles = ("Trained now", "Epoch", f"{by['axis'][:1].upper()}{by['axis'][1:]}", "Images/s", "Left", "Machine")
    rows = []
    for one in running:
        fold = f"fold {one['fold']} " if "fold" in one else ""
        value, rate, left = one[by["name"]], one["images_per_second"], one["seconds_left"]
        rows.append(
            [
                f"{one['net']} {fold}seed {one['seed']}",
                f"{one['epoch']} of {one['epochs']}" if one["epochs"] else str(one["epoch"]),
                DASH if value is None else write(value),
                DASH if rate is None else f"{rate:,.0f}",
                DASH if left is None else duration(left),
                one["machine"] or DASH,
            ]
        )
    blocks = [table_text(make_table([Column(title, title not in ("Trained now", "Machine")) for title in titles], rows))]
    left = status["seconds_left"]
    return blocks + ([] if left is None else [f"about {duration(left)} left for all of them at this pace"])


def _trials_blocks(status: dict[str, Any]) -> list[str]:
    """The blocks of a study; the last one is the sum."""
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
            log = f" ({trial['log']})" if trial["log"] else ""
            lines.append(printable(f"{trial['state']}: {trial['net']} {fold}seed {trial['seed']}: {trial['cause']}{log}"))
    lines += map(printable, map(_comparison_line, status.get("comparisons", ())))
    lines += map(printable, status["remarks"])
    lines += [printable(f"damaged: candidate of {one['net']}: {problem}") for one in tuning for problem in one["problems"]]
    if tuning:
        done = sum(one["chosen"] is not None for one in tuning)
        lines.append(f"{done} of {counted(len(tuning), 'variant')} tuned")
    if status["trials"]:
        lines.append(f"{counted(len(status['trials']), 'trial')}: {count_states(t['state'] for t in status['trials'])}")
    return lines


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
        chosen = values_text({short_axis(axis): value for axis, value in (one["chosen"] or {}).items()}) or "open"
        tried = ", ".join(f"{n} {state}" for state, n in one["candidates"].items())
        rows.append([one["net"], chosen, tried, count_states(states.get(one["net"], ())) or DASH])
    names = {one["net"] for one in tuning}
    return rows + [[net, DASH, DASH, count_states(each)] for net, each in states.items() if net not in names]


def _candidates_blocks(status: dict[str, Any]) -> list[str]:
    """The blocks of a search; the last one is the sum."""
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
    damaged = [
        printable(f"{one['state']}: candidate {one['number']}, {one['net']}: {one['cause']}")
        for one in status["candidates"]
        if one["cause"]
    ]
    return [*([table_text(make_table(columns, rows))] if rows else []), *damaged, total]


def count_states(states: Iterable[str]) -> str:
    """The number of trials per state, such as "3 recorded, 2 missing"."""
    return ", ".join(f"{n} {state}" for state, n in Counter(states).items())
