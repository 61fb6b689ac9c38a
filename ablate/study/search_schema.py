"""The keys `search`, `tune` and `validation` of a study file, as pydantic models."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from ablate.study.decision import CostName
from ablate.study.written_forms import Frozen, Seed, axes_schema

_COST = {"enum": list(get_args(CostName))}


class ValidationFile(Frozen):
    """The images by which variants are compared: held-out training images, in folds or one part, or those of a folder."""

    folds: Annotated[int | None, Field(ge=2, le=100, description="the number of equal parts, each held out in turn")] = None
    holdout: Annotated[int | None, Field(ge=1, description="how many training images are held out")] = None
    folder: Annotated[
        str | None,
        Field(pattern=r"^[^/\\.][^/\\]{0,99}$", description="a folder beside that of the training images, such as val"),
    ] = None
    seed: Annotated[int, Field(ge=0, lt=2**31, description="the seed that chooses the held-out images")] = 0


class RangeFile(Frozen):
    """A range from low to high, both included, of whole numbers if both are; or choices; or the kernels of a block.

    Args:
        low: The lowest value.
        high: The highest value.
        step: The distance between values; by default 1 for whole numbers, else none.
        choices: The values.
    """

    low: float | int | None = None
    high: float | int | None = None
    step: Annotated[float | int | None, Field(gt=0)] = None
    log: Annotated[bool, Field(description="whether values are sampled on a logarithmic scale")] = False
    choices: Annotated[list[Any] | None, Field(min_length=1, max_length=1000)] = None
    l: Annotated[Any, Field(description="the number of convolutions of a block, such as {low: 1, high: 4}")] = None
    kernels: Annotated[list[int] | None, Field(min_length=1, description="the kernel sizes that a block can have")] = None
    when: Annotated[dict[str, Any] | None, Field(description="only if these axes have these values")] = None


class SpaceFile(Frozen):
    """What a search and the tuning of variants have in common: a space, and how candidates of it are chosen and compared.

    Args:
        space: The axes and their values: a list of choices, or the keys of a parameter, see below.
        sampler: How Optuna chooses the candidates.
        seed: The seed of the sampler.
    """

    space: Annotated[
        dict[str, Any],
        Field(min_length=1, max_length=100, examples=["{dropout: {low: 0, high: 0.6, step: 0.05}}"]),
        axes_schema(),
    ]
    validation: Annotated[
        ValidationFile | None, Field(examples=["{folds: 5}"], description="the images that candidates are compared on")
    ] = None
    objective: Annotated[
        Literal["median_validation_error", "mean_validation_error", "median", "mean"] | None,
        Field(description="over folds and seeds, by default the mean; for a program mean or median of its measure"),
    ] = None
    trials: Annotated[
        int | None, Field(ge=1, le=100_000, description="the number of candidates; by default all of a grid")
    ] = None
    sampler: Literal["tpe", "gp", "random", "grid", "cmaes"] = "tpe"
    pruner: Annotated[
        Literal["none", "wilcoxon", "median", "hyperband"],
        Field(description="wilcoxon compares errors of folds; median and hyperband compare errors of epochs"),
    ] = "none"
    seed: Seed = 0
    enqueue: Annotated[
        list[dict[str, Any]],
        Field(default_factory=list, max_length=1000, description="candidates to evaluate first, as values of axes"),
    ]


class SearchFile(SpaceFile):
    """A search: candidates from a space, each evaluated on held-out training images, or by a program's own measure."""

    validation: Annotated[
        ValidationFile | None,
        Field(
            examples=["{folds: 5}"],
            description="the images that candidates are compared on; required, except for a program",
        ),
    ] = None
    also_minimize: Annotated[
        list[CostName] | None,
        BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
        Field(min_length=1, max_length=3, description="a second objective, or a list of further ones, for a Pareto set"),
        WithJsonSchema({"anyOf": [_COST, {"type": "array", "minItems": 1, "items": _COST}]}),
    ] = None


class TuneFile(SpaceFile):
    """The same small search for every variant, on held-out training images, before its seeds are trained.

    Args:
        space: As in a search, without axes that the variants vary. It must contain each variant's own values, which are the
            first candidate.
        seed: The seed of the sampler, the same for every variant.
    """

    validation: Annotated[
        ValidationFile | None,
        Field(description="by default that of the study, else a tenth of the training images; not for a program"),
    ] = None
    seeds: Annotated[
        Any,
        Field(description="how many seeds a candidate is trained with, counted from 1000; or a list"),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "array", "items": {"type": "integer"}}]}),
    ] = 1
    decide_by: Annotated[
        str | None, Field(description="the measure that chooses, for a program; by default that of the study")
    ] = None
    also_untuned: Annotated[
        bool, Field(description="whether each variant is trained at its own values too; the report shows both answers")
    ] = False
