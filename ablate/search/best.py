"""best.yaml: what a search chose, for the studies that take a value from it with {from: NAME}."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ablate.report.tables import counted
from ablate.search.candidates import Candidate
from ablate.search.standing import Standing, axes_of
from ablate.study.study import Study

FILE = "best.yaml"


def best_yaml(study: Study, standing: Standing, study_file: str) -> bytes:
    """The file's text in UTF-8: YAML that a study can read, errors in percent.

    `best` has the searched values of the best candidate; a search with two objectives has `pareto` instead, a mapping
    each of the Pareto set with its values and both objectives, by cost. Without a candidate trained to the end neither.
    net: the network that this makes, unless it is the value itself.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = None  # only the innermost mappings on one line
    yaml.width = 10_000
    text = io.StringIO()
    yaml.dump(best_values(study, standing, study_file), text)
    return f"{_comment(study, standing)}\n{text.getvalue()}".encode()


def best_values(study: Study, standing: Standing, study_file: str) -> dict[str, Any]:
    """The same as plain values."""
    search, best = standing.search, standing.best
    values: dict[str, Any] = {
        "search": study.name,
        "study": Path(study_file).name,  # where it lies on this machine is nobody's business
        "digest": search.digest,
        "finished": standing.finished,
        "candidates": len(standing.of_state("complete", "pruned")),
        "objective": search.objective,
    }
    if cost := search.also_minimize:
        front = [
            {
                **_plain(one.values),
                **_net(standing, one),
                "validation_error": _rounded(standing.objective(one)),
                cost: standing.cost(one),
            }
            for one in standing.front
        ]
        return {**values, "pareto": front} if front else values
    if best is None:
        return values
    chosen = {"value": _rounded(standing.objective(best)), "trainings": len(best.errors)}
    return {**values, **chosen, **_net(standing, best), "best": _plain(best.values)}


def _comment(study: Study, standing: Standing) -> str:
    if standing.search.also_minimize:
        return "# A search with two objectives has no single best: pick one of the set and write its values in a study."
    axis = next(iter(standing.best.values if standing.best else axes_of(standing.search)))
    lines = [f"# A study takes a value from here with {{from: {study.name}}}, such as {axis}: {{from: {study.name}}}."]
    if standing.best and (ties := standing.ties):
        lines.append(f"# {counted(ties, 'other')} {'has' if ties == 1 else 'have'} the same error; this one came first.")
    return "\n".join(lines)


def _net(standing: Standing, one: Candidate) -> dict[str, str]:
    return {"net": one.variant.net} if standing.solved or "net" not in axes_of(standing.search) else {}


def _plain(value: Any) -> Any:
    """A value as YAML has it."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (tuple, list)) else value


def _rounded(error: float) -> float:
    return round(error, 10)
