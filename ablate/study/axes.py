"""The axes of one variant, as a study gives them -> the network they stand for, its budget solved."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from ablate.errors import StudyError
from ablate.nets.architecture import MAX_BLOCK, Architecture, DepthRule
from ablate.nets.blueprint import Shape
from ablate.nets.counts import Counts
from ablate.nets.families import PYTHON, count_network, counts_along, find_family
from ablate.nets.notation import AXES, format_architecture, format_name, make_architecture, read_name
from ablate.nets.options import parse_block
from ablate.study.budget import BudgetResult, Naming, SolvedValue, solve_budget
from ablate.study.memory import activation_memory
from ablate.study.study import Data, Recipe, Study

BESIDE = ("recipe.", "data.")  # how the axes begin that are not the network's


class Network(NamedTuple):
    """What a variant's network comes to: its name before the budget chose one, and why it misses the budget, "" if not."""

    net: str
    architecture: Architecture
    counts: Counts
    budget_result: BudgetResult | None
    written: str
    miss: str


class Networks(dict[tuple[Any, ...], Network]):
    """The networks of a study by what is asked of them, since the variants that differ beside them ask for the same."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.solved: dict[Any, dict[Any, SolvedValue]] = {}  # by what the budget is for

    def of(self, axes: dict[str, Any], rule: DepthRule, data: Data, recipe: Recipe) -> Network:
        """The network of some axes. Raises NotationError, StudyError."""
        asked = [each for each in axes.items() if not each[0].startswith(BESIDE)]
        budget, shape = self.study.budget, data.input_shape
        weighed = recipe if budget and budget.measure == "activation_memory" else None  # elsewhere it does not matter
        key = repr(asked), rule, data.classes, shape, weighed  # by their text, since 1, 1.0 and true are not the same
        if key not in self:
            self[key] = self._made(axes, rule, data.classes, shape, weighed)
        return self[key]

    def _made(
        self, axes: dict[str, Any], rule: DepthRule, classes: int, input_shape: Shape, weighed: Recipe | None
    ) -> Network:
        shown = "block" in axes or "l" in axes or "B(" in axes.get("net", "")
        naming, budget, result, miss = Naming(rule, shown, for_imagenet(self.study)), self.study.budget, None, ""

        def along(architecture: Architecture, axis: str) -> Callable[[Any], Counts]:
            return counts_along(architecture, axis, classes, input_shape)

        architecture, written = architecture_of(self.study, axes, rule, shown)
        if budget is None:
            counts = count_network(architecture, classes, input_shape)
        else:
            cost = partial(activation_memory, recipe=weighed) if weighed else attrgetter(budget.measure)
            known = self.solved.setdefault((classes, input_shape, weighed), {})
            architecture, counts, result, miss = solve_budget(architecture, budget, along, cost, naming, known)
        net = naming.of(architecture)
        return Network(net, architecture, counts, result, written or net, miss)


def architecture_of(study: Study, axes: dict[str, Any], rule: DepthRule, shown: bool) -> tuple[Architecture, str]:
    """The network of some axes, which change what `net` says, and its name as given, "" where no depth is.

    The axis that is solved first has some value for the moment, the later ones start from that of the variant.
    """
    for one, other in (("block", "l"), ("depth", "N")):
        if one in axes and other in axes:
            raise StudyError(f"{one} and {other} both given; allowed: one of them")
    solve = study.budget.solve if study.budget else ()
    parts = _parts(study, axes) | {axis: value for axis, value in axes.items() if axis in _OF_NETWORK}
    parts |= {axis: float(parts[axis]) + 0.0 for axis in ("k", "dropout", "survival") if axis in parts}  # -0.0 is 0.0
    if "l" in axes:
        if axes["l"] > MAX_BLOCK:
            raise StudyError(f"l: found {axes['l']}; allowed: 1 to {MAX_BLOCK}")
        parts["block"] = (3,) * axes["l"]
    elif isinstance(block := axes.get("block"), str) and block.startswith("B("):
        parts["block"] = _kernels(block)
    family = find_family(parts["family"])
    if "k" not in parts and family.key == "WRN" and solve[:1] != ("k",):
        raise StudyError(f"the axes {', '.join(axes)} leave k open{_start(solve, 'k')}")
    written, complete = "", all(axis in parts for axis in solve if axis in ("k", "cardinality", "base_width"))
    if complete and "N" in axes and family.groups:
        written = format_architecture(make_architecture(parts, rule), rule, shown, for_imagenet(study))
    elif complete and "depth" in parts:
        written = format_name(parts, shown, for_imagenet(study))
    if solve[:1] == ("depth",) and family.groups:
        parts["N"] = 1
    elif solve[:1] == ("depth",) and family.table:
        parts.setdefault("depth", next(iter(reversed(family.table))))
    elif "depth" not in parts and "N" not in parts and family.has_depth:
        raise StudyError(f"the axes {', '.join(axes)} leave depth (or N) open{_start(solve, 'depth')}")
    return make_architecture(parts, rule), written


_OF_NETWORK = frozenset(("depth", "N", *AXES))
_kernels = lru_cache(maxsize=4096)(parse_block)


def _start(solve: tuple[str, ...], axis: str) -> str:
    """Why an axis must be written although the budget solves it."""
    return f"; solve: [{', '.join(solve)}] starts from a {axis} that is written" if axis in solve else ""


def for_imagenet(study: Study) -> bool:
    """Whether a name that two families share means the one for ImageNet."""
    return study.data.data_set.imagenet_names


def _parts(study: Study, axes: dict[str, Any]) -> dict[str, Any]:
    """What `net` says, and `family`, and the arguments of a reader's network or block."""
    net, key, block = axes.get("net"), axes.get("family"), axes.get("block", "")
    args = dotted(axes, "args.")
    if isinstance(net, dict):
        if key is not None:
            raise StudyError(f"family: found '{key}'; a network of your own has none")
        args = {**net.get("args", {}), **args}
        parts = {"family": PYTHON, "python": net["python"], "code": _code(study, net["python"])}
    elif key == PYTHON:
        raise StudyError("family: a network of your own is written as net: {python: package.module:callable}")
    else:
        parts = read_name(net, key, for_imagenet(study)) if net is not None else {"family": key or "WRN"}
        if args and ":" not in block:
            first = next(iter(args))
            raise StudyError(f"args.{first} given; allowed: with package.module:callable as block or net {{python: ...}}")
    if ":" in block:
        parts["code"] = _code(study, block)
    return parts | ({"args": json.dumps(args, sort_keys=True)} if args else {})


def _code(study: Study, reference: str) -> str:
    """The digest of a reader's source, which is looked for beside the study file first."""
    from ablate.nets.custom import code_digest, look_in

    look_in(study.folder, Path())
    return code_digest(reference)


def dotted(axes: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The axes that begin with a prefix, without it."""
    return {axis.removeprefix(prefix): value for axis, value in axes.items() if axis.startswith(prefix)}
