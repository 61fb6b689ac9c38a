"""The frozen values of a study: Recipe, Data, Entry, Study, Variant, Trial.

A trial is identified by its definition: its id is a hash of everything that can change its result, and of nothing else.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ablate.data.augmentations import Augment, as_written, own_steps
from ablate.data.data_sets import DATA_SETS, DataSet
from ablate.data.read_options import RESIZES, ColumnNames, DrawnTest, ReadOptions, Resize
from ablate.files import content_id
from ablate.kinds.losses import Loss, find_loss
from ablate.kinds.measures import ERROR, Measure, OwnMeasure, find_measure
from ablate.kinds.optimizers import Optimizer, find_optimizer
from ablate.kinds.recipes import RECIPES
from ablate.kinds.schedules import Duration, Schedule, check_duration, epochs_of, find_schedule
from ablate.nets.architecture import Architecture, Blocks, DepthRule
from ablate.nets.blueprint import Blueprint, Shape
from ablate.nets.counts import Counts
from ablate.nets.families import axes_of, blueprint, find_family
from ablate.own_code import OwnCode
from ablate.registry import Kind
from ablate.study.budget import Budget, BudgetResult
from ablate.study.decision import TEST_ERROR, Decision, Goal

FORMAT = 1  # of trial.json; a new field is left out at a default that keeps old results, so old ids stay valid


class Frozen(BaseModel):
    """A model that cannot be changed, refuses unknown keys and converts no types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


EpochRule = Literal["last", "best"]


def _leading(field: str) -> BeforeValidator:
    """The validator of a model that may be written as a number, which is the value of its leading field."""
    return BeforeValidator(
        lambda value: {field: value} if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    )


class Part(Frozen):
    """A part of a recipe that may be written as one number, the value of its first field; 0 turns it off."""

    @property
    def written(self) -> Any:
        """The value as a study file writes it: a number, or a mapping where other fields differ from their defaults."""
        first, *rest = dict(self).items()
        other = {name: value for name, value in rest if value != type(self).model_fields[name].default}
        return {first[0]: first[1], **other} if other else first[1]

    def __str__(self) -> str:
        first, *rest = self.written.values() if isinstance(self.written, dict) else [self.written]
        names = list(self.written)[1:] if rest else []
        return f"{first:g}" + "".join(f" ({name} {value:g})" for name, value in zip(names, rest))


class Mixing(Part):
    """mixup or cutmix.

    Args:
        alpha: Both parameters of the beta distribution that the share of an image is drawn from; 0: no mixing.
        probability: That a batch is mixed in this way; None: the part that the other of the two leaves.
    """

    alpha: Annotated[float, Field(ge=0, le=100, description="of the beta distribution of the shares; 0: none")] = 0.0
    probability: Annotated[
        float | None, Field(gt=0, le=1, description="that a batch is mixed so; by default what the other of the two leaves")
    ] = None


class Averaging(Part):
    """The exponential moving average of the weights, which is tested in place of the weights.

    Args:
        decay: The part of the average that each step keeps; 0: no average.
        warmup: How long the average is a copy of the weights: whole epochs, or a fraction of the training.
    """

    decay: Annotated[float, Field(ge=0, lt=1, description="the part that each step keeps; 0: none")] = 0.0
    warmup: Duration = 0


