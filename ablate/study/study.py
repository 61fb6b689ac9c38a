"""The frozen values of a study: Recipe, Data, Entry, Study, Variant, Trial.

A trial is known by what it is: its id is a hash of everything that can change its result, and of nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ablate.data.augmentations import Augment, as_written
from ablate.data.data_sets import DATA_SETS, DataSet
from ablate.kinds.optimizers import OPTIMIZERS, Optimizer
from ablate.kinds.recipes import RECIPES
from ablate.kinds.schedules import SCHEDULES, Schedule
from ablate.nets.architecture import Architecture, Blocks, DepthRule
from ablate.nets.blueprint import Blueprint, Shape
from ablate.nets.counts import Counts
from ablate.nets.families import axes_of, blueprint, find_family
from ablate.registry import Kind
from ablate.study.budget import Budget, BudgetResult

FORMAT = 1  # of trial.json; a new field whose default keeps old results is left out at its default, so old ids hold


class Frozen(BaseModel):
    """A value that cannot change, accepts no unknown key and coerces nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


EpochRule = Literal["last", "best"]


class Recipe(Frozen):
    """How a network is trained. Every field counts in the trial's id, but for those that cannot change a result.

    Beside these fields a recipe has those of the optimizer and the schedule that it names, such as `momentum` and
    `milestones`; the tables in ablate/kinds/ say which. It may have those of others, which then mean nothing.
    """

    model_config = ConfigDict(extra="allow")

    optimizer: str
    lr: Annotated[float, Field(gt=0, le=100)]
    weight_decay: Annotated[float, Field(ge=0, le=10)]
    decay_on: Annotated[Literal["all", "weights"], Field(description="weights: not on batch norm and biases")]
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    last_batch: Annotated[Literal["drop", "keep"], Field(description="a last batch smaller than the others")]
    epochs: Annotated[int, Field(ge=1, le=100_000)]
    schedule: str = "step"
    precision: Annotated[Literal["float32", "bfloat16"], Field(description="bfloat16: autocast")]
    lr_batch_size: Annotated[
        int | None, Field(ge=1, le=65536, description="the batch size that lr is for: the rate is lr * batch_size / it")
    ] = None
    checkpoint_activations: Annotated[
        Literal["none", "blocks"], Field(description="blocks: computed twice for less memory, same result")
    ] = "none"
    compile: Annotated[
        Literal["never", "auto", "always"],
        Field(description="blocks are compiled, last bits differ; auto: where a training is an hour of a Titan X"),
    ] = "never"
    gpus: Annotated[
        int, Field(ge=1, le=64, description="a trial trains on so many at once, each taking its part of every batch")
    ] = 1
    sync_batch_norm: Annotated[bool, Field(description="statistics of the whole batch, not of each GPU's part of it")] = (
        False
    )

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        for kind in self.kinds:
            if missing := [name for name in kind.fields if name not in self.values and name not in kind.defaults]:
                raise ValueError(f"{kind.name} needs {missing[0]}")
            if wrong := kind.check(kind.settings(self.values)):
                raise ValueError(wrong)
        if self.compile != "never" and self.checkpoint_activations != "none":
            raise ValueError("compile needs checkpoint_activations: none")
        if self.sync_batch_norm and self.gpus == 1:
            raise ValueError("sync_batch_norm needs gpus above 1")
        if self.gpus > 1:
            self._divisible()
        return self

    def _divisible(self) -> None:
        """Raises ValueError for what cannot be had of several GPUs that are to take equal parts of every batch."""
        if self.batch_size % self.gpus:
            raise ValueError(f"batch_size: {self.batch_size} cannot be divided by gpus: {self.gpus}")
        if self.last_batch != "drop":
            raise ValueError(f"gpus: {self.gpus} needs last_batch: drop, for a smaller one need not be divisible")
        if self.compile != "never":
            raise ValueError(f"gpus: {self.gpus} needs compile: never")
        if self.sync_batch_norm and self.checkpoint_activations != "none":
            raise ValueError("sync_batch_norm needs checkpoint_activations: none")

    @property
    def rate(self) -> float:
        """The learning rate before any drop: lr, scaled where it is for another batch size."""
        return self.lr * self.batch_size / self.lr_batch_size if self.lr_batch_size else self.lr

    @classmethod
    def named(cls, name: str, **changes: Any) -> Recipe:
        """The recipe of a name, with some fields changed. Raises KeyError, pydantic.ValidationError."""
        return cls(**{**RECIPES[name].fields, **changes})

    @property
    def values(self) -> dict[str, Any]:
        """Every field by name, those of optimizers and schedules included."""
        return dict(self)

    @property
    def kinds(self) -> tuple[Optimizer, Schedule]:
        """The entries that the recipe names, whose fields it uses."""
        return OPTIMIZERS[self.optimizer], SCHEDULES[self.schedule]

    @property
    def used(self) -> dict[str, Any]:
        """The fields that mean something, those of an optimizer after `lr` and those of a schedule after `schedule`."""
        values = self.values
        found: dict[str, Any] = {}
        optimizer, schedule = self.kinds
        after: dict[str, Kind] = {"lr": optimizer, "schedule": schedule}
        for name in Recipe.model_fields:
            found |= {name: values[name], **(after[name].settings(values) if name in after else {})}
        return found

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result, in plain values."""
        found = self.model_dump(
            mode="json", include=set(Recipe.model_fields), exclude={"checkpoint_activations"}, exclude_defaults=True
        )
        for kind in self.kinds:
            found |= kind.identity(self.values)
        return found


class HeldOut(Frozen):
    """Training images that are kept from training and measured on instead of the test images, which are never read.

    images: so many of them, or folds: one of so many parts of all, number `fold` from 0; drawn by the seed, stratified.
    """

    images: Annotated[int | None, Field(ge=1)] = None
    folds: Annotated[int | None, Field(ge=2, le=100)] = None
    fold: Annotated[int | None, Field(ge=0)] = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class Data(Frozen):
    """Which images, how many of them, and what is done to them. Sizes are in images; None is all there are.

    title: what tables call the images, and what tells one image_folder from another. digest: refuse other images.
    """

    name: str
    title: Annotated[str, Field(min_length=1, max_length=100)]
    classes: Annotated[int, Field(ge=2, le=100_000)]
    image_size: Annotated[int, Field(ge=4, le=1024, description="pixels, square")]
    channels: Literal[1, 3]
    preprocess: str
    augment: Augment
    train_size: Annotated[int | None, Field(ge=2)] = None
    test_size: Annotated[int | None, Field(ge=2)] = None
    digest: Annotated[str | None, Field(pattern="^[0-9a-f]{16}$", description="16 hexadecimal digits")] = None
    copy_of: Annotated[str | None, Field(description="what these images are a copy of")] = None
    root: Annotated[str | None, Field(description="where the images are, from the study file's folder")] = None
    held_out: HeldOut | None = None  # of the train_size images; a search's, no study writes it

    @classmethod
    def named(cls, name: str, **changes: Any) -> Data:
        """The data set of a name, with some fields changed or added. Raises KeyError, pydantic.ValidationError."""
        return cls(**{"name": name, **DATA_SETS[name].facts, **changes})

    @property
    def input_shape(self) -> Shape:
        """(channels, height, width) of one image."""
        return (self.channels, self.image_size, self.image_size)

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result. The title names the images only where nothing else does."""
        other = {"digest", "copy_of", "root", "augment"} | (set() if self.data_set.title is None else {"title"})
        other |= {"test_size"} if self.held_out else set()
        return {**self.model_dump(exclude=other, exclude_defaults=True), "augment": as_written(self.augment)}

    @property
    def values(self) -> dict[str, Any]:
        """Every field by name."""
        return dict(self)

    @property
    def data_set(self) -> DataSet:
        """The entry of the table of data sets."""
        return DATA_SETS[self.name]

    @property
    def full_sizes(self) -> tuple[int | None, int | None]:
        """How many (training, test) images there are of the data set that these stand for; None where nobody knows."""
        return DATA_SETS[self.stands_for].images

    @property
    def stands_for(self) -> str:
        """The data set whose published values these images are held against."""
        return self.copy_of or self.name


