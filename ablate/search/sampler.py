"""Optuna's samplers by the names that a study uses, and what keeps every candidate within the budget."""

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
from ablate.study.study import Search

Check = Callable[[dict[str, Any]], object]  # raises AblateError for values of axes that cannot be
TRIES = {"gp": 3, "cmaes": 3}  # times that a sampler is asked for a candidate within the budget; the others: 20
DRAWS = 10_000  # times that one is then drawn at random
ALIKE = 50  # candidates, all of which are refused with the same words, say enough


def make_sampler(search: Search, seed: int) -> BaseSampler:
    """Optuna's sampler of a search. A grid's candidates are all enqueued, so what it would sample does not matter."""
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


class Feasible(BaseSampler):
    """A sampler whose candidates can all be: the network exists, meets the budget, and `where` holds.

    Optuna's own constraints are soft: a candidate that breaks one is tried, and then avoided. Here a candidate is drawn
    whole before Optuna knows of it, and drawn again until it can be; counting a network takes less than a millisecond.
    Draws for candidate number n come from a generator seeded by (seed, n), so a search that goes on after a break
    samples what it would have sampled without it.
    """

    def __init__(self, search: Search, check: Check) -> None:
        self.search = search
        self.check = check
        self.space = all_distributions(search)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        fixed = trial.system_attrs.get("fixed_params", {})
        if _is_whole(self.search, there := {**fixed, **trial.params}):
            return there
        found = self._sample(study, trial, fixed)
        if trial.params.items() <= found.items():  # a break came while these were being written
            return found
        return self._sample(study, trial, there)  # other candidates have ended since

    def _sample(self, study: optuna.Study, trial: FrozenTrial, fixed: dict[str, Any]) -> dict[str, Any]:
        seed = derive_seed(self.search.seed, trial.number)
        for written in (key for key in trial.system_attrs if key.startswith("gp:")):
            study._storage.set_trial_system_attr(trial._trial_id, written, "")  # else it keeps away from its own draw
        sampler = make_sampler(self.search, seed)
        sampler.before_trial(study, trial)
        for _ in range(TRIES.get(self.search.sampler, 20)):
            space = sampler.infer_relative_search_space(study, trial)
            found = {**sampler.sample_relative(study, trial, space), **fixed}
            sample = partial(sampler.sample_independent, study, trial)
            if _completed(self.search, self.check, found, sample) is None:
                return found
        return draw_params(self.search, self.check, seed, fixed)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise AssertionError(f"{param_name} was sampled with the others")


def draw_params(search: Search, check: Check, seed: int, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Optuna's parameters of a candidate that can be, drawn at random but for the fixed. Raises StudyError."""
    random = np.random.RandomState(seed)
    reason: AblateError | None = None
    refused: Counter[str] = Counter()
    for _ in range(DRAWS):
        found = dict(fixed)
        if (reason := _completed(search, check, found, lambda _, distribution: _draw(distribution, random))) is None:
            return found
        refused[str(reason)] += 1
        if refused.most_common(1)[0][1] == ALIKE == refused.total():
            raise reason  # it is not for their values
    place = search.parameters[0].place
    raise StudyError(f"{place}: search.space: none of {DRAWS:,} candidates can be; the last: {reason}")


def draw_values(search: Search, check: Check, seed: int = 0) -> dict[str, Any]:
    """The values of a candidate that can be, drawn at random. Raises StudyError."""
    params = draw_params(search, check, seed, {})
    return pick_values(search, lambda name, _: params[name])


def check_enqueued(search: Search, check: Check) -> None:
    """Raises StudyError for a candidate that is enqueued and cannot be."""
    for values in search.enqueue:
        try:
            draw_params(search, check, 0, optuna_params(search, values))
        except StudyError as error:
            raise StudyError(f"search.enqueue: {values}: {error}") from None


def _draw(distribution: BaseDistribution, random: np.random.RandomState) -> Any:
    return RandomSampler(seed=random.randint(2**31)).sample_independent(None, None, "", distribution)  # type: ignore[arg-type]


def _completed(search: Search, check: Check, found: dict[str, Any], sample: Pick) -> AblateError | None:
    """Samples what is missing of a candidate's parameters; why it cannot be, if it cannot."""

    def pick(name: str, distribution: BaseDistribution) -> Any:
        if name not in found:
            found[name] = sample(name, distribution)
        return found[name]

    try:
        check(pick_values(search, pick))
    except AblateError as error:
        return error
    return None


def _is_whole(search: Search, params: Mapping[str, Any]) -> bool:
    """Whether these are all the parameters of a candidate."""
    try:
        pick_values(search, lambda name, _: params[name])
    except KeyError:
        return False
    return True


def derive_seed(seed: int, number: int) -> int:
    """The seed of what is drawn for one candidate."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4], "big")