class Recipe(Frozen):
    """How a network is trained. Every field that can change a result is part of the trial's id.

    Besides these fields a recipe has those of the optimizer, the schedule and the loss that it names, such as `momentum`
    and `milestones`; see the tables in ablate/kinds/. Fields of other optimizers, schedules and losses have no effect.

    Args:
        optimizer: A name of the table of optimizers, or own code; see find_optimizer().
        lr: The learning rate; its peak, if the schedule changes it.
        weight_decay: The factor of the L2 penalty.
        decay_on: "all" parameters, or "weights": not those of batch norm, and no biases.
        batch_size: Images a step, of all GPUs together.
        last_batch: Whether a last batch that is smaller than the others is dropped or kept.
        epochs: The number of epochs.
        schedule: A name of the table of learning rate schedules, or own code; see find_schedule().
        precision: "bfloat16" trains under autocast.
        lr_batch_size: The batch size that `lr` is for; the rate is lr * batch_size / lr_batch_size. None: `lr` is the rate.
        checkpoint_activations: "blocks": activations are computed twice, for less memory and the same result.
        compile: Whether blocks are compiled, which changes last bits; "auto": in trainings of an hour or more on a Titan X.
        gpus: How many GPUs train one trial; each takes its part of every batch.
        sync_batch_norm: Whether statistics are of the whole batch, not of each GPU's part of it.
        loss: A name of the table of losses, or own code; see find_loss().
        mixup: Batches are mixed with themselves in reverse order, image by image.
        cutmix: Likewise; a box of each image is replaced by that of the other. A batch has one of the two.
        ema: The average of the weights that is tested.
        clip_norm: The largest norm of the gradient of all weights together; 0: any.
        accumulate: In how many parts a batch is computed, one after the other; their gradients are added.
        class_weights: "balanced": an image's loss is weighted by images / (classes * images of its class).
        sampler: "balanced": images of an epoch are drawn with replacement, each class equally often.
        python: A recipe of the user's own; see kinds/hooks.py.
    """

    model_config = ConfigDict(extra="allow")

    optimizer: str | OwnCode
    lr: Annotated[float, Field(gt=0, le=100, description="the learning rate, at its peak")]
    weight_decay: Annotated[float, Field(ge=0, le=10, description="factor of the L2 penalty, or of the decoupled decay")]
    decay_on: Annotated[Literal["all", "weights"], Field(description="weights: without batch norm and biases")]
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    last_batch: Annotated[Literal["drop", "keep"], Field(description="of a last batch that is smaller")]
    epochs: Annotated[int, Field(ge=1, le=100_000)]
    schedule: str | OwnCode = "step"
    precision: Annotated[Literal["float32", "bfloat16"], Field(description="bfloat16: autocast")]
    lr_batch_size: Annotated[
        int | None, Field(ge=1, le=65536, description="the rate is lr * batch_size / lr_batch_size; by default lr")
    ] = None
    checkpoint_activations: Annotated[
        Literal["none", "blocks"], Field(description="blocks: activations are computed twice, for less memory")
    ] = "none"
    compile: Annotated[
        Literal["never", "auto", "always"],
        Field(description="compiling changes last bits; auto: only in trainings of an hour or more on a Titan X"),
    ] = "never"
    gpus: Annotated[
        int, Field(ge=1, le=64, description="how many GPUs train one trial; each takes its part of every batch")
    ] = 1
    sync_batch_norm: Annotated[bool, Field(description="statistics of the whole batch, not of each GPU's part of it")] = (
        False
    )
    loss: str | OwnCode = "cross_entropy"
    mixup: Annotated[Mixing, _leading("alpha"), Field(description="alpha; batches are mixed image by image")] = Mixing()
    cutmix: Annotated[Mixing, _leading("alpha"), Field(description="alpha; a box of each image is another's")] = Mixing()
    ema: Annotated[Averaging, _leading("decay"), Field(description="decay; the average of the weights is tested")] = (
        Averaging()
    )
    clip_norm: Annotated[float, Field(ge=0, le=1e6, description="the largest norm of the gradient; 0: any")] = 0.0
    accumulate: Annotated[
        int, Field(ge=1, le=65536, description="in how many parts a batch is computed; their gradients are added")
    ] = 1
    class_weights: Annotated[
        Literal["none", "balanced"], Field(description="balanced: the loss of each class counts equally")
    ] = "none"
    sampler: Annotated[
        Literal["shuffle", "balanced"], Field(description="balanced: each class is drawn equally often, with replacement")
    ] = "shuffle"
    python: OwnCode | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        """Check that the fields are complete and do not contradict each other."""
        for kind in self.kinds:
            if missing := [name for name in kind.fields if name not in self.values and name not in kind.defaults]:
                raise ValueError(f"{kind.name} needs {missing[0]}")
            if wrong := kind.check(kind.settings(self.values)):
                raise ValueError(wrong)
        _, schedule, loss = self.kinds
        duration = schedule.settings(self.values).get("warmup", 0)
        if (warmup := epochs_of(duration, self.epochs)) and warmup >= self.epochs:
            raise ValueError(f"warmup: {duration} epochs of {self.epochs}; use fewer, or a fraction such as 0.1")
        if wrong := check_duration("ema.warmup", self.ema.warmup):
            raise ValueError(wrong)
        if self.mixup_probability + self.cutmix_probability > 1 + 1e-9:
            raise ValueError("the probabilities of mixup and cutmix are more than 1 together")
        if self.class_weights != "none" and not loss.weighted:
            raise ValueError(f"class_weights: a loss of your own takes none; weight the classes in {loss.name}")
        if self.accumulate > self.batch_size:
            raise ValueError(f"accumulate: {self.accumulate} parts of a batch of {self.batch_size} images")
        if self.compile != "never" and self.checkpoint_activations != "none":
            raise ValueError("compile needs checkpoint_activations: none")
        if self.sync_batch_norm and self.gpus == 1:
            raise ValueError("sync_batch_norm needs gpus above 1")
        if self.gpus > 1:
            self._divisible()
        return self

    def _divisible(self) -> None:
        """Raise ValueError for settings that several GPUs with equal parts of every batch do not support."""
        if self.batch_size % self.gpus:
            raise ValueError(f"batch_size: {self.batch_size} cannot be divided by gpus: {self.gpus}")
        if self.last_batch != "drop":
            raise ValueError(f"gpus: {self.gpus} needs last_batch: drop, as gpus may not divide a smaller batch")
        if self.compile != "never":
            raise ValueError(f"gpus: {self.gpus} needs compile: never")
        if self.accumulate > 1:
            raise ValueError(f"gpus: {self.gpus} needs accumulate: 1, as each GPU already takes a part of a batch")
        if self.sync_batch_norm and self.checkpoint_activations != "none":
            raise ValueError("sync_batch_norm needs checkpoint_activations: none")

    @property
    def rate(self) -> float:
        """The learning rate before any drop: lr, scaled if it is for another batch size."""
        return self.lr * self.batch_size / self.lr_batch_size if self.lr_batch_size else self.lr

    @classmethod
    def named(cls, name: str, **changes: Any) -> Recipe:
        """A named recipe with some fields changed.

        Args:
            name: A name of the table of recipes.
            changes: Values by field.

        Raises:
            KeyError: There is no such recipe.
            pydantic.ValidationError: A value is not valid.
        """
        return cls(**{**RECIPES[name].fields, **changes})

    @property
    def values(self) -> dict[str, Any]:
        """Every field by name, including those of optimizers and schedules."""
        return dict(self)

    @property
    def kinds(self) -> tuple[Optimizer, Schedule, Loss]:
        """The optimizer, the schedule and the loss that the recipe names."""
        return find_optimizer(self.optimizer), find_schedule(self.schedule), find_loss(self.loss)

    @property
    def own_code(self) -> dict[str, OwnCode]:
        """The user's own code in the recipe, by field: optimizer, schedule, loss, python."""
        found = {name: getattr(self, name) for name in OWN_CODE}
        return {name: value for name, value in found.items() if isinstance(value, OwnCode)}

    @property
    def mixup_probability(self) -> float:
        """The probability that a batch is mixed by mixup."""
        return _probability(self.mixup, self.cutmix)

    @property
    def cutmix_probability(self) -> float:
        """The probability that a batch is mixed by cutmix."""
        return _probability(self.cutmix, self.mixup)

    @property
    def used(self) -> dict[str, Any]:
        """The fields that have an effect. Those of optimizer, schedule and loss follow `lr`, `schedule` and `loss`."""
        values = self.values
        found: dict[str, Any] = {}
        optimizer, schedule, loss = self.kinds
        after: dict[str, Kind] = {"lr": optimizer, "schedule": schedule, "loss": loss}
        for name in Recipe.model_fields:
            found |= {name: values[name], **(after[name].settings(values) if name in after else {})}
        return found

    @property
    def defaults(self) -> dict[str, Any]:
        """The default of each field in `used` that has one."""
        found = {name: field.default for name, field in Recipe.model_fields.items() if not field.is_required()}
        for kind in self.kinds:
            found |= kind.defaults
        return found

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result, in plain values."""
        found = self.model_dump(
            mode="json", include=set(Recipe.model_fields), exclude={"checkpoint_activations"}, exclude_defaults=True
        )
        for kind in self.kinds:
            found |= kind.identity(self.values)
        return found | {name: own.identity() for name, own in self.own_code.items()}


OWN_CODE = ("optimizer", "schedule", "loss", "python")  # fields of a recipe that may hold a user's own code


def _probability(one: Mixing, other: Mixing) -> float:
    """The probability of one way of mixing, which may depend on the other: both have one half if neither says more."""
    if not one.alpha:
        return 0.0
    if one.probability is not None:
        return one.probability
    if not other.alpha:
        return 1.0
    return 0.5 if other.probability is None else 1 - other.probability


class HeldOut(Frozen):
    """Images that are not trained on. The trial is evaluated on them after each epoch, not on the test images.

    They are training images, drawn with the seed and stratified by class, or those of another folder. One of `images`,
    `folds` and `folder` is given.

    Args:
        images: How many.
        folds: The number of equal parts, of which one is held out.
        fold: The number of the part, from 0.
        seed: Of the draw.
        folder: The folder of the images, with a folder for each class. All training images are then trained on.
        test: Whether the trial also evaluates the test images, once, after its last epoch; otherwise they are never read.
    """

    images: Annotated[int | None, Field(ge=1)] = None
    folds: Annotated[int | None, Field(ge=2, le=100)] = None
    fold: Annotated[int | None, Field(ge=0)] = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    folder: str | None = None
    test: bool = False

    @property
    def draw(self) -> dict[str, Any]:
        """The fields that choose the images among the training images, by name."""
        return self.model_dump(include={"images", "folds", "fold", "seed"})

    def taken(self, train: int) -> int:
        """How many of the training images are held out.

        Args:
            train: How many training images there are.
        """
        if self.folds:
            return len(range(self.fold or 0, train, self.folds))
        return self.images or 0


def _check_share(value: int | float) -> int | float:
    """A number of images, or a fraction of them."""
    if value <= 0 or (isinstance(value, float) and value >= 1):
        raise ValueError(f"found {value}; allowed: a fraction below 1, or a number of images")
    return value


class Split(Frozen):
    """The draw of the test images from images that are in one part, stratified by class.

    Args:
        test: How many: a fraction of all images below 1, or their number.
        seed: Of the draw.
    """

    test: Annotated[
        int | float,
        AfterValidator(_check_share),
        Field(description="a fraction of all images below 1, or their number", examples=[0.2]),
    ]
    seed: Annotated[int, Field(ge=0, lt=2**31, description="of the draw")] = 0


class Columns(Frozen):
    """The columns of a table of images, where there are several of a kind.

    Args:
        image: The column of the images; None: the only one.
        label: The column of the labels; None: "label", or the only one.
    """

    image: Annotated[str | None, Field(min_length=1, description="by default the only one with images")] = None
    label: Annotated[str | None, Field(min_length=1, description="by default label, or the only one")] = None


class Data(Frozen):
    """The images of a trial: which, how many, and how they are preprocessed and augmented.

    Args:
        name: A name of the table of data sets.
        title: The name in tables. It identifies images whose files are the user's own.
        classes: How many.
        image_size: Height and width, in pixels.
        channels: 1 (grey) or 3.
        preprocess: A name of the table of preprocessing.
        augment: Augmentation steps, in order.
        train_size: How many training images are used; None: all.
        test_size: How many test images are used; None: all.
        digest: The expected digest of the images, 16 hexadecimal digits; other images are refused. None: not checked.
        copy_of: The data set that these images are a copy of, if any.
        root: The directory of the images, relative to the study file's folder.
        on_damaged: What happens to images in folders that cannot be decoded: "refuse" ends the run and names them, "skip"
            passes over them and counts them.
        held_out: The images that are held out. A study's `validation` or a search sets it.
        resize: How images of another size are brought to image_size: "crop" scales the shorter side and crops the centre,
            "stretch" scales both sides, "pad" scales the longer side and adds black. None: image files are cropped, arrays
            and images of own code are refused.
        split: The draw of the test images from images that are in one part; None: they are a part of their own.
        columns: Of a table, or of the items of own code; None: as they are found.
        stream: Whether images are decoded whenever they are needed, so that any number of them can be used.
        own: The own code that returns the images; a study writes it as `python` and `args`. None: files.
        measures: What is measured on the test images besides the error and what the data set's entry names. A study's
            `measures` sets it.
    """

    name: str
    title: Annotated[
        str, Field(min_length=1, max_length=100, description="in tables; by default the name of root or of the module")
    ]
    classes: Annotated[int, Field(ge=2, le=100_000, description="by default as many as the images have")]
    image_size: Annotated[
        int, Field(ge=4, le=1024, description="height and width, in pixels; by default those of the images")
    ]
    channels: Annotated[Literal[1, 3], Field(description="1: grey; by default 3 for folders, and as other images have")]
    preprocess: str
    augment: Augment
    train_size: Annotated[int | None, Field(ge=2)] = None
    test_size: Annotated[int | None, Field(ge=2)] = None
    digest: Annotated[str | None, Field(pattern="^[0-9a-f]{16}$", description="16 hexadecimal digits")] = None
    copy_of: Annotated[str | None, Field(description="the data set that is copied")] = None
    root: Annotated[str | None, Field(description="directory or .npz file, relative to the study file's folder")] = None
    on_damaged: Annotated[
        Literal["refuse", "skip"], Field(description="images of an image_folder that cannot be decoded; skip: counted")
    ] = "refuse"
    held_out: HeldOut | None = None
    resize: Annotated[
        Resize | None,
        Field(description="how images get image_size; " + "; ".join(f"{name}: {words}" for name, words in RESIZES.items())),
    ] = None
    split: Annotated[
        Split | None,
        Field(description="draws the test images from images in one part, by class: 0.2, or {test: 0.2, seed: 0}"),
    ] = None
    columns: Annotated[Columns | None, Field(description="of a table, where several could be meant")] = None
    stream: Annotated[bool, Field(description="decode images whenever they are needed: any number of them")] = False
    own: OwnCode | None = None
    measures: tuple[str | OwnMeasure, ...] = ()

    @classmethod
    def named(cls, name: str, **changes: Any) -> Data:
        """A named data set with some fields changed or added.

        Args:
            name: A name of the table of data sets.
            changes: Values by field.

        Raises:
            KeyError: There is no such data set.
            pydantic.ValidationError: A value is not valid.
        """
        return cls(**{"name": name, **DATA_SETS[name].facts, **changes})

    @property
    def input_shape(self) -> Shape:
        """The shape of one image: (C, H, W)."""
        return (self.channels, self.image_size, self.image_size)

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result. The title is one of them only where nothing else identifies the images."""
        other = {"digest", "copy_of", "root", "augment", "measures"} | (set() if self.data_set.title is None else {"title"})
        other |= {"test_size"} if self.held_out and not self.held_out.test else set()
        own = {"own": self.own.identity()} if self.own else {}
        other |= {"own"} if self.own else set()
        measures = [one if isinstance(one, str) else one.identity() for one in self.measures]
        return {
            **self.model_dump(exclude=other, exclude_defaults=True),
            "augment": as_written(self.augment, code=True),
            **own,
            **({"measures": measures} if measures else {}),
        }

    @property
    def streamed(self) -> bool:
        """Whether images are decoded whenever they are needed."""
        return self.stream or self.data_set.streamed

    @property
    def read_options(self) -> ReadOptions:
        """What the study says of how the images are read; a subset is decoded alone, if no image is to be passed over."""
        subset = "sizes" in self.data_set.options and self.on_damaged == "refuse" and not self.streamed
        return ReadOptions(
            channels=self.channels if self.data_set.title is None else None,
            resize=self.resize,
            split=DrawnTest(self.split.test, self.split.seed) if self.split else None,
            columns=ColumnNames(self.columns.image or "", self.columns.label or "") if self.columns else ColumnNames(),
            own=self.own,
            sizes=(self.train_size, self.test_size) if subset else (None, None),
        )

    @property
    def all_measures(self) -> list[Measure]:
        """All that is measured on the test images: the error, what the data set's entry names, and `measures`."""
        names = ("error", *self.data_set.measures)
        return [ERROR, *(find_measure(one) for one in dict.fromkeys((*names, *self.measures)) if one != "error")]

    @property
    def own_measures(self) -> list[OwnMeasure]:
        """The measures of the user's own."""
        return [one for one in self.measures if isinstance(one, OwnMeasure)]

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
        """How many (training, test) images the data set has, or the original of a copy; None where it is not known."""
        return DATA_SETS[self.stands_for].images

    @property
    def stands_for(self) -> str:
        """The data set with the published values to compare with."""
        return self.copy_of or self.name


