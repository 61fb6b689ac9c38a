"""The axes of one variant, as a study gives them -> the Architecture they stand for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ablate.errors import StudyError
from ablate.nets.architecture import MAX_BLOCK, Architecture, DepthRule
from ablate.nets.families import PYTHON, find_family
from ablate.nets.notation import AXES, format_architecture, format_name, make_architecture, read_name
from ablate.nets.options import parse_block
from ablate.study.study import Study


def architecture_of(study: Study, axes: dict[str, Any], rule: DepthRule, shown: bool) -> tuple[Architecture, str]:
    """The network of some axes, which change what `net` says, and its name as given, "" where no depth is.

    The axis that is solved first has some value for the moment, the later ones start from that of the variant.
    """
    for one, other in (("block", "l"), ("depth", "N")):
        if one in axes and other in axes:
            raise StudyError(f"{one} and {other} both given; allowed: one of them")
    solve = study.budget.solve if study.budget else ()
    parts = _parts(study, axes) | {axis: axes[axis] for axis in ("depth", "N", *AXES) if axis in axes}
    parts |= {axis: float(parts[axis]) for axis in ("k", "dropout", "survival") if axis in parts}
    if "l" in axes:
        if axes["l"] > MAX_BLOCK:
            raise StudyError(f"l: found {axes['l']}; allowed: 1 to {MAX_BLOCK}")
        parts["block"] = (3,) * axes["l"]
    elif isinstance(block := axes.get("block"), str) and block.startswith("B("):
        parts["block"] = parse_block(block)
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


def _start(solve: tuple[str, ...], axis: str) -> str:
    """Why an axis must be written although the budget solves it."""
    return f"; solve: [{', '.join(solve)}] starts from a {axis} that is written" if axis in solve else ""


def for_imagenet(study: Study) -> bool:
    """Whether a name that two families share means the one for ImageNet."""
    return study.data.name == "imagenet"


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
