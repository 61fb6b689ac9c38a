"""The format of a study file, as pydantic models."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Optional, Union, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    create_model,
)

from ablate.data.augmentation_lists import read_augmentation
from ablate.data.data_sets import DATA_SETS, DataSet
from ablate.data.preprocessing import PREPROCESSING
from ablate.errors import StudyError, allowed, describe
from ablate.kinds.figures import CHOICES, DEFAULTS
from ablate.kinds.losses import LOSSES
from ablate.kinds.optimizers import OPTIMIZERS
from ablate.kinds.precisions import AUTO, CHOSEN, PRECISIONS
from ablate.kinds.schedules import SCHEDULES
from ablate.nets.family import STYLE_AXES
from ablate.own_code import OwnCode
from ablate.registry import Kind, Registry
from ablate.study.budget import SolvedAxis
from ablate.study.data import Data, Split
from ablate.study.decision import CostName
from ablate.study.design_schema import DESIGNS, FactorialFile, FractionalFile, LeaveOneOutFile, Path
from ablate.study.extra_test_schema import ExtraTestFile
from ablate.study.figure_style import FigureStyleFile
from ablate.study.frozen import Frozen
from ablate.study.keep import Keep
from ablate.study.measure_schema import Measures
from ablate.study.program_schema import ProgramFile
from ablate.study.recipe import Recipe
from ablate.study.study import EpochRule
from ablate.study.table_style import LabelsFile, OwnLabel, TableStyle
from ablate.study.tasks import CLASSIFICATION, TASKS

NET_AXES = ("net", "family", "block", "l", "k", "depth", "N", "cardinality", "base_width", *STYLE_AXES)


def _axes_schema(**more: Any) -> WithJsonSchema:
    """A mapping from axes to values, for editors."""
    names = "|".join((*NET_AXES, *more))
    return WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "properties": {axis: more.get(axis, {}) for axis in (*NET_AXES, *more)},
            "propertyNames": {"pattern": rf"^({names}|recipe(\.\w+)+|data(\.\w+)+|args\.\w+)$"},
        }
    )


Axes = Annotated[dict[str, Any], _axes_schema()]
FROM: dict[str, Any] = {
    "type": "object",
    "description": "a value that a search chose; from: the search or its best.yaml; key: the axis, if another",
    "required": ["from"],
    "properties": {"from": {"type": "string"}, "key": {"type": "string"}},
    "additionalProperties": False,
}
OWN: dict[str, Any] = {
    "type": "object",
    "required": ["python"],
    "properties": {"python": {"type": "string"}, "args": {"type": "object"}},
    "additionalProperties": False,
}
_NET: dict[str, Any] = {"anyOf": [FROM, {"type": "string"}, OWN]}
_NUMBER = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": "^[0-9.]+ *[kMG]$"}]}
_BOUNDS = {"type": "object", "properties": {"min": _NUMBER, "max": _NUMBER}, "additionalProperties": False}
_SOLVED: dict[str, Any] = {"anyOf": [{"enum": list(get_args(SolvedAxis))}, {"type": "string", "pattern": r"^args\.\w+$"}]}
_SEVERAL = {"type": "array", "items": _SOLVED, "minItems": 1, "uniqueItems": True}
_PERCENTAGE = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "^[0-9.]+ *%$"}]}
Changes = Annotated[dict[str, Any], _axes_schema(base=_NET)]
Quantity = Annotated[Any, WithJsonSchema(_NUMBER)]
QuantityOrBounds = Annotated[Any, WithJsonSchema({"anyOf": [_NUMBER, _BOUNDS]})]
Percentage = Annotated[Any, WithJsonSchema(_PERCENTAGE)]
_FigureName: Any = Literal[CHOICES]
DepthRuleField = Literal["convolutions", "nominal"]
Title = Annotated[str, Field(max_length=200)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Bounds(Frozen):
    """The bounds of a budget, both inclusive: min, max or both."""

    min: Quantity = None
    max: Quantity = None


class BudgetFile(Frozen):
    """The allowed cost of each network: exactly one of its counts, or of the costs that `plan --probe` measures.

    Args:
        parameters: A target such as 2.2M, or {min: 1M, max: 2M}.
        multiply_adds: The same, of multiply-adds for one image.
        tolerance: How far a network may be from the target.
        on_miss: Whether a network that misses the budget is an error, or dropped with a remark.
    """

    parameters: QuantityOrBounds = None
    multiply_adds: QuantityOrBounds = None
    activation_memory: Annotated[
        QuantityOrBounds, Field(description="the same, of the bytes kept for the backward pass of a batch")
    ] = None
    step_time: Annotated[QuantityOrBounds, Field(description="milliseconds of a training step, measured")] = None
    inference_time: Annotated[QuantityOrBounds, Field(description="milliseconds to predict one image, measured")] = None
    inference_time_128: Annotated[QuantityOrBounds, Field(description="milliseconds to predict 128, measured")] = None
    peak_memory: Annotated[QuantityOrBounds, Field(description="bytes of GPU memory in training, measured")] = None
    energy: Annotated[QuantityOrBounds, Field(description="joules of a GPU in a training step, measured")] = None
    tolerance: Percentage = "5%"
    solve: Annotated[
        Any,
        Field(description="the axis whose value is chosen to meet the budget; or several, in order"),
        WithJsonSchema({"anyOf": [_SOLVED, _SEVERAL]}),
    ] = None
    quantum: Annotated[
        Any,
        Field(description="the step of k, in channels of the first group, by default 8; exact: 1"),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 1024}, {"const": "exact"}]}),
    ] = None
    low: Annotated[float | int | None, Field(description="the lowest value of args.* in solve; by default one step")] = None
    high: Annotated[float | int | None, Field(description="the highest value of args.* in solve")] = None
    step: Annotated[
        float | int | None, Field(gt=0, description="the distance between two values of args.* in solve, by default 1")
    ] = None
    on_miss: Literal["error", "drop"] = "error"


def at_place(place: str) -> WithJsonSchema:
    """A marker for the schema at another place. json_schema() turns it into a reference.

    Args:
        place: Such as "$defs/Augment".
    """
    return WithJsonSchema({"x-as": place})


class EntryFile(Frozen):
    """One item of 'variants': exactly one of net, grid, zip, one_at_a_time and the designs.

    Args:
        net: A network by its name, or {python: module:callable, args: {...}}; or a list of them.
        grid: All combinations of the values of the axes.
        zip: The first values of all axes, then the second values, and so on.
        one_at_a_time: `base` and, of each value of each axis, the base with this value.
        leave_one_out: The full method, and the method without each of its components.
        path: `base: NETWORK`, then steps such as `cutmix: {recipe.cutmix: 1}`, each on top of those before it;
            `kept: false` leaves a step out of the later ones.
        factorial: All combinations of the levels of factors; effects are told by factor.
        fractional: A balanced part of these combinations, of factors with two levels.
        depth_rule: Instead of the study's.
    """

    net: Annotated[
        Any,
        WithJsonSchema({"anyOf": [*_NET["anyOf"], {"type": "array", "items": _NET}]}),
    ] = None
    grid: Axes | None = None
    zip: Axes | None = None
    one_at_a_time: Changes | None = None
    leave_one_out: LeaveOneOutFile | None = None
    path: Path | None = None
    factorial: FactorialFile | None = None
    fractional: FractionalFile | None = None
    depth_rule: DepthRuleField | None = None
    data: Annotated[Any, at_place("properties/data"), Field(description="instead of the study's")] = None
    recipe: Annotated[Any, at_place("properties/recipe"), Field(description="instead of the study's")] = None
    stands_for: Annotated[
        list[str] | None, Field(description="the published row of each network; '': the row of its own name")
    ] = None
    label: OwnLabel = None


EXPANSIONS = ("net", "grid", "zip", "one_at_a_time", *DESIGNS)  # one of them in each item of `variants`
_COST = {"enum": list(get_args(CostName))}
# fields of Data that other keys of a study set
SET_BY_OTHERS = ("held_out", "measures", "decide_by", "also_test", "keep", "task")
NOT_WRITTEN = (*SET_BY_OTHERS, "own")  # fields of Data that a study file writes under other keys


def choice_of(table: Mapping[str, Any], example: str = "") -> Any:
    """The type of the names of a table.

    Args:
        table: By name.
        example: For messages and editors.
    """
    return Annotated[Literal[tuple(table)], Field(examples=[example] if example else None)]


def _read_augment(value: Any, info: ValidationInfo) -> Any:
    """The augmentation steps of a study file's value. The default image size is 32 pixels."""
    return read_augmentation(value, info.data.get("image_size") or 32)