@dataclass(frozen=True)
class Entry:
    """One item of `variants`, not yet expanded. places: where each (axis, repr of value) stands."""

    kind: Literal["net", "grid", "zip", "one_at_a_time"]
    axes: dict[str, tuple[Any, ...]]
    data: tuple[Data, ...]
    recipe: Recipe
    recipe_name: str
    stands_for: tuple[str, ...]  # the published row of each network, in order; none: the one of its own name
    depth_rule: DepthRule
    base: Any  # the network that one_at_a_time changes
    place: str
    places: dict[tuple[str, Any], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """One row of a study: architecture + recipe + data. net: its name, with the block where the study names one."""

    net: str
    architecture: Architecture
    recipe: Recipe
    data: Data
    axes: dict[str, Any]
    counts: Counts
    budget_result: BudgetResult | None = None
    stands_for: str = ""  # the published row, where that is not the one of its own network
    recipe_name: str = ""  # of the recipe that the study's is a change of

    @property
    def blueprint(self) -> Blueprint:
        return blueprint(self.architecture, self.data.classes, self.data.input_shape)

    @property
    def blocks_per_group(self) -> Blocks | None:
        """N; None for a network that has no such groups."""
        return self.architecture.N if find_family(self.architecture.family).has_depth else None

    @property
    def network(self) -> dict[str, Any]:
        """The network's axes by name, in plain values."""
        return axes_of(self.architecture)

    def trials(self, seeds: tuple[int, ...]) -> list[Trial]:
        """One trial a seed, in the order of the seeds."""
        first = [Trial(self.architecture, self.recipe, self.data, seed) for seed in seeds[:1]]
        return first + [first[0].at_seed(seed) for seed in seeds[1:]]


@lru_cache(maxsize=4096)
def _identity(model: Recipe | Data) -> dict[str, Any]:
    """Its identity(), which many trials share."""
    return model.identity()


@dataclass(frozen=True)
class Trial:
    """One training: variant x seed."""

    architecture: Architecture
    recipe: Recipe
    data: Data
    seed: int

    def at_seed(self, seed: int) -> Trial:
        """The same training with another seed; what the others of their definitions are is found once for both."""
        other = Trial(self.architecture, self.recipe, self.data, seed)
        other.__dict__["_unseeded"] = self._unseeded  # as cached_property keeps it
        return other

    @cached_property
    def _unseeded(self) -> bytes:
        """The definition without the seed, which comes last in it."""
        what = {
            "format": FORMAT,
            "network": self.architecture.identity(),
            "data": _identity(self.data),
            "recipe": _identity(self.recipe),
        }
        return orjson.dumps(what, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)

    @cached_property
    def definition(self) -> bytes:
        """trial.json: canonical JSON of everything that can change the result."""
        return b'%s,\n  "seed": %d\n}\n' % (self._unseeded.removesuffix(b"\n}"), self.seed)

    @cached_property
    def id(self) -> str:
        """The first 16 hexadecimal digits of the definition's SHA-256."""
        return hashlib.sha256(self.definition).hexdigest()[:16]

    @property
    def blueprint(self) -> Blueprint:
        return blueprint(self.architecture, self.data.classes, self.data.input_shape)


@dataclass(frozen=True)
class PublishedRow:
    """A row of a published table. errors: test error in percent by data set; other: what else is printed, by its title.

    architecture: the network of ours that it is, None for a method that is not built; not_run: why it is not.
    """

    label: str
    architecture: Architecture | None
    parameters: str
    errors: dict[str, float]
    other: dict[str, float | str]
    not_run: str
    note: str


@dataclass(frozen=True)
class Published:
    """What a source reports, and how it came by it: the protocol, as far as it is stated."""

    source: str
    note: str
    rows: tuple[PublishedRow, ...]
    seeds: int | None
    recipe: Recipe | None
    data: dict[str, Any]  # fields of Data


@dataclass(frozen=True)
class Parameter:
    """One value that a search looks for. axis: what it is of a network or recipe; name: Optuna's, with its condition.

    kind: float and int go from low to high, in steps or continuously, evenly in the logarithm if log; categorical and
    kernels have choices: kernels is a block, B(M) with low to high convolutions and each kernel one of the choices.
    when: (axis, values): it is there only where every one of these axes has one of these values.
    """

    name: str
    axis: str
    kind: Literal["float", "int", "categorical", "kernels"]
    low: float | int | None = None
    high: float | int | None = None
    step: float | int | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()
    when: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    place: str = ""


@dataclass(frozen=True)
class Search:
    """What a search looks for, and how. trials: candidates, each of them trained on every fold with every seed.

    held_out: the folds, or the one part that is held out. enqueue: candidates that come first, as values of the axes.
    digest: of everything in the study that the search depends on, but for how many trials it has.
    """

    base: Any  # the network that is changed, as written; None where the space says all
    parameters: tuple[Parameter, ...]
    held_out: tuple[HeldOut, ...]
    objective: Literal["median_validation_error", "mean_validation_error"]
    also_minimize: Literal["parameters", "multiply_adds"] | None
    trials: int
    sampler: Literal["tpe", "gp", "random", "grid", "cmaes"]
    pruner: Literal["none", "wilcoxon", "median", "hyperband"]
    seed: int
    enqueue: tuple[dict[str, Any], ...]
    digest: str

    @property
    def axes(self) -> list[str]:
        """The axes that are searched, in order."""
        return list(dict.fromkeys(parameter.axis for parameter in self.parameters))

    @property
    def prunes_over_epochs(self) -> bool:
        """Whether the pruner is told of every epoch; else it is told of every training."""
        return self.pruner in ("median", "hyperband")


@dataclass(frozen=True)
class Study:
    """One study file, checked; its variants are not yet enumerated."""

    name: str
    title: str
    source: str
    notes: str
    scale: str  # the name of the overlay, "" for the study as it stands
    data: Data  # the first, where there are several
    folder: Path  # of the study file, where its own networks are looked for
    recipe: Recipe
    seeds: tuple[int, ...]
    entries: tuple[Entry, ...]
    where: str | None
    budget: Budget | None
    baseline: tuple[str | dict[str, Any], str] | None  # a net as written, or values of axes; and its place
    epoch_rule: EpochRule
    published: tuple[Published, ...]
    figures: tuple[str, ...]
    panels: tuple[tuple[str, tuple[str, ...]], ...]  # of the curves: title, nets; none: one a data set
    places: dict[str, str]
    search: Search | None = None  # instead of entries
    chosen: tuple[str, ...] = ()  # in words: each value that was taken from a search, and from where
