"""Recipe: how a network is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from ablate.errors import allowed
from ablate.kinds.losses import Loss, find_loss
from ablate.kinds.optimizers import Optimizer, find_optimizer
from ablate.kinds.precisions import PRECISIONS, Precision
from ablate.kinds.recipes import RECIPES
from ablate.kinds.schedules import Duration, Schedule, check_duration, epochs_of, find_schedule
from ablate.nets.initialization import BATCH_NORM_INITS, CONVOLUTION_INITS
from ablate.own_code import OwnCode
from ablate.registry import Kind, Registry
from ablate.study.written_forms import Frozen


def _leading(field: str) -> BeforeValidator:
    """The validator of a model that may be written as a number or name, which is the value of its leading field."""
    return BeforeValidator(
        lambda value: {field: value} if isinstance(value, (int, float, str)) and not isinstance(value, bool) else value
    )


class Part(Frozen):
    """A part of a recipe that may be written as one value, that of its first field; the number 0 turns it off."""

    @property
    def on(self) -> bool:
        """Whether the first field is above 0. Otherwise the other fields have no effect."""
        return bool(next(iter(dict(self).values())))

    @property
    def written(self) -> Any:
        """The value as a study file writes it: one value, or a mapping where other fields differ from their defaults."""
        first, *rest = dict(self).items()
        other = {name: value for name, value in rest if value != type(self).model_fields[name].default}
        return {first[0]: first[1], **other} if other else first[1]

    def __str__(self) -> str:
        first, *rest = self.written.values() if isinstance(self.written, dict) else [self.written]
        names = list(self.written)[1:] if rest else []
        return f"{first:g}" + "".join(f" ({name} {value:g})" for name, value in zip(names, rest))


class Mixing(Part):
    """mixup or cutmix."""

    alpha: Annotated[
        float, Field(ge=0, le=100, description="both parameters of the beta distribution of the mixing ratio; 0: off")
    ] = 0.0
    probability: Annotated[
        float | None,
        Field(gt=0, le=1, description="how often a batch is mixed in this way; by default what the other one leaves"),
    ] = None


class Averaging(Part):
    """The exponential moving average of the weights, which is tested in place of the weights.

    Args:
        decay: The part of the average that each step keeps; 0: no average.
        warmup: How long the average is a copy of the weights: whole epochs, or a fraction of the training.
    """

    decay: Annotated[float, Field(ge=0, lt=1, description="the part of the average that each step keeps; 0: off")] = 0.0
    warmup: Duration = 0


def _name_of(table: Registry[Any], description: str) -> Any:
    """The type of a name of a table."""

    def check(name: str) -> str:
        if name not in table:
            raise ValueError(f"found '{name}'; {allowed(name, table)}")
        return name

    words = "; ".join(f"{name}: {entry.words}" for name, entry in table.built_in.items())
    names = WithJsonSchema({"enum": list(table.built_in)})
    return Annotated[str, AfterValidator(check), names, Field(description=f"{description}; {words}")]


def _one_of(table: Mapping[str, Precision]) -> Any:
    """The type of a precision's name."""
    words = "; ".join(f"{name}: {entry.explained}" for name, entry in table.items())
    return Annotated[Literal[tuple(table)], Field(description=words)]


class Initialization(Part):
    """How the weights are drawn; see nets/initialization.py."""

    batch_norm_weight: _name_of(BATCH_NORM_INITS, "the weight (gamma) of batch norm") = "ones"  # type: ignore[valid-type]
    convolution: _name_of(CONVOLUTION_INITS, "normal with deviation sqrt(2 / fan)") = "fan_in"  # type: ignore[valid-type]

    def __str__(self) -> str:
        norm, convolution = BATCH_NORM_INITS[self.batch_norm_weight], CONVOLUTION_INITS[self.convolution]
        other = [norm.words] if norm.name != "ones" else []
        return (
            ", ".join([*other, f"{convolution.words} convolutions"] if convolution.name != "fan_in" else other)
            or norm.words
        )


class SeedOf(Part):
    """What the seed of a trial decides besides the first weights."""

    order: Annotated[
        Literal["trial", "fixed"],
        Field(description="fixed: all seeds share order, augmentation and every other draw, but not the first weights"),
    ] = "trial"

    def __str__(self) -> str:
        return "the order of the images" if self.order == "trial" else "the first weights alone"