def hold_out(data: Data, held_out: HeldOut) -> Data:
    """The same data with some images held out for validation.

    Args:
        data: The data of a variant.
        held_out: The images. If the test images are not evaluated, their number is forgotten.
    """
    return data.model_copy(update={"held_out": held_out, **({} if held_out.test else {"test_size": None})})


@dataclass(frozen=True)
class Entry:
    """One item of `variants`, not yet expanded.

    Args:
        kind: The key that the item has.
        axes: The values of each axis.
        data: The data sets.
        recipe: The recipe, without the changes of recipe.* axes.
        recipe_name: The name of the recipe that `recipe` is a change of.
        stands_for: The published row of each network, in order; empty: the row with the network's own name.
        depth_rule: The layers that a depth counts.
        base: The network that one_at_a_time changes, as written.
        place: "file:line:column" of the item.
        places: The place of each (axis, repr of value).
        folds: The parts of the training images that are held out in turn; empty: each trial has the same data.
    """

    kind: Literal["net", "grid", "zip", "one_at_a_time"]
    axes: dict[str, tuple[Any, ...]]
    data: tuple[Data, ...]
    recipe: Recipe
    recipe_name: str
    stands_for: tuple[str, ...]
    depth_rule: DepthRule
    base: Any
    place: str
    places: dict[tuple[str, Any], str] = field(default_factory=dict)
    folds: tuple[HeldOut, ...] = ()


