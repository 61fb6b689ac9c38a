"""Optuna's samplers by the names that a study uses, and a sampler around them that draws feasible candidates only."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from ablate.errors import AblateError, StudyError
from ablate.search.distributions import Pick, all_distributions, optuna_params, pick_values
from ablate.search.optuna_internals import enqueued_params, forget_gp_draw
from ablate.study.axis_text import values_text
from ablate.study.search import Search

CheckValues = Callable[[dict[str, Any]], object]  # raises AblateError if no candidate can have these values of axes
TRIES = {"gp": 3, "cmaes": 3}  # draws of one candidate from a sampler; other samplers: 20 draws
DRAWS = 10_000  # random draws of the candidate after that
ALIKE = 50  # drawing ends when the first candidates, this many, are refused for one reason


def make_sampler(search: Search, seed: int) -> BaseSampler:
    """Optuna's sampler of a search. For a grid any sampler will do, because all its candidates are enqueued.

    Args:
        search: The search.
        seed: Of the sampler's random numbers.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match search.sampler:
            case "tpe":
                group = any(parameter.when or parameter.kind == "kernels" for parameter in search.parameters)
                return TPESampler(seed=seed, constant_liar=True, group=group, multivariate=group or None)
            case "gp":
                return GPSampler(seed=seed, warn_independent_sampling=False)
            case "cmaes":
                return CmaEsSampler(seed=seed, warn_independent_sampling=False)
            case _:
                return RandomSampler(seed=seed)


class FeasibleSampler(BaseSampler):
    """A sampler of feasible candidates: the network exists, meets the budget, and fulfills the study's `where`.

    Optuna's constraints are soft: a candidate that violates one is evaluated, and later candidates avoid it. Here all
    values of a candidate are drawn before Optuna receives any of them, and drawn again until the candidate is feasible.
    Counting a network takes less than a millisecond. The random numbers of candidate n are seeded by (seed, n), so a search
    that continues after an interruption samples the same values as an uninterrupted one.

    Args:
        search: The search.
        check: Raises AblateError for values that no candidate can have.
    """

    def __init__(self, search: Search, check: CheckValues) -> None:
        self.search = search
        self.check = check
        self.space = all_distributions(search)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The distributions of all parameters by name, the same for every trial."""
        return self.space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """All parameters of a trial by name, drawn together.

        Args:
            study: Optuna's study of the search.
            trial: The trial to be sampled. Enqueued parameters, and those drawn before an interruption, are kept.
            search_space: The distributions by parameter; not used, because `check` decides on all parameters together.

        Raises:
            StudyError: No feasible candidate was found.
        """
        fixed = enqueued_params(trial)
        if _is_complete(self.search, known := {**fixed, **trial.params}):
            return known
        found = self._sample(study, trial, fixed)
        if trial.params.items() <= found.items():  # the interruption came while these were written
            return found
        return self._sample(study, trial, known)  # other candidates have ended since, so the sampler draws other values

    def _sample(self, study: optuna.Study, trial: FrozenTrial, fixed: dict[str, Any]) -> dict[str, Any]:
        """All parameters of a feasible candidate, the fixed ones included."""
        seed = _derive_seed(self.search.seed, trial.number)
        forget_gp_draw(study, trial)
        sampler = make_sampler(self.search, seed)
        sampler.before_trial(study, trial)
        for _ in range(TRIES.get(self.search.sampler, 20)):
            space = sampler.infer_relative_search_space(study, trial)
            found = {**sampler.sample_relative(study, trial, space), **fixed}
            sample = partial(sampler.sample_independent, study, trial)
            if _complete(self.search, self.check, found, sample) is None:
                return found
        return draw_params(self.search, self.check, seed, fixed)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Always fails, because sample_relative() draws all parameters."""
        raise AssertionError(f"{param_name} was sampled with the others")


def draw_params(search: Search, check: CheckValues, seed: int, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Optuna's parameters of a feasible candidate, drawn at random.

    Args:
        search: The search.
        check: Raises AblateError for values that no candidate can have.
        seed: Of the random numbers.
        fixed: Parameters that are not drawn, by name.

    Raises:
        StudyError: None of DRAWS candidates is feasible.
        AblateError: The first ALIKE candidates were all refused for this reason.
    """
    random = np.random.RandomState(seed)
    reason: AblateError | None = None
    refused: Counter[str] = Counter()
    for _ in range(DRAWS):
        found = dict(fixed)
        if (reason := _complete(search, check, found, lambda _, distribution: _draw(distribution, random))) is None:
            return found
        refused[str(reason)] += 1
        if refused.most_common(1)[0][1] == ALIKE == refused.total():
            raise reason  # the reason does not depend on the values
    place = search.parameters[0].place
    raise StudyError(f"{place}: search.space: none of {DRAWS:,} candidates is feasible; the last: {reason}")


def draw_values(search: Search, check: CheckValues, seed: int = 0) -> dict[str, Any]:
    """The values by axis of a feasible candidate, drawn at random.

    Args:
        search: The search.
        check: Raises AblateError for values that no candidate can have.
        seed: Of the random numbers.

    Raises:
        StudyError: No feasible candidate was found.
    """
    params = draw_params(search, check, seed, {})
    return pick_values(search, lambda name, _: params[name])


def check_enqueued(search: Search, check: CheckValues) -> None:
    """Check that every candidate which the study enqueues is feasible.

    Args:
        search: The search.
        check: Raises AblateError for values that no candidate can have.

    Raises:
        StudyError: A candidate is not feasible.
    """
    for values in search.enqueue:
        try:
            draw_params(search, check, 0, optuna_params(search, values))
        except StudyError as error:
            raise StudyError(f"enqueue: {values_text(values)}: {error}") from None


def _draw(distribution: BaseDistribution, random: np.random.RandomState) -> Any:
    """A random value of one distribution."""
    return RandomSampler(seed=random.randint(2**31)).sample_independent(None, None, "", distribution)  # type: ignore[arg-type]


def _complete(search: Search, check: CheckValues, found: dict[str, Any], sample: Pick) -> AblateError | None:
    """Sample the missing parameters of a candidate into `found`. Return why it is not feasible, or None."""

    def pick(name: str, distribution: BaseDistribution) -> Any:
        if name not in found:
            found[name] = sample(name, distribution)
        return found[name]

    try:
        check(pick_values(search, pick))
    except AblateError as error:
        return error
    return None


def _is_complete(search: Search, params: Mapping[str, Any]) -> bool:
    """Whether these are all parameters of a candidate."""
    try:
        pick_values(search, lambda name, _: params[name])
    except KeyError:
        return False
    return True


def _derive_seed(seed: int, number: int) -> int:
    """The seed of one candidate, 0 to 2^32 - 1."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4], "big")