def _read_split(value: Any) -> Any:
    """The split of a study file's value; a number is short for {test: number}."""
    return {"test": value} if isinstance(value, (int, float)) and not isinstance(value, bool) else value


AUGMENT = at_place("$defs/Augment")
STEPS = "a list of steps in order, such as [{crop: 4}, flip], or the name of one"


class _ClosedRecipe(Recipe, extra="forbid"):
    """Recipe without unknown fields. Its values leave out fields of optimizers and schedules that are not given."""

    @property
    def values(self) -> dict[str, Any]:
        """Every field by name, without the fields of optimizers and schedules that are not given."""
        return {name: value for name, value in super().values.items() if value is not None or name in Recipe.model_fields}


KINDS: dict[str, Registry[Any]] = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "loss": LOSSES}  # by a recipe's field
USUAL = {"schedule": "step", "loss": "cross_entropy"}  # the names of a recipe that names none
WITH: dict[str, tuple[str, ...]] = {
    "optimizer": ("lr", "weight_decay", "decay_on")
}  # fields of a mapping beside its kind's


def _read_own(value: Any) -> Any:
    """The own code of a value in which resolve.py has found it; other values unchanged."""
    return OwnCode(**value) if isinstance(value, dict) else value


def _kind_field(field: str, table: Registry[Any]) -> Any:
    """The type of a field that names an entry of a table, or own code."""

    def read(value: Any) -> Any:
        if (isinstance(value, str) and value in table) or isinstance(value, dict):
            return _read_own(value)
        raise ValueError(f"found {describe(value)}; {allowed(str(value), table)}, or {{python: module:callable}}")

    fields = dict.fromkeys(name for kind in table.values() for name in kind.fields)
    mapping = {
        "type": "object",
        "properties": {"name": {"enum": list(table)}, **{name: {} for name in (*fields, *WITH.get(field, ()))}},
        "additionalProperties": False,
    }
    explained = "; ".join(f"{name}: {entry.explained}" for name, entry in table.items() if entry.explained)
    forms = WithJsonSchema({"anyOf": [{"enum": list(table)}, mapping, *_NET["anyOf"][2:]]})
    return Annotated[Any, PlainValidator(read), Field(description=explained), forms]


