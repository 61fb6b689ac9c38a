"""The network of one variant, from the axes that a study gives. Axes in `budget.solve` are solved."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from ablate.errors import StudyError, describe
from ablate.nets.architecture import MAX_BLOCK, Architecture, DepthRule
from ablate.nets.blueprint import Shape
from ablate.nets.counts import Counts
from ablate.nets.families import PYTHON, Head, count_network, counts_along, find_family
from ablate.nets.notation import AXES, format_architecture, format_name, make_architecture, read_name
from ablate.nets.options import parse_block
from ablate.study.budget import BudgetResult, Naming, SolvedValue, solve_budget
from ablate.study.costs import activation_memory
from ablate.study.data import Data
from ablate.study.recipe import Recipe
from ablate.study.study import Study

BESIDE = ("recipe.", "data.")  # prefixes of the axes that do not belong to the network
SAME = (("block", "l"), ("depth", "N"))  # two axes that say one thing


class Network(NamedTuple):
    """The network of a variant.

    Args:
        net: The network's name.
        architecture: The network.
        counts: Its counts, for one image.
        budget_result: How it meets the budget; None in a study without a budget.
        written: The name before axes were solved.
        miss: Why the network misses the budget; "" if it meets it.
    """

    net: str
    architecture: Architecture
    counts: Counts
    budget_result: BudgetResult | None
    written: str
    miss: str


class Networks(dict[tuple[Any, ...], Network]):
    """The networks of a study. Each is built once: variants that differ only in recipe or data share their network.

    Args:
        study: As loaded by load_study().
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.solved: dict[Any, dict[Any, SolvedValue]] = {}  # (classes, input shape, recipe) -> solve_budget()'s `known`

    def of(self, axes: dict[str, Any], rule: DepthRule, data: Data, recipe: Recipe) -> Network:
        """The network of some axes.

        Args:
            axes: The variant's axes, by name; those of recipe and data are ignored.
            rule: The layers that a depth counts.
            data: The data set, for the classes and the input shape.
            recipe: The recipe, for a budget of activation memory.

        Raises:
            NotationError: A name or a value is not valid.
            StudyError: The axes contradict each other, or do not determine a network.
            BudgetError: The network does not have an axis that is to be solved.
        """
        asked = [each for each in axes.items() if not each[0].startswith(BESIDE)]
        budget, asked_for = self.study.budget, data.asked
        weighed = recipe if budget and budget.measure == "activation_memory" else None  # other measures do not depend on it
        key = repr(asked), rule, asked_for, weighed  # repr, because 1 == 1.0 == True
        if key not in self:
            self[key] = self._made(axes, rule, asked_for, weighed)
        return self[key]

    def _made(
        self, axes: dict[str, Any], rule: DepthRule, asked: tuple[int, Shape, Head | None], weighed: Recipe | None
    ) -> Network:
        """Build the network of some axes; see of()."""
        shown = "block" in axes or "l" in axes or "B(" in axes.get("net", "")
        naming, budget, result, miss = Naming(rule, shown, for_imagenet(self.study)), self.study.budget, None, ""

        def along(architecture: Architecture, axis: str) -> Callable[[Any], Counts]:
            return counts_along(architecture, axis, *asked)

        architecture, written = architecture_of(self.study, axes, rule, shown)
        if budget is None:
            counts = count_network(architecture, *asked)
        else:
            cost = partial(activation_memory, recipe=weighed) if weighed else attrgetter(budget.measure)
            known = self.solved.setdefault((asked, weighed), {})
            if not written and any(axis.startswith("args.") for axis in budget.solve):
                written = naming.of(architecture)
            architecture, counts, result, miss = solve_budget(architecture, budget, along, cost, naming, known)
        net = naming.of(architecture)
        return Network(net, architecture, counts, result, written or net, miss)