class Recipe(Frozen):
    """How a network is trained. Every field that can change a result is part of the trial's id.

    Besides these fields a recipe has those of the optimizer, the schedule and the loss that it names, such as `momentum`
    and `milestones`; see the tables in ablate/kinds/. Fields of other optimizers, schedules and losses have no effect.
    What a field's description says is not said again below.

    Args:
        optimizer: A name of the table of optimizers, or own code; see find_optimizer().
        batch_size: Images per step, of all GPUs together.
        epochs: The number of epochs.
        schedule: A name of the table of learning rate schedules, or own code; see find_schedule().
        loss: A name of the table of losses, or own code; see find_loss().
        python: A recipe of the user's own; see kinds/hooks.py.
    """

    model_config = ConfigDict(extra="allow")

    optimizer: str | OwnCode
    lr: Annotated[float, Field(gt=0, le=100, description="the learning rate, at its peak")]
    weight_decay: Annotated[float, Field(ge=0, le=10, description="factor of the L2 penalty, or of the decoupled decay")]
    decay_on: Annotated[Literal["all", "weights"], Field(description="weights: without batch norm and biases")]
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    last_batch: Annotated[Literal["drop", "keep"], Field(description="what happens to a smaller last batch")]
    epochs: Annotated[int, Field(ge=1, le=100_000)]
    schedule: str | OwnCode = "step"
    precision: _one_of(PRECISIONS)  # type: ignore[valid-type]
    lr_batch_size: Annotated[
        int | None, Field(ge=1, le=65536, description="the rate is lr * batch_size / lr_batch_size; by default lr")
    ] = None
    checkpoint_activations: Annotated[
        Literal["none", "blocks"], Field(description="blocks: activations are computed twice, for less memory")
    ] = "none"
    compile: Annotated[
        Literal["never", "auto", "always"],
        Field(
            description="torch.compile, which changes last bits; auto: only in trainings of an hour or more on a Titan X"
        ),
    ] = "never"
    gpus: Annotated[
        int, Field(ge=1, le=64, description="how many GPUs train one trial; each takes its part of every batch")
    ] = 1
    sync_batch_norm: Annotated[bool, Field(description="statistics of the whole batch, not of each GPU's part of it")] = (
        False
    )
    loss: str | OwnCode = "cross_entropy"
    mixup: Annotated[
        Mixing, _leading("alpha"), Field(description="its alpha; images and labels of a batch are mixed in pairs")
    ] = Mixing()
    cutmix: Annotated[
        Mixing, _leading("alpha"), Field(description="its alpha; a box of each image is replaced by that of another image")
    ] = Mixing()
    ema: Annotated[
        Averaging, _leading("decay"), Field(description="its decay; an average of the weights is tested in their place")
    ] = Averaging()
    clip_norm: Annotated[float, Field(ge=0, le=1e6, description="the gradient is clipped to this norm; 0: no clipping")] = (
        0.0
    )
    accumulate: Annotated[
        int, Field(ge=1, le=65536, description="into how many parts a batch is split; their gradients are added")
    ] = 1
    class_weights: Annotated[
        Literal["none", "balanced"], Field(description="balanced: the loss of each class counts equally")
    ] = "none"
    sampler: Annotated[
        Literal["shuffle", "balanced"], Field(description="balanced: each class is drawn equally often, with replacement")
    ] = "shuffle"
    init: Annotated[
        Initialization, _leading("batch_norm_weight"), Field(description="batch_norm_weight; how the weights are drawn")
    ] = Initialization()
    seed_of: Annotated[SeedOf, _leading("order"), Field(description="order; what the seeds differ in")] = SeedOf()
    deterministic: Annotated[
        Literal["require", "warn"],
        Field(description="an operation without a deterministic algorithm; warn: it runs, and no trial can be repeated"),
    ] = "require"
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
        return {**self.__dict__, **(self.model_extra or {})}  # as dict(self), in a fifth of the time: a plan asks for many

    @property
    def kinds(self) -> tuple[Optimizer, Schedule, Loss]:
        """The optimizer, the schedule and the loss that the recipe names."""
        return find_optimizer(self.optimizer), find_schedule(self.schedule), find_loss(self.loss)

    @property
    def arithmetic(self) -> Precision:
        """The entry of the precision."""
        return PRECISIONS[self.precision]

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
            value = values[name]
            value = type(value)() if isinstance(value, Part) and not value.on else value
            found |= {name: value, **(after[name].settings(values) if name in after else {})}
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
        off = {name for name, value in self.values.items() if isinstance(value, Part) and not value.on}
        found = self.model_dump(
            mode="json", include=set(Recipe.model_fields), exclude={"checkpoint_activations", *off}, exclude_defaults=True
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