def _kind_fields() -> dict[str, Any]:
    """The fields of every optimizer, schedule and loss with their types.

    Raises:
        StudyError: Two of them give a field of one name different types.
    """
    found: dict[str, Any] = {}
    first: dict[str, Kind] = {}
    for kind in (kind for table in KINDS.values() for kind in table.values()):
        for name, field in kind.fields.items():
            if found.setdefault(name, field) != field:
                raise StudyError(f"{kind.name}: the field {name} has another type than that of {first[name].name}")
            first.setdefault(name, kind)
    return found


@lru_cache(maxsize=1)
def recipe_model() -> type[Recipe]:
    """Recipe with the fields of every optimizer, schedule and loss, each checked for type and bounds, and no others."""
    fields: dict[str, Any] = {name: (field, None) for name, field in _kind_fields().items()}
    fields |= {field: (_kind_field(field, table), USUAL.get(field, ...)) for field, table in KINDS.items()}
    own = Annotated[
        Any, PlainValidator(_read_own), Field(description="a recipe of your own"), WithJsonSchema({"type": "string"})
    ]
    arguments = Annotated[Any, Field(description="of the recipe of your own"), WithJsonSchema({"type": "object"})]
    fields |= {"python": (own, None), "args": (arguments, None)}
    words = f"{Recipe.model_fields['precision'].description}; {AUTO}: the first of {', '.join(CHOSEN)} that the device has"
    fields["precision"] = (Annotated[choice_of({**PRECISIONS, AUTO: None}), Field(description=words)], ...)
    return create_model("RecipeFields", __base__=_ClosedRecipe, **fields)


