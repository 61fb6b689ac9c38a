"""The table of learning rate schedules. A package adds one by an entry point in the group `ablate.schedules`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ablate.registry import Kind, Registry, Settings

Fraction = Annotated[float, Field(gt=0, lt=1)]


def never(settings: Settings, epoch: int, epochs: int) -> bool:
    """False: the `discards_momentum` of a schedule that keeps the momentum.

    Args:
        settings: The values of the schedule's fields, not read.
        epoch: The epoch, from 1, not read.
        epochs: The number of epochs, not read.
    """
    return False


@dataclass(frozen=True, eq=False, kw_only=True)
class Schedule(Kind):
    """A learning rate schedule that a recipe can name: pure functions of (settings, epoch from 1, number of epochs).

    Args:
        factor: The factor on the recipe's learning rate in an epoch.
        discards_momentum: Whether the optimizer's state is set to zero at the start of an epoch.
    """

    factor: Callable[[Settings, int, int], float]
    discards_momentum: Callable[[Settings, int, int], bool] = never


def drop_epochs(settings: Settings, epochs: int) -> tuple[int, ...]:
    """The epochs, from 1, at the start of which the learning rate drops; never the first.

    Example: 60, 120 and 160 of 200 epochs for milestones 0.3, 0.6 and 0.8.

    Args:
        settings: The values of the schedule's fields; `milestones` are fractions of the epochs.
        epochs: The number of epochs.

    Source: WRN, section 3, and the authors' code.
    """
    return tuple(max(2, math.ceil(fraction * epochs - 1e-9)) for fraction in settings["milestones"])


def _step_factor(settings: Settings, epoch: int, epochs: int) -> float:
    """The factor on the learning rate: `drop` for each milestone that has been reached."""
    factor: float = settings["drop"] ** sum(epoch >= start for start in drop_epochs(settings, epochs))
    return factor


def _step_discards(settings: Settings, epoch: int, epochs: int) -> bool:
    """Whether the momentum is discarded: at each drop, if the recipe says so."""
    return settings["momentum_at_drop"] == "discard" and epoch in drop_epochs(settings, epochs)


def _check_step(settings: Settings) -> str:
    """The error in the settings of the step schedule; "" if there is none."""
    milestones = list(settings["milestones"])
    return "" if milestones == sorted(set(milestones)) else "milestones must increase"


SCHEDULES = Registry(
    "ablate.schedules",
    Schedule,
    Schedule(
        name="step",
        words="steps",
        fields={
            "milestones": Annotated[tuple[Fraction, ...], Field(max_length=100, description="fractions of the epochs")],
            "drop": Annotated[float, Field(gt=0, le=1, description="factor on the learning rate at each milestone")],
            "momentum_at_drop": Literal["keep", "discard"],
        },
        check=_check_step,
        factor=_step_factor,
        discards_momentum=_step_discards,
    ),
)