def architecture_of(study: Study, axes: dict[str, Any], rule: DepthRule, shown: bool) -> tuple[Architecture, str]:
    """The network of some axes, which override what `net` says, and its name as given ("" if that has no depth).

    If axes are to be solved, the first of them has an arbitrary value, and the later ones have the variant's value.

    Args:
        study: As loaded by load_study().
        axes: The variant's axes, by name.
        rule: The layers that a depth counts.
        shown: Whether the name shows the block.

    Raises:
        NotationError: A name or a value is not valid.
        StudyError: The axes contradict each other, or do not determine a network.
    """
    for one, other in SAME:
        if one in axes and other in axes:
            raise StudyError(f"{one} and {other} both given; use one of them")
    solve = study.budget.solve if study.budget else ()
    fields = _named_fields(study, axes) | {axis: value for axis, value in axes.items() if axis in _OF_NETWORK}
    fields |= {axis: float(fields[axis]) + 0.0 for axis in ("k", "dropout", "survival") if axis in fields}  # -0.0 is 0.0
    if "l" in axes:
        if axes["l"] > MAX_BLOCK:
            raise StudyError(f"l: found {axes['l']}; allowed: 1 to {MAX_BLOCK}")
        fields["block"] = (3,) * axes["l"]
    elif isinstance(block := axes.get("block"), str) and block.startswith("B("):
        fields["block"] = _kernels(block)
    family = find_family(fields["family"])
    if "k" not in fields and family.key == "WRN" and solve[:1] != ("k",):
        raise StudyError(f"the axes {', '.join(axes)} leave k open{_start(solve, 'k')}")
    written, complete = "", all(axis in fields for axis in solve if axis in ("k", "cardinality", "base_width"))
    if complete and "N" in axes and family.groups:
        written = format_architecture(make_architecture(fields, rule), rule, shown, for_imagenet(study))
    elif complete and "depth" in fields:
        written = format_name(fields, shown, for_imagenet(study))
    if solve[:1] == ("depth",) and family.groups:
        fields["N"] = 1
    elif solve[:1] == ("depth",) and family.table:
        fields.setdefault("depth", next(iter(reversed(family.table))))
    elif "depth" not in fields and "N" not in fields and family.has_depth:
        raise StudyError(f"the axes {', '.join(axes)} leave depth (or N) open{_start(solve, 'depth')}")
    return make_architecture(fields, rule), written


_OF_NETWORK = frozenset(("depth", "N", *AXES))
_kernels = lru_cache(maxsize=4096)(parse_block)


def _start(solve: tuple[str, ...], axis: str) -> str:
    """Why an axis must be given although the budget solves it; "" if the budget does not solve it."""
    return f"; solve: [{', '.join(solve)}] starts from a {axis} that is written" if axis in solve else ""


def for_imagenet(study: Study) -> bool:
    """Whether a name that two families share means the ImageNet family.

    Args:
        study: As loaded by load_study().
    """
    return study.data.data_set.imagenet_names


def _named_fields(study: Study, axes: dict[str, Any]) -> dict[str, Any]:
    """The fields of the architecture from `net`, `family` and the arguments of a user's own network or block."""
    net, key, block = axes.get("net"), axes.get("family"), axes.get("block", "")
    changes = dotted(axes, "args.")
    args: dict[str, Any] = net.get("args", {}) if isinstance(net, dict) else {}
    for name, value in changes.items():
        args = with_argument(args, name.split("."), value)
    if isinstance(net, dict):
        if key is not None:
            raise StudyError(f"family: '{key}' is not valid for a network of your own; leave it out")
        fields = {"family": PYTHON, "python": net["python"], "code": _code(study, net["python"])}
    elif key == PYTHON:
        raise StudyError(f"family: found {PYTHON}; write a network of your own as net: {{python: package.module:callable}}")
    else:
        fields = read_name(net, key, for_imagenet(study)) if net is not None else {"family": key or "WRN"}
        if args and ":" not in block:
            first = next(iter(args))
            raise StudyError(f"args.{first} is only valid with package.module:callable as block or net {{python: ...}}")
    if ":" in block:
        fields["code"] = _code(study, block)
    return fields | ({"args": json.dumps(args, sort_keys=True)} if args else {})


def with_argument(args: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """Arguments with one value changed, which may be inside mappings of them.

    Args:
        args: The arguments by name.
        path: The name of the argument, and of what is inside it.
        value: The new value.

    Raises:
        StudyError: What the path leads through is no mapping.
    """
    first, *rest = path
    if rest:
        inner = args.get(first, {})
        if not isinstance(inner, dict):
            raise StudyError(f"args.{'.'.join(path)}: {first} is {describe(inner)}, not a mapping")
        value = with_argument(inner, rest, value)
    return {**args, first: value}


def _code(study: Study, reference: str) -> str:
    """The digest of the source code of a user's own network or block. The study file's folder is searched first."""
    from ablate.own_modules import code_digest, look_in

    look_in(study.folder, Path())
    return code_digest(reference)


def dotted(axes: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The axes with a prefix, under their names without it.

    Args:
        axes: Values by the name of the axis.
        prefix: Such as "recipe.".
    """
    return {axis.removeprefix(prefix): value for axis, value in axes.items() if axis.startswith(prefix)}