@lru_cache(maxsize=1)
def data_model() -> type[Data]:
    """Data with the names of the tables as allowed values."""
    explained = "; ".join(f"{entry.name}: {entry.explained}" for entry in PREPROCESSING.values() if entry.explained)
    copies: Any = Annotated[
        Optional[choice_of(published_data_sets(CLASSIFICATION))], Field(description="the data set that is copied")
    ]
    part: Any = Data.model_fields["split"].rebuild_annotation()
    drawn = BeforeValidator(_read_split, json_schema_input_type=Union[float, Split, None])
    fields: dict[str, Any] = {
        "name": (choice_of(DATA_SETS), ...),
        "preprocess": (Annotated[choice_of(PREPROCESSING), Field(description=explained)], ...),
        "augment": (
            Annotated[Any, BeforeValidator(_read_augment), Field(description=STEPS), at_place("$defs/Augment")],
            ...,
        ),
        "copy_of": (copies, None),
        "split": (Annotated[part, drawn, Field(description=Data.model_fields["split"].description)], None),
        "python": (Annotated[str | None, Field(description="own code that returns the images: module:function")], None),
        "args": (Annotated[dict[str, Any] | None, Field(description="of own code, by name; data.args.* are axes")], None),
    }
    return create_model("DataFields", __base__=Data, **fields)


def published_data_sets(task: str | None = None) -> dict[str, DataSet]:
    """The data sets that published tables can have a column for, by name.

    Args:
        task: That their labels are for; None: any.
    """
    return {name: entry for name, entry in DATA_SETS.items() if entry.published and task in (None, entry.task)}


def optional(title: str, model: type[BaseModel], **fields: Any) -> type[BaseModel]:
    """A model of the same fields, all of them optional, without those that a study file does not write.

    Args:
        title: The name of the model.
        model: With the fields.
        fields: Those that are other than in the model, as for create_model().
    """
    for key, info in model.model_fields.items():
        if key not in NOT_WRITTEN:
            annotation: Any = Annotated[Union[info.rebuild_annotation(), None], Field(description=info.description)]
            fields.setdefault(key, (annotation, None))
    return create_model(title, __base__=Frozen, **fields)


@lru_cache(maxsize=1)
def protocol_data_model() -> type[BaseModel]:
    """The fields of Data, as far as they are known of a published value."""
    return optional("ProtocolData", data_model())


class Protocol(Frozen):
    """How published values were obtained. recipe and data are written as in a study, as far as they are known.

    Args:
        recipe: As in a study.
        data: As in a study; `name` may be left out.
    """

    seeds: Annotated[int | None, Field(ge=1, description="how many trainings each value is the median of")] = None
    recipe: Annotated[Any, at_place("properties/recipe")] = None
    data: Annotated[Any, at_place("$defs/ProtocolData")] = None


