"""The axes of one variant, as a study gives them -> the Architecture they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ablate.errors import StudyError
from ablate.nets.architecture import MAX_BLOCK, Architecture, DepthRule
from ablate.nets.families import PYTHON, find_family
from ablate.nets.notation import AXES, format_name, make_architecture, parse_block, read_name
from ablate.study.study import Study


def architecture_of(study: Study, axes: dict[str, Any], rule: DepthRule, shown: bool) -> tuple[Architecture, str]:
    """The network of some axes, which change what `net` says, and its name as given, "" where no depth is.

    What is to be solved has some value for the moment.
    """
    for one, other in (("block", "l"), ("depth", "N")):
        if one in axes and other in axes:
            raise StudyError(f"{one} and {other} both given; allowed: one of them")
    solve = study.budget.solve if study.budget else None
    parts = _parts(study, axes) | {axis: axes[axis] for axis in ("depth", "N", *AXES) if axis in axes}
    parts |= {axis: float(parts[axis]) for axis in ("k", "dropout", "survival") if axis in parts}
    if "l" in axes:
        if axes["l"] > MAX_BLOCK:
            raise StudyError(f"l: found {axes['l']}; allowed: 1 to {MAX_BLOCK}")
        parts["block"] = (3,) * axes["l"]
    elif isinstance(block := axes.get("block"), str) and block.startswith("B("):
        parts["block"] = parse_block(block)
    elif ":" in axes.get("block", ""):
        parts["code"] = _code(study, axes["block"])
    family = find_family(parts["family"])
    if "k" not in parts and family.key == "WRN" and solve != "k":
        raise StudyError(f"the axes {', '.join(axes)} leave k open")
    if "N" in axes and family.groups:
        parts["depth"] = family.depth(make_architecture(parts, rule), rule)
    written = format_name(parts, shown) if "depth" in parts else ""
    if solve == "depth" and family.groups:
        parts["N"] = 1
    elif solve == "depth" and family.table:
        parts.setdefault("depth", next(iter(reversed(family.table))))
    elif "depth" not in parts and "N" not in parts and (family.groups or family.table):
        raise StudyError(f"the axes {', '.join(axes)} leave depth (or N) open")
    return make_architecture(parts, rule), written


def _parts(study: Study, axes: dict[str, Any]) -> dict[str, Any]:
    """What `net` says, and `family`, and the arguments of a reader's network."""
    net, key = axes.get("net"), axes.get("family")
    args = dotted(axes, "args.")
    if isinstance(net, dict):
        args = {**net.get("args", {}), **args}
        fixed = tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in sorted(args.items()))
        return {"family": PYTHON, "python": net["python"], "args": fixed, "code": _code(study, net["python"])}
    if args:
        raise StudyError(f"args.{next(iter(args))} given; allowed: with a net {{python: package.module:callable}}")
    if net is not None:
        return read_name(net, key, study.data.name == "imagenet")
    return {"family": key or "WRN"}


def _code(study: Study, reference: str) -> str:
    """The digest of a reader's source, which is looked for beside the study file too."""
    from ablate.nets.custom import code_digest, look_in

    look_in(Path())
    look_in(study.folder)
    return code_digest(reference)


def dotted(axes: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The axes that begin with a prefix, without it."""
    return {axis.removeprefix(prefix): value for axis, value in axes.items() if axis.startswith(prefix)}
