"""What plan, status and show print for people, from the same plain values that --json prints."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ablate.report.tables import Table, counted, quantity, to_markdown
from ablate.study.plan import plain

MAX_REMARKS = 40


def plan_text(plan: dict[str, Any]) -> str:
    """The variants with their counts, how they meet the budget, and which trials are there."""
    variants = plan["variants"]
    axes = list(variants[0]["axes"])
    budget = any("budget" in variant for variant in variants)
    header = ["Network", *axes, "N", "Parameters", "Mult-adds"]
    solved = any(fit["below"] or fit["above"] for variant in variants if (fit := variant.get("budget")))
    header += ["Budget"] if budget else []
    header += ["Next smaller", "Next larger"] if solved else []
    header += ["Trials"]
    rows = []
    for variant in variants:
        row = [variant["net"], *map(plain, variant["axes"].values()), str(variant["blocks_per_group"])]
        row += [f"{variant['parameters']:,}", quantity(variant["multiply_adds"])]
        if budget:
            fit = variant["budget"]
            row += [f"{fit['deviation']:+.1%}"]
            row += [_neighbour(fit[side]) for side in ("below", "above")] if solved else []
        rows.append([*row, _states(trial["state"] for trial in variant["trials"])])
    numeric = [name not in ("Network", "Trials") for name in header]
    lines = [to_markdown(Table(header, rows, numeric)), *plan["remarks"][:MAX_REMARKS]]
    if (more := len(plan["remarks"]) - MAX_REMARKS) > 0:
        lines.append(f"... and {more} more remarks, in --json")
    states = [trial["state"] for variant in variants for trial in variant["trials"]]
    lines.append(f"{counted(len(variants), 'variant')}, {counted(len(states), 'trial')}: {_states(states)}")
    return "\n".join(lines)


def status_text(status: dict[str, Any]) -> str:
    """The trials by state, a row a network, and the cause and log of each failure."""
    states: dict[str, list[str]] = {}
    for trial in status["trials"]:
        states.setdefault(trial["net"], []).append(trial["state"])
    rows = [[net, _states(of_net)] for net, of_net in states.items()]
    lines = [to_markdown(Table(["Network", "Trials"], rows, [False, False]))]
    for trial in status["trials"]:
        if trial["cause"]:
            lines.append(f"failed: {trial['net']} seed {trial['seed']}: {trial['cause']} ({trial['log']})")
    lines.append(f"{counted(len(status['trials']), 'trial')}: {_states(t['state'] for t in status['trials'])}")
    return "\n".join(lines)


def show_text(network: dict[str, Any]) -> str:
    """A network by section, with its totals and both its depths."""
    rows = [
        [
            section["name"],
            "x".join(map(str, section["output"])),
            str(section["layers"]),
            f"{section['parameters']:,}",
            quantity(section["multiply_adds"]),
            quantity(section["activations"]),
        ]
        for section in network["sections"]
    ]
    rows.append(
        [
            "total",
            "",
            str(network["layers"]),
            f"{network['parameters']:,}",
            quantity(network["multiply_adds"]),
            quantity(network["activations"]),
        ]
    )
    header = ["Section", "Output", "Layers", "Parameters", "Mult-adds", "Activations"]
    lines = [
        f"{network['net']}: N = {network['blocks_per_group']} blocks of {network['block']} in each of 3 groups, "
        f"k = {network['k']:g}, dropout {network['dropout']:g}",
        f"depth {network['depth']} by convolutions, {network['nominal_depth']} nominal; "
        f"{network['classes']} classes, input {'x'.join(map(str, network['input_shape']))}",
        "",
        to_markdown(Table(header, rows, [False, *[True] * 5])),
        "Layers: convolutions and linear. Mult-adds: one forward pass of one image through them.",
    ]
    return "\n".join(lines)


def _neighbour(neighbour: dict[str, Any] | None) -> str:
    return f"{neighbour['net']}: {quantity(neighbour['count'])}" if neighbour else "–"


def _states(states: Any) -> str:
    return ", ".join(f"{n} {state}" for state, n in Counter(states).items())
