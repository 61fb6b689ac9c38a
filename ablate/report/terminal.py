"""What plan, status and show print for people, from the same plain values that --json prints."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from ablate.errors import printable
from ablate.report.tables import Table, blocks_cell, counted, quantity, to_markdown
from ablate.study.plan import plain

MAX_REMARKS = 40
NO_TRIALS = "no trials: the networks are counted, nothing is trained"


def plan_text(plan: dict[str, Any]) -> str:
    """The variants with their counts, how they meet the budget, and which trials are there; of a search, its space."""
    if "search" in plan:
        return _search_text(plan)
    variants = plan["variants"]
    axes = list(variants[0]["axes"])
    budget = any("budget" in variant for variant in variants)
    header = ["Network", *axes, "N", "Parameters", "Mult-adds", "Memory"]
    solved = any(fit["below"] or fit["above"] for variant in variants if (fit := variant.get("budget")))
    header += ["Budget"] if budget else []
    header += ["Next smaller", "Next larger"] if solved else []
    probed = any(variant["probe"] for variant in variants)
    estimated = any(variant["estimate"] for variant in variants)
    header += ["Step, ms"] if probed else []
    states = [trial["state"] for variant in variants for trial in variant["trials"]]
    header += (["Hours a trial"] if estimated else []) + ["Trials"] if states else []
    rows = []
    for variant in variants:
        row = [variant["net"], *map(plain, variant["axes"].values()), blocks_cell(variant["blocks_per_group"])]
        row += [f"{variant['parameters']:,}", quantity(variant["multiply_adds"])]
        row += [f"{quantity(sum(variant['training_memory'].values()))}B"]
        if budget:
            fit = variant["budget"]
            unit = "B" if fit["measure"] == "activation_memory" else ""
            row += [(f"{quantity(fit['count'])}{unit}, " if unit else "") + f"{fit['deviation']:+.1%}"]
            row += [_neighbour(fit[side], unit) for side in ("below", "above")] if solved else []
        row += [_step(variant["probe"])] if probed else []
        row += [_hours(variant["estimate"])] if estimated and states else []
        row += [_states(trial["state"] for trial in variant["trials"])] if states else []
        rows.append(row)
    numeric = [name not in ("Network", "Trials") for name in header]
    lines = [to_markdown(Table(header, rows, numeric)), *map(printable, plan["remarks"][:MAX_REMARKS])]
    if (more := len(plan["remarks"]) - MAX_REMARKS) > 0:
        lines.append(f"... and {more} more remarks, in --json")
    trials = f"{counted(len(states), 'trial')}: {_states(states)}" if states else NO_TRIALS
    lines.append(f"{counted(len(variants), 'variant')}, {trials}")
    return "\n".join(lines + cost_lines(plan["cost"]))


def _search_text(plan: dict[str, Any]) -> str:
    """What a search looks for, how, and how far it is."""
    search = plan["search"]
    rows = [[one["axis"], _space(one), _when(one)] for one in search["space"]]
    conditions = any("when" in one for one in search["space"])
    header = ["Axis", "Values", "Where"] if conditions else ["Axis", "Values"]
    lines = [to_markdown(Table(header, [row[: len(header)] for row in rows], [False] * len(header)), escape=False)]
    folds, images = search["folds"], search["held_out"]
    held_out = f"{images:,} held-out training images" if images else f"{folds} folds of the training images"
    also = f", and {search['also_minimize']}" if search["also_minimize"] else ""
    seeds, trainings = len(search["seeds"]), search["candidates"] * folds * len(search["seeds"])
    lines.append(f"minimized: {search['objective'].replace('_', ' ')} on {held_out}{also}; the test images are not read")
    lines.append(f"sampler {search['sampler']}, pruner {search['pruner']}")
    if search["parameters"]:
        least, most = (dict.fromkeys(map(quantity, search[key])) for key in ("parameters", "multiply_adds"))
        lines.append(f"networks: {' to '.join(least)} parameters, {' to '.join(most)} multiply-adds")
    each = f"{counted(folds, 'fold')}, {counted(seeds, 'seed')}"
    states = _states([state for state, n in search["states"].items() for _ in range(n)])
    lines += map(printable, plan["remarks"])
    lines += [f"{counted(search['candidates'], 'candidate')} of {each}, {trainings} trainings: {states}"]
    if search["distinct"]:
        lines.append(
            f"different candidates in the space: {search['distinct']}; one that comes again costs nothing, but counts"
        )
    elif search["drawn"]:
        lines.append(f"what is not sampled yet costs what {counted(search['drawn'], 'candidate')} drawn at random cost:")
    return "\n".join(lines + cost_lines(plan["cost"]))


def _space(parameter: dict[str, Any]) -> str:
    """ "0 to 0.6 in steps of 0.05", "0.01 to 1, log", "1, 2, 4", "B(M), 1 to 4 convolutions of 1 or 3"."""
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
    """The hours of the open trials, and when they end: here, and on each number of GPUs."""
    runs = [run for run in (cost["here"], *cost["gpus"]) if run and run["trials"]]
    lines = [_run_line(run, cost["open_trials"]) for run in runs]
    if any(run["approximate"] for run in runs):
        lines.append("~: scaled by multiply-adds from another network, or timed with another number side by side")
    if any(run["gpus"] for run in runs):
        lines.append("GPUs: of the kind that was timed, each trial on one of them from start to end, longest first")
    if any(run["slots"] > 1 for run in runs):
        lines.append("least possible: the trial-hours spread evenly, or the longest trial, whichever is more")
    if cost["titan_x_seconds"] >= 3600:
        hours = _in_hours(cost["titan_x_seconds"])
        lines.append(f"by multiply-adds, {hours} hours of the Titan X that WRN's Table 2 was timed on")
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
    """ "40 s", "12 min", "7.5 h", "9.1 days"."""
    if seconds < 5400:
        return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 72 * 3600 else f"{seconds / 86400:,.1f} days"


def _in_hours(seconds: float) -> str:
    """Hours with three digits: "0.0042", "5.05", "1,230"."""
    hours = seconds / 3600
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.3g}"


def _step(probe: dict[str, Any] | None) -> str:
    return f"{probe['train_step_ms']['median']:,.1f}" if probe else "–"


def _hours(estimate: dict[str, Any] | None) -> str:
    return f"{'~' if estimate['approximate'] else ''}{_in_hours(estimate['trial_seconds'])}" if estimate else "–"


def status_text(status: dict[str, Any]) -> str:
    """The trials by state, a row a network, and the cause and log of each failure; of a search its candidates."""
    if "candidates" in status:
        return _candidates_text(status)
    if not status["trials"]:
        return NO_TRIALS
    states: dict[str, list[str]] = {}
    for trial in status["trials"]:
        states.setdefault(trial["net"], []).append(trial["state"])
    rows = [[net, _states(of_net)] for net, of_net in states.items()]
    lines = [to_markdown(Table(["Network", "Trials"], rows, [False, False]))]
    for trial in status["trials"]:
        if trial["cause"]:
            lines.append(printable(f"failed: {trial['net']} seed {trial['seed']}: {trial['cause']} ({trial['log']})"))
    lines.append(f"{counted(len(status['trials']), 'trial')}: {_states(t['state'] for t in status['trials'])}")
    return "\n".join(lines)


def _candidates_text(status: dict[str, Any]) -> str:
    rows = []
    for one in status["candidates"]:
        error = one["validation_error"]
        shown = "–" if error is None else "diverged" if error == float("inf") else f"{error:.2f}"
        rows.append([str(one["number"]), one["net"], one["state"], f"{one['trainings']} of {one['of']}", shown])
    header = ["Candidate", "Network", "State", "Trainings", "Validation error, %"]
    states = ", ".join(f"{n} {state}" for state, n in status["states"].items())
    total = f"{counted(sum(status['states'].values()), 'candidate')}: {states}"
    return "\n".join([*([to_markdown(Table(header, rows, [True, False, False, True, True]))] if rows else []), total])


def show_text(network: dict[str, Any]) -> str:
    """A network by section, with its totals, its depths and what training it keeps in memory."""
    header = ["Section", "Output", "Layers", "Parameters", "Mult-adds", "Activations"]
    rows = [
        [section["name"], "x".join(map(str, section["output"])), section["layers"], *_counts(section)]
        for section in network["sections"]
    ]
    rows.append(["total", "", f"{network['weight_layers']} convolutions and linear layers", *_counts(network)])
    about = f"{network['net']}: family {network['family']} ({network['source']})"
    if network["depth"]:
        about += f", depth {network['depth']}"
        if network["nominal_depth"] != network["depth"]:
            about += f" by convolutions, {network['nominal_depth']} nominal"
    about += f"; {network['classes']} classes, input {'x'.join(map(str, network['input_shape']))}"
    also = f"The name could also mean {' or '.join(network['also'])}." if network["also"] else ""
    axes = ", ".join(f"{axis} {plain(value)}" for axis, value in network["axes"].items())
    blocks = f"N {blocks_cell(network['blocks_per_group'])}, " if network["depth"] else ""
    lines = [about, *filter(None, [also, network["remark"]]), blocks + axes, ""]
    lines += [to_markdown(Table(header, rows, [name in header[3:] for name in header]), escape=False)]
    lines += ["Mult-adds and activations: one image, forward, convolutions and linear layers.", ""]
    parts = ("weights", "gradients", "momentum", "activations", "total")
    memory = [
        [choice["precision"], choice["checkpoint_activations"], *(f"{quantity(choice[part])}B" for part in parts)]
        for choice in network["training_memory"]
    ]
    names = ["Precision", "checkpoint_activations", *(part.capitalize() for part in parts)]
    lines.append(to_markdown(Table(names, memory, [False, False, *[True] * len(parts)])))
    lines.append(f"Training memory at batch {network['batch_size']}, estimated; the library's workspaces come on top.")
    return "\n".join(lines)


def families_text(described: dict[str, Any]) -> str:
    """The families of networks, how they are named, and the options that a name may have."""
    families = [
        [family["form"], ", ".join(family["examples"]), family["source"], family["family"]]
        for family in described["families"]
    ]
    options = [[option["option"], option["meaning"], option["axis"]] for option in described["options"]]
    tables = (
        Table(["Name", "Such as", "Source", "Family"], families, [False] * 4),
        Table(["Option of a name", "Meaning", "Axis"], options, [False] * 3),
    )
    return "\n".join(to_markdown(table, escape=False) for table in tables)


def _counts(counts: dict[str, Any]) -> list[str]:
    return [f"{counts['parameters']:,}", quantity(counts["multiply_adds"]), quantity(counts["activations"])]


def _neighbour(neighbour: dict[str, Any] | None, unit: str) -> str:
    return f"{neighbour['net']}: {quantity(neighbour['count'])}{unit}" if neighbour else "–"


def _states(states: Any) -> str:
    return ", ".join(f"{n} {state}" for state, n in Counter(states).items())