@dataclass(frozen=True)
class Variant:
    """One row of a study: architecture + recipe + data.

    Args:
        net: The network's name; it shows the block if the study names a block. Of a network of user-defined code it is what
            varies in the study, such as "norm batch".
        architecture: The network.
        recipe: How it is trained.
        data: The images; with folds, those of the first.
        axes: The values of the study's axes, by name.
        counts: The network's counts, for one image.
        budget_result: How the network meets the budget; None in a study without a budget.
        stands_for: The published row; "": the row with the network's own name.
        recipe_name: The name of the recipe that `recipe` is a change of.
        whole_name: The network's name with all arguments that are written, if `net` is a shorter one; else "".
        folds: The parts of the training images that are held out in turn; empty: each trial has the same data.
    """

    net: str
    architecture: Architecture
    recipe: Recipe
    data: Data
    axes: dict[str, Any]
    counts: Counts
    budget_result: BudgetResult | None = None
    stands_for: str = ""
    recipe_name: str = ""
    whole_name: str = ""
    folds: tuple[HeldOut, ...] = ()

    @property
    def blueprint(self) -> Blueprint:
        """The network's blueprint: its layers for these classes and this input shape."""
        return blueprint(self.architecture, self.data.classes, self.data.input_shape)

    @property
    def blocks_per_group(self) -> Blocks | None:
        """N; None for a network without groups of blocks."""
        return self.architecture.N if find_family(self.architecture.family).has_depth else None

    @property
    def network(self) -> dict[str, Any]:
        """The network's axes by name, in plain values."""
        return axes_of(self.architecture)

    def trials(self, seeds: tuple[int, ...]) -> list[Trial]:
        """One trial a seed, in the order of the seeds; with folds, of each fold in order.

        Args:
            seeds: Whole numbers from 0.
        """
        found: list[Trial] = []
        for data in [hold_out(self.data, part) for part in self.folds] or [self.data]:
            first = [Trial(self.architecture, self.recipe, data, seed) for seed in seeds[:1]]
            found += first + [first[0].at_seed(seed) for seed in seeds[1:]]
        return found


