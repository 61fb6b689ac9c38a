"""The table of learning rate schedules. A package adds one by an entry point in the group `ablate.schedules`.

A schedule is a pure function of the step. With a warm-up, the rate rises from near 0 to the recipe's `lr`, which is the
peak; the schedule then goes on from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from ablate.own_code import OwnCode
from ablate.registry import Kind, Registry, Settings

Fraction = Annotated[float, Field(gt=0, lt=1)]
Duration = Annotated[
    int | float, Field(ge=0, le=100_000, description="epochs as a whole number, or a fraction of the training below 1.0")
]
Warmup = Annotated[
    int | float,
    Field(
        ge=0,
        le=100_000,
        description="the rate rises to lr in this time: epochs as a whole number, or a fraction of the training below 1.0",
    ),
]
Final = Annotated[float, Field(ge=0, le=1, description="the rate at the end of the training, as a fraction of lr")]
Per = Annotated[Literal["step", "epoch"], Field(description="whether the rate changes with each step or each epoch")]
OFFERED = ("step", "steps", "steps_per_epoch", "epochs", "lr")  # to a schedule of the user's own, by name


class Place(NamedTuple):
    """A place in a training after its warm-up, in epochs.

    Args:
        epoch: How many epochs have passed, from 0; a whole number if the rate changes per epoch.
        warmup: How long the warm-up was.
        epochs: How long the training is.
    """

    epoch: float
    warmup: float
    epochs: int

    @property
    def done(self) -> float:
        """The part of the time after the warm-up that has passed, from 0 to below 1."""
        return (self.epoch - self.warmup) / (self.epochs - self.warmup)


@dataclass(frozen=True, eq=False, kw_only=True)
class Schedule(Kind):
    """A learning rate schedule that a recipe can name, as pure functions.

    A schedule with the fields `warmup` and `per` has a warm-up and rates by step or epoch; one without them has neither
    and changes its rate per epoch.

    Args:
        factor: (settings, place) -> the factor on the recipe's learning rate, after the warm-up.
        rise: (settings, part of the warm-up, above 0) -> the factor during the warm-up.
        momentum: (settings, part, rising) -> the momentum, where a schedule changes it too, else None. The part is that of
            the warm-up if rising, else that of the time after it. A step with it is not part of a CUDA graph, because the
            graph keeps the momentum that it was captured with.
        discards_momentum: (settings, epoch from 1, number of epochs) -> whether the optimizer's state is set to zero at
            the start of the epoch.
    """

    factor: Callable[[Settings, Place], float]
    rise: Callable[[Settings, float], float] = lambda settings, part: part
    momentum: Callable[[Settings, float, bool], float | None] | None = None
    discards_momentum: Callable[[Settings, int, int], bool] = lambda settings, epoch, epochs: False

    def at(self, settings: Settings, step: int, steps_per_epoch: int, epochs: int) -> tuple[float, float | None]:
        """(the factor on the learning rate, the momentum or None) of a step.

        Args:
            settings: The values of the schedule's fields.
            step: From 0.
            steps_per_epoch: Steps of an epoch.
            epochs: The number of epochs.
        """
        units = steps_per_epoch if self.by_step(settings) else 1  # in an epoch; a unit is a step or an epoch
        unit = step if units == steps_per_epoch else step // steps_per_epoch
        warmup = epochs_of(settings.get("warmup", 0), epochs)
        rising = unit < warmup * units
        place = Place(unit / units, warmup, epochs)
        part = (unit + 1) / (warmup * units + 1) if rising else place.done
        factor = self.rise(settings, part) if rising else self.factor(settings, place)
        return factor, self.momentum(settings, part, rising) if self.momentum else None

    def by_step(self, settings: Settings) -> bool:
        """Whether the rate changes with each step.

        Args:
            settings: The values of the schedule's fields.
        """
        return bool(settings.get("per", "epoch") == "step")


def epochs_of(duration: float, epochs: int) -> float:
    """A duration in epochs.

    Args:
        duration: Epochs as a whole number, or a fraction of the training as a float below 1.
        epochs: Of the training.
    """
    return duration if isinstance(duration, int) else duration * epochs


def check_duration(name: str, duration: float) -> str:
    """The error in a duration; "" if there is none.

    Args:
        name: Of the field, for the message.
        duration: As for epochs_of().
    """
    if isinstance(duration, float) and duration >= 1:
        return (
            f"{name}: found {duration}; allowed: a fraction below 1.0, or epochs as a whole number such as {int(duration)}"
        )
    return ""


def drop_epochs(settings: Settings, epochs: int) -> tuple[int, ...]:
    """The epochs, from 1, at the start of which the learning rate drops; never the first.

    Example: 60, 120 and 160 of 200 epochs for milestones 0.3, 0.6 and 0.8.

    Args:
        settings: The values of the schedule's fields; `milestones` are fractions of the epochs.
        epochs: The number of epochs.

    Source: WRN, section 3, and the authors' code.
    """
    return tuple(max(2, math.ceil(fraction * epochs - 1e-9)) for fraction in settings["milestones"])


def _step_factor(settings: Settings, place: Place) -> float:
    """The factor on the learning rate: `drop` for each milestone that has been reached."""
    epoch = int(place.epoch) + 1
    factor: float = settings["drop"] ** sum(epoch >= start for start in drop_epochs(settings, place.epochs))
    return factor


def _step_discards(settings: Settings, epoch: int, epochs: int) -> bool:
    """Whether the momentum is discarded: at each drop, if the recipe says so."""
    return settings["momentum_at_drop"] == "discard" and epoch in drop_epochs(settings, epochs)


def _check_warmup(settings: Settings) -> str:
    """The error in a warm-up; "" if there is none."""
    return check_duration("warmup", settings["warmup"])


def _check_step(settings: Settings) -> str:
    """The error in the settings of the step schedule; "" if there is none."""
    milestones = list(settings["milestones"])
    return _check_warmup(settings) or ("" if milestones == sorted(set(milestones)) else "milestones must increase")


def _check_one_cycle(settings: Settings) -> str:
    """The error in the settings of one_cycle; "" if there is none."""
    low, high = settings["momentum_range"]
    return _check_warmup(settings) or ("" if low <= high else "momentum_range: the first must not be above the second")


def _between(first: float, last: float, part: float) -> float:
    """A value on the straight line from first to last."""
    return first + (last - first) * part


def _half_cosine(part: float) -> float:
    """From 0 to 1 along half a cosine."""
    return (1 - math.cos(math.pi * part)) / 2


def _eased(settings: Settings, part: float) -> float:
    """The part of the way of a phase of one_cycle."""
    return _half_cosine(part) if settings["anneal"] == "cosine" else part


def _one_cycle_momentum(settings: Settings, part: float, rising: bool) -> float | None:
    """The momentum of one_cycle: high where the rate is low, and low where it is high."""
    low, high = settings["momentum_range"]
    way = _eased(settings, part)
    return (_between(high, low, way) if rising else _between(low, high, way)) if settings["cycle_momentum"] else None


BY_STEP: dict[str, Any] = {"warmup": 0, "per": "step"}  # defaults of the fields that schedules share
SHARED: dict[str, Any] = {"warmup": Warmup, "per": Per}

SCHEDULES = Registry(
    "ablate.schedules",
    Schedule,
    Schedule(
        name="step",
        words="steps",
        explained="the rate is multiplied by `drop` at each milestone",
        fields={
            "milestones": Annotated[tuple[Fraction, ...], Field(max_length=100, description="fractions of the epochs")],
            "drop": Annotated[float, Field(gt=0, le=1, description="factor on the learning rate at each milestone")],
            "momentum_at_drop": Annotated[
                Literal["keep", "discard"],
                Field(
                    description="discard: the momentum starts from zero at each milestone, except in optimizers of your own"
                ),
            ],
            **SHARED,
        },
        defaults={"warmup": 0, "per": "epoch"},
        check=_check_step,
        factor=_step_factor,
        discards_momentum=_step_discards,
    ),
    Schedule(
        name="constant",
        words="constant",
        explained="the rate stays `lr`",
        fields=SHARED,
        defaults=BY_STEP,
        check=_check_warmup,
        factor=lambda settings, place: 1.0,
    ),
    Schedule(
        name="linear",
        words="linear",
        explained="from `lr` to `final` on a straight line",
        fields={**SHARED, "final": Final},
        defaults={**BY_STEP, "final": 0.0},
        check=_check_warmup,
        factor=lambda settings, place: _between(1.0, settings["final"], place.done),
    ),
    Schedule(
        name="cosine",  # source: Loshchilov and Hutter, "SGDR", without restarts
        words="cosine",
        explained="from `lr` to `final` along half a cosine",
        fields={**SHARED, "final": Final},
        defaults={**BY_STEP, "final": 0.0},
        check=_check_warmup,
        factor=lambda settings, place: _between(1.0, settings["final"], _half_cosine(place.done)),
    ),
    Schedule(
        name="one_cycle",  # source: Smith and Topin, "Super-Convergence"; defaults as in torch's OneCycleLR
        words="one cycle",
        explained="from `initial` up to `lr` in the warm-up, then down to `final`; the momentum goes the other way",
        fields={
            **SHARED,
            "final": Final,
            "initial": Annotated[float, Field(ge=0, le=1, description="the rate at the start, as a fraction of lr")],
            "anneal": Annotated[Literal["cosine", "linear"], Field(description="the shape of the rise and of the fall")],
            "cycle_momentum": Annotated[bool, Field(description="whether the momentum, or the first beta, changes too")],
            "momentum_range": Annotated[
                tuple[Fraction, Fraction], Field(description="the lowest and the highest momentum")
            ],
        },
        defaults={
            "warmup": 0.3,
            "per": "step",
            "final": 0.0,
            "initial": 0.04,
            "anneal": "cosine",
            "cycle_momentum": True,
            "momentum_range": (0.85, 0.95),
        },
        check=_check_one_cycle,
        factor=lambda settings, place: _between(1.0, settings["final"], _eased(settings, place.done)),
        rise=lambda settings, part: _between(settings["initial"], 1.0, _eased(settings, part)),
        momentum=_one_cycle_momentum,
    ),
    Schedule(
        name="polynomial",  # source of the default power: Chen et al., "DeepLab", section 4.1
        words="polynomial",
        explained="from `lr` to `final`, as a power of the remaining part of the training",
        fields={**SHARED, "final": Final, "power": Annotated[float, Field(gt=0, le=100, description="the exponent")]},
        defaults={**BY_STEP, "final": 0.0, "power": 0.9},
        check=_check_warmup,
        factor=lambda settings, place: _between(settings["final"], 1.0, (1 - place.done) ** settings["power"]),
    ),
)


def find_schedule(named: str | OwnCode) -> Schedule:
    """The entry of a schedule: of the table, or made for the user's own code.

    The user's own code is a function `f(step, **args)` of the step, from 0, that returns the learning rate of the step, not
    a factor. It is offered `steps`, `steps_per_epoch`, `epochs` and `lr`, the recipe's learning rate, where it has
    parameters of these names. It is called on the host before each step.

    Args:
        named: A name of the table, or own code.

    Raises:
        KeyError: There is no such name.
    """
    if isinstance(named, str):
        return SCHEDULES[named]
    return Schedule(name=named.python, words=str(named), factor=lambda settings, place: 1.0)
