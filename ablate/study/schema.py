"""The format of a study file, as pydantic models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model

from ablate.kinds.figures import CHOICES, DEFAULTS
from ablate.study.budget_file import BudgetFile
from ablate.study.data import Keep
from ablate.study.design_schema import DESIGNS, FactorialFile, FractionalFile, LeaveOneOutFile, Path
from ablate.study.extra_test_file import ExtraTestFile
from ablate.study.figure_style import FigureStyleFile
from ablate.study.measure_file import Measures
from ablate.study.program_schema import ProgramFile
from ablate.study.published import PublishedFile
from ablate.study.search_schema import SearchFile, TuneFile, ValidationFile
from ablate.study.study import EpochRule
from ablate.study.table_style import LabelsFile, OwnLabel, TableStyle
from ablate.study.tasks import CLASSIFICATION, TASKS
from ablate.study.written_forms import NET, Axes, Changes, DepthRuleField, Frozen, Title, at_place

_FigureName: Any = Literal[CHOICES]


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

    net: Annotated[Any, WithJsonSchema({"anyOf": [*NET["anyOf"], {"type": "array", "items": NET}]})] = None
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


if TYPE_CHECKING:
    TaskFile = _TaskName
else:
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
        TaskFile,
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
        WithJsonSchema(NET),
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