@lru_cache(maxsize=4096)
def _identity(model: Recipe | Data) -> dict[str, Any]:
    """The model's identity(), cached because many trials share it."""
    return model.identity()


@dataclass(frozen=True)
class Trial:
    """One training: a variant with a seed.

    Args:
        architecture: The network.
        recipe: How it is trained.
        data: The images.
        seed: Of the initial weights, the order of the images and all other random draws.
    """

    architecture: Architecture
    recipe: Recipe
    data: Data
    seed: int

    def at_seed(self, seed: int) -> Trial:
        """The same training with another seed. The rest of the definition is computed once for both.

        Args:
            seed: The other seed.
        """
        other = Trial(self.architecture, self.recipe, self.data, seed)
        other.__dict__["_unseeded"] = self._unseeded  # where cached_property stores it
        return other

    @cached_property
    def _unseeded(self) -> bytes:
        """The definition without the seed, which is the last field."""
        what = {
            "format": FORMAT,
            "network": self.architecture.identity(),
            "data": _identity(self.data),
            "recipe": _identity(self.recipe),
        }
        return orjson.dumps(what, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)

    @cached_property
    def definition(self) -> bytes:
        """The bytes of trial.json: canonical JSON of everything that can change the result."""
        return b'%s,\n  "seed": %d\n}\n' % (self._unseeded.removesuffix(b"\n}"), self.seed)

    @cached_property
    def id(self) -> str:
        """The first 16 hexadecimal digits of the definition's SHA-256."""
        return content_id(self.definition)

    @property
    def blueprint(self) -> Blueprint:
        """The network's blueprint: its layers for these classes and this input shape."""
        return blueprint(self.architecture, self.data.classes, self.data.input_shape)

    @property
    def own_code(self) -> tuple[OwnCode, ...]:
        """The reader's own code in the data and the recipe; that of the network is known to the architecture."""
        measures = (one.code for one in self.data.own_measures)
        return (*own_steps(self.data.augment), *self.recipe.own_code.values(), *measures)


