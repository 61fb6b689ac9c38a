"""The text output of `ablate plan`, from the same plain values that --json prints."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ablate.commands.status_text import NO_TRIALS, count_states
from ablate.data.folders import describe_counts
from ablate.errors import printable
from ablate.report.numbers import DASH, blocks_text, counted, is_number, quantity
from ablate.report.setting import MEASURES
from ablate.report.table import Column, make_table
from ablate.report.verdicts import cannot_reach, listed
from ablate.report.writers.plain import rows_lines, table_text
from ablate.study.axis_text import plain, short_axis, shown_value

MAX_REMARKS = 40


def plan_lines(plan: dict[str, Any]) -> Iterator[str]:
    """What is printed, in texts of a line or more: the variants with their counts, their deviation from the budget, their
    trials and costs; for a search, its space.

    Args:
        plan: As returned by Experiment.plan_in_turn(), or by plan() of any experiment.
    """
    if "search" in plan:
        yield _search_text(plan)
    elif "program" in plan:
        yield _program_text(plan)
    else:
        yield from _network_lines(plan)


def _network_lines(plan: dict[str, Any]) -> Iterator[str]:
    """The lines of a study of networks. A column in which all variants have a dash is left out."""
    states = Counter[str]()
    yield from _variant_lines(plan, states)
    yield from map(printable, plan["remarks"][:MAX_REMARKS])
    if (more := len(plan["remarks"]) - MAX_REMARKS) > 0:
        yield f"... and {more} more remarks, in --json"
    yield from _tune_lines(plan)
    yield from _images_lines(plan)
    if states:
        yield _memory_line(plan["memory"])
    trials = f"{counted(states.total(), 'trial')}: {count_states(states.elements())}" if states else NO_TRIALS
    yield f"{counted(len(plan['variants']), 'variant')}, {trials}"
    yield from (*_verdict_lines(plan), *_until_lines(plan), *cost_lines(plan["cost"]))


def _variant_lines(plan: dict[str, Any], states: Counter[str]) -> Iterator[str]:
    """The table of the variants. The states of their trials are counted in `states`."""
    axes = list(next(iter(plan["variants"]))["axes"])
    tuned = [one["axis"] for one in plan["tune"]["space"]] if "tune" in plan else []
    worded = set[str]()  # the axes whose values are not all numbers
    rows: list[tuple[str, ...]] = []
    for variant in plan["variants"]:
        worded.update(axis for axis, value in variant["axes"].items() if not is_number(value))
        of_trials = [trial["state"] for trial in variant["trials"]]
        states.update(of_trials)
        row = (
            variant.get("title", DASH),
            variant["net"],
            *map(shown_value, variant["axes"].values()),
            blocks_text(variant["blocks_per_group"]),
            f"{variant['parameters']:,}",
            quantity(variant["multiply_adds"]),
            f"{quantity(sum(variant['training_memory'].values()))}B",
            *_budget_cells(variant.get("budget")),
            _step(variant["probe"]),
            _hours(variant["estimate"]) if of_trials else DASH,
            count_states(of_trials) or DASH,
        )
        rows.append(tuple(map(sys.intern, row)))  # most texts stand in many of 100,000 rows
    columns = [
        *(Column("Variant", False), Column("Network", False)),
        *(Column(short_axis(axis) + (", tuned" if axis in tuned else ""), axis not in worded) for axis in axes),
        *map(Column, ("N", "Parameters", "Mult-adds", "Memory", "Budget", "Next smaller", "Next larger")),
        *(Column("Step, ms"), Column("Hours per trial"), Column("Trials", False)),
    ]
    empty = {i for i in range(len(columns)) if all(row[i] == DASH for row in rows)}
    yield from rows_lines(columns, rows, [i for i in range(len(columns)) if i not in empty])
    yield ""


def _budget_cells(fit: dict[str, Any] | None) -> list[str]:
    """How a network meets the budget; dashes for one without a budget, as where several studies stand in one table."""
    if fit is None:
        return [DASH] * 3
    unit = "B" if fit["measure"] == "activation_memory" else ""
    neighbours = [_neighbour(fit[side], unit) for side in ("below", "above")]
    return [(f"{quantity(fit['count'])}{unit}, " if unit else "") + f"{fit['deviation']:+.1%}", *neighbours]


def _until_lines(plan: dict[str, Any]) -> list[str]:
    """How many trainings a study with `seeds.until` will have; the lines on cost are of the seeds that it asks for now."""
    own = [f"at the variants' own values: {line}" for line in _rounds_lines(plan.get("until_untuned"))[:2]]
    return _rounds_lines(plan.get("until")) + own


def _rounds_lines(until: dict[str, Any] | None) -> list[str]:
    """The lines on the rounds of seeds, of the variants at one set of values; empty for a study without them."""
    if not until:
        return []
    spread, difference = until["standard_deviation"], until["difference"]
    source = "as recorded" if until["recorded"] else "assumed"
    lines = [
        f"seeds: {until['from']} to {until['to']}, until each of {counted(until['comparisons'], 'comparison')} is decided; "
        f"{until['asked']} trainings so far, at least {until['least']}, at most {until['most']}",
        f"expected: {until['expected_without_difference']:.0f} trainings if nothing differs, "
        f"{until['expected_with_difference']:.0f} if all differ by {difference:.3g} (standard deviation of the difference "
        f"at one seed {spread:.3g}, {source})",
    ]
    if until["first_possible_decision"]:
        lines.append(f"a difference can be found after {until['first_possible_decision']} seeds at the earliest")
    if until["to"] < until["may_be_raised_to"]:
        lines.append(f"seeds.to may be raised to {until['may_be_raised_to']} later: all looks up to there are counted")
    return [*lines, *filter(None, [until["note"]])]


def _program_text(plan: dict[str, Any]) -> str:
    """The variants of a study of a program, their trials, and the first command."""
    variants, program = plan["variants"], plan["program"]
    tuned = [one["axis"] for one in plan["tune"]["space"]] if "tune" in plan else []
    differ = [axis for axis in variants[0]["axes"] if len({repr(one["axes"].get(axis)) for one in variants}) > 1]
    axes = [axis for axis in variants[0]["axes"] if axis in differ or axis in tuned] or list(variants[0]["axes"])
    titled = any(design["label"] for one in variants for design in one.get("designs", ()))
    rows = [
        [
            *([one["net"]] if titled else []),
            *(shown_value(one["axes"][axis]) for axis in axes),
            one["trials"][0]["id"] or DASH,
            count_states(t["state"] for t in one["trials"]),
        ]
        for one in variants
    ]
    titles = [f"{axis}, tuned" if axis in tuned else axis for axis in axes]
    columns = [Column(title, False) for title in (*(["Variant"] if titled else []), *titles, "First id", "Trials")]
    trials = [trial for one in variants for trial in one["trials"]]
    lines = [table_text(make_table(columns, rows)), *plan["remarks"][:MAX_REMARKS]]
    if (more := len(plan["remarks"]) - MAX_REMARKS) > 0:
        lines.append(f"... and {more} more remarks, in --json")
    lines += _command_lines(program)
    lines += [f"decided by {program['decide_by']}, {program['goal']}d", *_tune_lines(plan)]
    lines.append(f"{counted(len(variants), 'variant')}, {counted(len(trials), 'trial')}: ")
    lines[-1] += count_states(trial["state"] for trial in trials)
    lines += [*_verdict_lines(plan), *_until_lines(plan), *_program_cost_lines(plan["cost"])]
    return "\n".join(map(printable, "\n".join(lines).split("\n")))


def _tune_lines(plan: dict[str, Any]) -> list[str]:
    """How the variants are tuned, and how far that is; empty for a study without `tune`."""
    if "tune" not in plan:
        return []
    tune = plan["tune"]
    spaces = [f"{short_axis(one['axis'])} {_space(one)}" for one in tune["space"]]
    spaces = [f"{text} ({when})" if (when := _when(one)) else text for text, one in zip(spaces, tune["space"])]
    if tune["folder"]:
        images = f" on the folder {tune['folder']}"
    elif tune["folds"]:
        parts = tune["folds"]
        images = (
            f" on {tune['held_out']:,} held-out training images" if tune["held_out"] else f" on {counted(parts, 'fold')}"
        )
    else:
        images = ""
    states = tune["variants"]
    each = f"{counted(tune['candidates'], 'candidate')} per variant, its own values first"
    done = sum(one["chosen"] is not None for one in states)
    lines = [
        f"tune: {'; '.join(spaces)}: {each}; {tune['goal']}d: {tune['objective'].replace('_', ' ')}{images}, "
        f"{counted(len(tune['seeds']), 'seed')}; sampler {tune['sampler']}, pruner {tune['pruner']}",
        f"tuned: {done} of {counted(len(states), 'variant')}, {counted(tune['open_trainings'], 'training')} left to tune"
        + ("; this comes first, because the ids of the trials depend on it" if done < len(states) else ""),
    ]
    if untuned := tune["also_untuned"]:
        lines.append(f"at the variants' own values too, {counted(len(untuned), 'trial')} more: {count_states(untuned)}")
    return [printable(line) for line in lines]


def _verdict_lines(plan: dict[str, Any]) -> list[str]:
    """The families in which some comparison or all can reach no verdict with the planned seeds, one line each."""
    lines = []
    for family in plan["verdicts"]:
        if cannot := family["cannot"]:
            where = f"{family['data']}: " if len(plan["verdicts"]) > 1 else ""
            seeds, smallest, enough = (family[key] for key in ("seeds", "smallest_p", "seeds_that_can"))
            lines.append(where + cannot_reach(counted(seeds, "seed"), family["comparisons"], smallest, enough, cannot))
    return [printable(line) for line in lines]


def _command_lines(program: dict[str, Any]) -> list[str]:
    """The first command of a program, and its files."""
    files = ", ".join(f"{name} ({digest})" for name, digest in program["files"].items())
    lines = [f"first command, in {program['folder']}: {program['command']}"]
    return [*lines, *([f"files in the ids: {files}"] if files else [])]


def _program_cost_lines(cost: dict[str, Any]) -> list[str]:
    """What the open trials of a program cost at the time of those that are recorded; empty if none is."""
    seconds, left = cost["trial_seconds"], cost["open_trials"]
    if seconds is None or not left:
        return []
    return [f"a recorded trial took {_time(seconds)}; {counted(left, 'open trial')}: {_time(left * seconds)} in all"]


def _memory_line(memory: dict[str, int]) -> str:
    """The memory of a run on the CPU."""
    images = f", and {quantity(memory['images'])}B of images for all slots together" if memory["images"] else ""
    return f"memory on the CPU: about {quantity(memory['slot'])}B per slot{images}"


def _images_lines(plan: dict[str, Any]) -> list[str]:
    """The number of images of each class, and of skipped files, one line per data set and part."""
    taken = plan.get("images_taken", {})
    return [
        printable(f"images of {title}, {line}")
        for title, counts in plan.get("images", {}).items()
        for line in (*describe_counts(counts), *([taken[title]] if title in taken else []))
    ]


def _search_text(plan: dict[str, Any]) -> str:
    """What a search optimizes, its method, and its progress."""
    search = plan["search"]
    rows = [[one["axis"], _space(one), _when(one)] for one in search["space"]]
    conditions = any("when" in one for one in search["space"])
    header = ["Axis", "Values", "Where"] if conditions else ["Axis", "Values"]
    columns = [Column(title, numeric=False) for title in header]
    lines = [table_text(make_table(columns, [row[: len(header)] for row in rows]))]
    if "program" in plan:
        return "\n".join([*lines, *_program_search_lines(plan)])
    folds, images = search["folds"], search["held_out"]
    held_out = f"{images:,} held-out training images" if images else f"{folds} folds of the training images"
    held_out = f"the folder {search['folder']}" if "folder" in search else held_out
    seeds, trainings = len(search["seeds"]), search["candidates"] * folds * len(search["seeds"])
    aims = [f"{search['objective'].replace('_', ' ')} on {held_out}", *(MEASURES[name] for name in search["also_minimize"])]
    lines.append(f"{search['goal']}d: {listed(aims)}; the test images are not read")
    lines.append(f"sampler {search['sampler']}, pruner {search['pruner']}")
    if search["parameters"]:
        least, most = (dict.fromkeys(map(quantity, search[key])) for key in ("parameters", "multiply_adds"))
        lines.append(f"networks: {' to '.join(least)} parameters, {' to '.join(most)} multiply-adds")
    each = f"{counted(folds, 'fold')}, {counted(seeds, 'seed')}"
    states = count_states([state for state, n in search["states"].items() for _ in range(n)])
    lines += [*map(printable, plan["remarks"]), *_images_lines(plan)]
    lines += [f"{counted(search['candidates'], 'candidate')} of {each}, {trainings} trainings: {states}"]
    if search["distinct"]:
        lines.append(_distinct_line(search["distinct"]))
    elif search["drawn"]:
        lines.append(f"estimated from {counted(search['drawn'], 'random candidate')}:")
    lines += [_memory_line(plan["memory"])] if plan["memory"] else []
    return "\n".join(lines + cost_lines(plan["cost"]))


def _program_search_lines(plan: dict[str, Any]) -> list[str]:
    """What a search of a program optimizes, its method, progress and cost."""
    search, seeds = plan["search"], len(plan["search"]["seeds"])
    states = count_states([state for state, n in search["states"].items() for _ in range(n)])
    statistic, _, measure = search["objective"].partition("_")
    lines = [f"{search['goal']}d: {statistic} {measure} over {counted(seeds, 'seed')}"]
    lines += [f"sampler {search['sampler']}, pruner {search['pruner']}", *plan["remarks"]]
    lines += _command_lines(plan["program"]) if plan["program"] else []
    lines.append(f"{counted(search['candidates'], 'candidate')} of {counted(seeds, 'seed')}, ")
    lines[-1] += f"{counted(search['candidates'] * seeds, 'training')}: {states}"
    if search["distinct"]:
        lines.append(_distinct_line(search["distinct"]))
    return [printable(line) for line in (*lines, *_program_cost_lines(plan["cost"]))]


def _distinct_line(distinct: int) -> str:
    return f"different candidates in the space: {distinct}; a repeated candidate counts but is not trained again"


def _space(parameter: dict[str, Any]) -> str:
    """Values: "0 to 0.6 in steps of 0.05", "0.01 to 1, log", "1, 2, 4", "B(M), 1 to 4 convolutions, kernels 1 or 3"."""
    choices = [plain(choice) for choice in parameter.get("choices", ())]
    if parameter["kind"] == "categorical":
        return ", ".join(choices)
    span = f"{plain(parameter['low'])} to {plain(parameter['high'])}"
    if parameter["kind"] == "kernels":
        return f"B(M), {span} convolutions, kernels {' or '.join(choices)}"
    step = parameter.get("step")
    steps = f" in steps of {plain(step)}" if step and (parameter["kind"], step) != ("int", 1) else ""
    return f"{span}{steps}{', log' if parameter.get('log') else ''}"


def _when(parameter: dict[str, Any]) -> str:
    conditions = parameter.get("when", {}).items()
    return ", ".join(f"{axis} {' or '.join(map(plain, values))}" for axis, values in conditions)


def cost_lines(cost: dict[str, Any]) -> list[str]:
    """The hours of the open trials and the time when they end: on this machine, and on each number of GPUs.

    Args:
        cost: The value of "cost" in a plan.
    """
    runs = [run for run in (cost["here"], *cost["gpus"]) if run and run["trials"]]
    lines = [_run_line(run, cost["open_trials"]) for run in runs]
    if any(run["approximate"] for run in runs):
        lines.append(
            "~: estimated from another network by multiply-adds, or timed with another number of trials side by side"
        )
    if any(run["gpus"] for run in runs):
        lines.append("GPUs: of the kind that was timed; a trial stays on one GPU; the longest trials start first")
    if any(run["slots"] > 1 for run in runs):
        lines.append("least possible: all trial-hours divided by the slots, or the longest trial if that takes longer")
    if cost["titan_x_seconds"] >= 3600:
        hours = _in_hours(cost["titan_x_seconds"])
        lines.append(f"by multiply-adds: {hours} hours on a Titan X, the GPU of WRN's Table 2")
    return [printable(line) for line in (*lines, *map(str, cost["remarks"]))]


def _run_line(run: dict[str, Any], open_trials: int) -> str:
    about = "~" if run["approximate"] else ""
    where = f"here, {counted(run['slots'], 'slot')}" if run["gpus"] is None else counted(run["gpus"], "GPU")
    if run["gpus"] and run["side_by_side"] > 1:
        where += f" of {run['side_by_side']} slots"
    hours = f"{about}{_in_hours(run['trial_seconds'])} trial-hours"
    if run["device_seconds"] != run["trial_seconds"]:
        hours += f", {about}{_in_hours(run['device_seconds'])} device-hours"
    ends = f"done in {about}{_time(run['makespan_seconds'])}, {datetime.fromisoformat(run['ends']):%a %d %b %Y %H:%M}"
    if run["slots"] > 1:
        ratio = run["makespan_seconds"] / run["lower_bound_seconds"] if run["lower_bound_seconds"] else 1.0
        ends += f"; {ratio:.2f} of the least possible"
    if run["failures"]:
        ends += f", with {counted(run['failures'], 'failure')}, {_in_hours(run['wasted_seconds'])} hours trained twice"
    missing = open_trials - run["trials"]
    trials = counted(run["trials"], "open trial") + (f" ({missing} more not estimated)" if missing else "")
    return f"{where} ({run['device']}): {trials}, {hours}; {ends}"


def _time(seconds: float) -> str:
    """A duration, such as "40 s", "12 min", "7.5 h" or "9.1 days"."""
    if seconds < 5400:
        return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 72 * 3600 else f"{seconds / 86400:,.1f} days"


def _in_hours(seconds: float) -> str:
    """Seconds converted to hours, with three digits, such as "0.0042", "5.05" or "1,230"."""
    hours = seconds / 3600
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.3g}"


def _step(probe: dict[str, Any] | None) -> str:
    return f"{probe['train_step_ms']['median']:,.1f}" if probe else DASH


def _hours(estimate: dict[str, Any] | None) -> str:
    return f"{'~' if estimate['approximate'] else ''}{_in_hours(estimate['trial_seconds'])}" if estimate else DASH


def _neighbour(neighbour: dict[str, Any] | None, unit: str) -> str:
    return f"{neighbour['net']}: {quantity(neighbour['count'])}{unit}" if neighbour else DASH
