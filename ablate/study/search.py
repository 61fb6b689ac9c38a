"""The frozen values of a search, and of the search that each variant of a study with `tune` is given."""

from __future__ import annotations

import statistics
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from ablate.study.data import HeldOut
from ablate.study.decision import CostName


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
        also_minimize: The names of further objectives; empty for none.
        trials: How many candidates; each is trained on every fold with every seed.
        sampler: How candidates are chosen.
        pruner: How unpromising candidates are stopped.
        seed: Of the sampler.
        enqueue: The first candidates, as values of the axes.
        digest: A hash of everything in the study that the search depends on, except `trials`.
        former_digest: That of such a search when the default objective was the median; empty if the study states one.
    """

    base: Any
    parameters: tuple[Parameter, ...]
    held_out: tuple[HeldOut, ...]
    objective: str
    also_minimize: tuple[CostName, ...]
    trials: int
    sampler: Literal["tpe", "gp", "random", "grid", "cmaes"]
    pruner: Literal["none", "wilcoxon", "median", "hyperband"]
    seed: int
    enqueue: tuple[dict[str, Any], ...]
    digest: str
    former_digest: str = ""

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
class Tune:
    """The search that every variant of a study is given before its seeds are trained.

    Args:
        search: The space and how candidates are chosen. `held_out` is empty for a program, and where a tenth of the
            training images is held out; `enqueue` lacks the first candidate, which is the variant's own values.
        seeds: Of a candidate's trainings.
        decide_by: The measure of a program that chooses; "" for networks.
        also_untuned: Whether each variant is also trained at its own values.
    """

    search: Search
    seeds: tuple[int, ...]
    decide_by: str = ""
    also_untuned: bool = False