class ShownMeasure(NamedTuple):
    """A measure besides the error, as reports show it.

    Args:
        name: The name in records.
        words: The name in sentences and on axes.
        unit: Such as "%"; "" for none.
        goal: "minimize": a low value is good.
        code: The user's own code and its arguments; "" for a measure of the table.
    """

    name: str
    words: str
    unit: str
    goal: Goal
    code: str = ""

    @property
    def worst(self) -> float:
        """The value of a trial that diverged, which is worse than any other."""
        return -math.inf if self.goal == "maximize" else math.inf


@dataclass(frozen=True)
class PublishedRow:
    """A row of a published table.

    Args:
        label: As printed.
        architecture: The network; None for a method that is not built here.
        parameters: As printed, such as "1.4M".
        errors: The test error in percent, by data set.
        other: Other printed values, by title and unit.
        not_run: Why the network is not trained here; "" if it is.
        note: A remark on the row.
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
    """The values that a source reports, and its protocol, as far as it is stated.

    Args:
        source: Such as "WRN, Table 2".
        note: A remark on the table.
        rows: The rows of the table.
        seeds: How many trainings a value is the median of; None if it is not known.
        recipe: The recipe; None if it is not known.
        data: The known fields of Data, by name.
    """

    source: str
    note: str
    rows: tuple[PublishedRow, ...]
    seeds: int | None
    recipe: Recipe | None
    data: dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """One value that a search looks for.

    Args:
        name: Optuna's name: the axis, and the condition in brackets.
        axis: The axis of the network, recipe or data; or a placeholder of a program's command.
        kind: "float" and "int" have a range; "categorical" has choices; "kernels" is a block B(M) with `low` to `high`
            convolutions, each kernel one of the choices.
        low: The lower end of the range.
        high: The upper end, which is included.
        step: The distance between values; None: the range is continuous.
        log: Whether values are sampled evenly in the logarithm.
        choices: The choices.
        when: (axis, values): the parameter exists only if each of these axes has one of these values.
        place: "file:line:column" of the parameter.
        placeholder: Whether the axis is a placeholder of a program's command.
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
    placeholder: bool = False