class RowFile(Frozen):
    """A row of a published table. It also has a test error in percent under the name of each data set.

    Args:
        net: The network, by its name.
        note: A remark on the row.
    """

    model_config = ConfigDict(extra="allow")

    label: Annotated[str, Field(max_length=200, description="the name as printed; by default that under net")] = ""
    net: str | None = None
    parameters: Annotated[str, Field(max_length=200, description="the count as printed, such as 1.4M")] = ""
    other: Annotated[
        dict[Title, Any], Field(default_factory=dict, max_length=100, description="other printed values, by title and unit")
    ]
    values: Annotated[
        dict[str, dict[str, float]],
        Field(default_factory=dict, description="by data set and measure, such as {cifar10: {error: 4.8, nll: 0.2}}"),
    ]
    not_run: Annotated[str, Field(max_length=1000, description="why the network is not trained here")] = ""
    note: Annotated[str, Field(max_length=1000)] = ""


class PublishedFile(Frozen):
    """A table of published test errors, shown beside ours.

    Args:
        source: The paper and its table.
        note: A remark on the table.
        protocol: How the values were obtained; differences from ours are named in the report.
        depth_rule: How names in this table count depth; by default as in the study.
        rows: The rows, in order.
    """

    source: Annotated[str, Field(min_length=1, max_length=200, examples=["WRN, Table 2"])]
    note: Annotated[str, Field(max_length=1000)] = ""
    protocol: Protocol = Protocol()
    depth_rule: DepthRuleField | None = None
    rows: Annotated[list[RowFile], Field(min_length=1, max_length=1000)]


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
        _axes_schema(),
    ]
    validation: Annotated[
        ValidationFile | None,
        Field(examples=["{folds: 5}"], description="the images that candidates are compared on"),
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


def _task(value: Any) -> Any:
    """A task by its name is short for {name: ...}."""
    return {"name": value} if isinstance(value, str) else value


def _task_fields() -> dict[str, Any]:
    """The fields of every task with their types; None for those that are not written."""
    found: dict[str, Any] = {}
    for task in TASKS.built_in.values():
        for name, field in task.fields.items():
            (about,) = (one.description for one in field.__metadata__)
            usual = f"; by default {task.defaults[name]}" if task.defaults.get(name) is not None else ""
            found[name] = (Annotated[Union[field, None], Field(description=f"{about}{usual}")], None)
    return found


class _TaskName(Frozen):
    """What networks are trained for: the class of an image, or boxes and their classes."""

    name: Annotated[
        Literal[tuple(TASKS.built_in)],  # type: ignore[valid-type]
        Field(description="; ".join(f"{name}: {task.explained}" for name, task in TASKS.built_in.items())),
    ] = CLASSIFICATION


TaskFile = create_model("TaskFile", __base__=_TaskName, __doc__=_TaskName.__doc__, **_task_fields())


class StudyFile(Frozen):
    """A study: the networks, how they are trained, the data and the seeds. Or a search for networks.

    Args:
        title: The title of the report; by default the name.
        recipe: How networks are trained: a recipe's name, or changes of one.
        variants: What is compared: a list of items, expanded in order.
        search: A search in place of `variants`.
        tune: A small search that each variant is given before its seeds are trained.
        depth_rule: How a name counts depth: convolutions on the longest path, or 6 N + 4 for any block.
        where: A condition on axes, counts and measured costs, such as k * depth <= 400; other variants are dropped.
        budget: What every network may cost.
        figures: The figures of the report.
        published: Published values, shown beside ours.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["data", "recipe", "seeds", "variants"]},
                {"required": ["data", "recipe", "search"]},
                {"required": ["program", "measures", "seeds", "variants"]},
                {"required": ["program", "measures", "search"]},
                {"required": ["studies"]},
            ]
        }
    )

    name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
            description="a letter or digit, then letters, digits, '_', '.' and '-'",
            examples=["width"],
        ),
    ]
    title: Annotated[str, Field(max_length=200)] = ""
    source: Annotated[str, Field(max_length=200, description="the paper's table or figure")] = ""
    notes: Annotated[str, Field(max_length=10_000, description="printed with every table")] = ""
    data: Annotated[
        Any, Field(examples=["cifar10"], description="a data set, or a list of data sets on which every network is trained")
    ] = None
    recipe: Annotated[Any, Field(examples=["wrn_cifar"])] = None
    task: Annotated[
        TaskFile,  # type: ignore[valid-type]
        BeforeValidator(_task),
        Field(description="what networks are trained for; a name is short for {name: ...}", examples=["detection"]),
        WithJsonSchema({"anyOf": [{"enum": list(TASKS.built_in)}, {"x-as": "$defs/TaskFile"}]}),
    ] = TaskFile()
    studies: Annotated[
        list[str] | None,
        Field(
            min_length=1,
            max_length=100,
            examples=["[block_types.yaml, deepening.yaml]"],
            description="other study files of the same directory, whose variants stand in one table; see Tables",
        ),
    ] = None
    program: Annotated[ProgramFile | None, Field(description="a training program instead of data and recipe")] = None
    seeds: Annotated[
        Any,
        Field(examples=[5], description="how many, or a list; 0: networks are only counted; or a mapping, see below"),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "integer", "minimum": 0},
                    {"type": "array", "items": {"type": "integer"}},
                    {"type": "object", "x-as": "$defs/UntilFile"},
                ]
            }
        ),
    ] = None
    variants: Annotated[list[EntryFile] | None, Field(min_length=1, max_length=1000, examples=["[{net: WRN-28-2}]"])] = None
    base: Annotated[
        Any,
        Field(description="the network that a search changes; for a program, the values of axes that are not searched"),
        WithJsonSchema(_NET),
    ] = None
    search: SearchFile | None = None
    tune: TuneFile | None = None
    depth_rule: DepthRuleField = "convolutions"
    where: str | None = None
    budget: BudgetFile | None = None
    baseline: Annotated[
        Any,
        Field(description="a network, a label, or values of axes; {dropout: 0}: each variant without its dropout"),
        WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "object", "minProperties": 1}]}),
    ] = None
    validation: Annotated[
        ValidationFile | None,
        Field(description="the images that variants are compared on; test images are then evaluated once, at the end"),
    ] = None
    measures: Annotated[
        Measures | None, Field(description="what is measured besides the error, or what a program reports")
    ] = None
    decide_by: Annotated[
        str | None,
        Field(
            description="the measure that variants are compared by; by default the error, or a program's first measure; "
            "on images of also_test as in on_gaussian_noise_3_error"
        ),
    ] = None
    also_test: Annotated[
        list[ExtraTestFile] | None,
        Field(min_length=1, max_length=100, description="further test images, evaluated once after the last epoch"),
    ] = None
    keep: Annotated[Keep | None, Field(description="what trials keep of their last epoch; not part of an id")] = None
    epoch_rule: Annotated[
        EpochRule, Field(description="last: the value of the last epoch; best: of the best epoch, and reports say so")
    ] = "last"
    figures: Annotated[list[_FigureName], Field(default=list(DEFAULTS), max_length=len(CHOICES))]
    figure_style: Annotated[FigureStyleFile | None, Field(description="how the figures are drawn, for a paper")] = None
    effects: Annotated[
        Union[bool, Annotated[list[Title], Field(min_length=1, max_length=100)]],
        Field(description="factors whose effects the report shows; by default all that vary in a crossed way; false: none"),
    ] = True
    panels: Annotated[
        dict[Title, list[str]],
        Field(default_factory=dict, max_length=100, description="the networks of each panel of curves, by its title"),
    ]
    published: Annotated[list[PublishedFile], Field(default_factory=list, max_length=100)]
    labels: LabelsFile
    table: Annotated[TableStyle | None, Field(description="how the main table is shaped")] = None
    scales: Annotated[
        dict[str, Any],
        Field(
            default_factory=dict,
            description="by name: keys that replace the study's, in data, recipe, budget, search, tune, program one by one",
        ),
        WithJsonSchema({"type": "object", "additionalProperties": {"type": "object"}}),
    ]
