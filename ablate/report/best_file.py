"""best.yaml: the values that a search chose, for the studies that take them with {from: NAME}."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ablate.report.candidate import Candidate
from ablate.report.search_analysis import SearchAnalysis

FILE = "best.yaml"


def best_yaml(analysis: SearchAnalysis) -> bytes:
    """The content of best.yaml: YAML in UTF-8 that a study can read, errors in percent, others in `unit`.

    `best` has the searched values of the best candidate. A search with two objectives has `pareto` instead: a list of the
    candidates of the Pareto set by cost, each with its values and both objectives. Neither is present before a candidate is
    trained to the end. `net` is the network that the values give, unless it is itself a searched value.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = None  # only the innermost mappings on one line
    yaml.width = 10_000
    text = io.StringIO()
    yaml.dump(best_values(analysis), text)
    return f"{_comment(analysis)}\n{text.getvalue()}".encode()


def best_values(analysis: SearchAnalysis) -> dict[str, Any]:
    """The content of best.yaml as plain values; see best_yaml()."""
    search, best = analysis.search, analysis.best
    values: dict[str, Any] = {
        "search": analysis.study.name,
        "study": Path(analysis.study_file).name,  # only the name: the path would reveal local folders
        "digest": search.digest,
        "finished": analysis.finished,
        "candidates": len(analysis.of_state("complete", "pruned")),
        "objective": search.objective,
        **({} if analysis.decision.unit == "%" else {"unit": analysis.decision.unit}),
    }
    if search.also_minimize:
        front = [
            {
                **_plain(one.values),
                **_net(analysis, one),
                analysis.decision.name: round(analysis.objective(one), 10),
                **dict(zip(search.also_minimize, analysis.costs(one))),
            }
            for one in analysis.front
        ]
        return {**values, "pareto": front} if front else values
    if best is None:
        return values
    chosen = {"value": round(analysis.objective(best), 10), "trainings": len(best.errors)}
    return {**values, **chosen, **_net(analysis, best), "best": _plain(best.values)}


def _comment(analysis: SearchAnalysis) -> str:
    if analysis.search.also_minimize:
        return "# A search with several objectives has no single best: pick one of the set and write its values in a study."
    name, axis = analysis.study.name, next(iter(analysis.best.values if analysis.best else analysis.search.axes))
    lines = [f"# A study takes a value from here with {{from: {name}}}, such as {axis}: {{from: {name}}}."]
    if analysis.best and analysis.ties:
        lines.append(f"# {analysis.ties} {analysis.decision.noun}; this one came first.")
    return "\n".join(lines)


def _net(analysis: SearchAnalysis, one: Candidate) -> dict[str, str]:
    shown = analysis.of_networks and (analysis.solved or "net" not in analysis.search.axes)
    return {"net": one.variant.net} if shown else {}


def _plain(value: Any) -> Any:
    """A value with tuples converted to lists, for YAML."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (tuple, list)) else value
