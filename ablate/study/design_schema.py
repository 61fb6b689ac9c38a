"""The designed items of `variants`, as pydantic models."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from ablate.study.written_forms import Frozen

DESIGNS = ("leave_one_out", "path", "factorial", "fractional")
Label = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\n\t]+$")]
_CHANGES: dict[str, Any] = {"type": "object", "minProperties": 1}
Changes = Annotated[Any, WithJsonSchema(_CHANGES)]
Levels = Annotated[Any, WithJsonSchema({"anyOf": [_CHANGES, {"type": "array", "minItems": 2}]})]


class LeaveOneOutFile(Frozen):
    """The full method, and the method without each of its components. Each row is compared with the full method."""

    base: Annotated[Any, Field(description="the full method: a network; of a program, the values of all axes")]
    without: Annotated[
        dict[Label, Changes],
        Field(
            min_length=1,
            max_length=1000,
            examples=["{cutmix: {recipe.cutmix: 0}}"],
            description="by the name of a component: the axes that are changed to take it out, with their values",
        ),
    ]


class FactorialFile(Frozen):
    """All combinations of the levels of factors."""

    base: Annotated[
        Any, Field(description="what the factors change: a network; of a program, the values of the other axes")
    ] = None
    factors: Annotated[
        dict[Label, Levels],
        Field(
            min_length=1,
            max_length=31,
            examples=["{block: [B(3,3), B(3,1)], cutmix: {recipe.cutmix: 1}}"],
            description="an axis with its levels; or the name of a component with the axes that it changes",
        ),
    ]


class FractionalFile(FactorialFile):
    """A part of all combinations of factors with two levels each, chosen so that every main effect can be told."""

    factors: Annotated[
        dict[Label, Levels], Field(min_length=3, max_length=31, description="as in factorial, of two levels each")
    ]
    runs: Annotated[int, Field(ge=4, le=128, examples=["8"], description="how many combinations, such as 8, 12 or 16")]


Path = Annotated[
    list[dict[Label, Any]],
    Field(min_length=2, max_length=200),
    WithJsonSchema(
        {
            "type": "array",
            "minItems": 2,
            "items": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 2,
                "properties": {"base": {}, "kept": {"type": "boolean"}},
                "additionalProperties": _CHANGES,
            },
        }
    ),
]