@dataclass(frozen=True)
class Search:
    """What a search looks for, and how.

    Args:
        base: The network that is changed, as written; None where the space defines the whole network, and for a program.
        parameters: The space, in order.
        held_out: The folds, or the one part that is held out; empty for a program, which chooses its images itself.
        objective: What is minimized or maximized, such as "median_validation_error": "median" or "mean", and the measure.
        also_minimize: The second objective, if any.
        trials: How many candidates; each is trained on every fold with every seed.
        sampler: How candidates are chosen.
        pruner: How unpromising candidates are stopped.
        seed: Of the sampler.
        enqueue: The first candidates, as values of the axes.
        digest: A hash of everything in the study that the search depends on, except `trials`.
    """

    base: Any
    parameters: tuple[Parameter, ...]
    held_out: tuple[HeldOut, ...]
    objective: str
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
    def statistic(self) -> str:
        """What the objective is of the trainings of a candidate: "median" or "mean"."""
        return self.objective.partition("_")[0]

    def objective_of(self, errors: Collection[float]) -> float:
        """The objective of a candidate: the median or the mean of the values of its trainings.

        Args:
            errors: Such as their validation errors in percent; infinite where a training diverged; at least one.
        """
        return statistics.median(errors) if self.statistic == "median" else statistics.fmean(errors)

    @property
    def prunes_over_epochs(self) -> bool:
        """Whether the pruner receives the error of every epoch; otherwise it receives that of every training."""
        return self.pruner in ("median", "hyperband")


@dataclass(frozen=True)
class Study:
    """One study file, checked. Its variants are not yet enumerated.

    Args:
        name: Of the study and its reports; with the scale's name, if there is one.
        title: The title in reports.
        source: The paper's table or figure.
        notes: Printed with every table.
        scale: The name of the scale; "" for the study without a scale.
        data: The first of the study's data sets.
        folder: Of the study file; a user's own networks are searched for there.
        recipe: The study's recipe; an entry may have another.
        seeds: Of each variant.
        entries: The items of `variants`; of a search, one entry with what all candidates have in common.
        where: The constraint as written, if any.
        budget: The allowed cost of a network, if any.
        baseline: A network as written, or values of axes; and its place. None: there is no baseline.
        epoch_rule: "last", or "best": the epoch with the best value of the measure that the study decides by.
        published: The tables of published values.
        figures: The names of the figures that the report draws.
        panels: (title, networks) of each panel of the curves; empty: one panel a data set.
        places: "file:line:column" of some keys, by key.
        search: The search; None in a study with variants.
        chosen: One sentence for each value that was taken from a search.
        decision: What the variants are compared by.
        held_out: The images that the study decides on: the folds, or the one part; empty: the test images.
        measures: What reports show besides the error.
    """

    name: str
    title: str
    source: str
    notes: str
    scale: str
    data: Data
    folder: Path
    recipe: Recipe
    seeds: tuple[int, ...]
    entries: tuple[Entry, ...]
    where: str | None
    budget: Budget | None
    baseline: tuple[str | dict[str, Any], str] | None
    epoch_rule: EpochRule
    published: tuple[Published, ...]
    figures: tuple[str, ...]
    panels: tuple[tuple[str, tuple[str, ...]], ...]
    places: dict[str, str]
    search: Search | None = None
    chosen: tuple[str, ...] = ()
    decision: Decision = TEST_ERROR
    held_out: tuple[HeldOut, ...] = ()
    measures: tuple[ShownMeasure, ...] = ()
