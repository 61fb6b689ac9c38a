"""Every undocumented part of Optuna that a search uses is there, and works as is said of it."""

from __future__ import annotations

import re
from pathlib import Path

import optuna
import pytest
from optuna.samplers import GPSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

import ablate.search
from ablate.search.optuna_internals import GP_DRAW, continue_trial, enqueued_params, forget_gp_draw

SPACE = {"x": optuna.distributions.FloatDistribution(0.0, 1.0)}


def gone(name: str) -> str:
    return f"Optuna {optuna.__version__} has no {name}, or another one: see ablate/search/optuna_internals.py"


@pytest.fixture
def study() -> optuna.Study:
    study = optuna.create_study(sampler=GPSampler(seed=0, n_startup_trials=2))
    for x in (0.2, 0.6):
        study.add_trial(create_trial(params={"x": x}, distributions=SPACE, value=x))
    return study


def last(study: optuna.Study) -> FrozenTrial:
    return study.get_trials()[-1]


def test_a_running_trial_can_be_continued(study: optuna.Study) -> None:
    study.add_trial(create_trial(state=TrialState.RUNNING, params={"x": 0.5}, distributions=SPACE))
    assert hasattr(last(study), "_trial_id"), gone("FrozenTrial._trial_id")
    continued = continue_trial(study, last(study))
    assert (continued.number, continued.suggest_float("x", 0.0, 1.0)) == (2, 0.5), gone("optuna.Trial(study, trial_id)")
    continued.report(0.1, 0)
    study.tell(continued, 0.1)
    assert (last(study).intermediate_values, last(study).value) == ({0: 0.1}, 0.1)


def test_the_parameters_of_an_enqueued_trial_are_known_before_they_are_sampled(study: optuna.Study) -> None:
    study.enqueue_trial({"x": 0.3})
    assert enqueued_params(last(study)) == {"x": 0.3}, gone('FrozenTrial.system_attrs["fixed_params"]')
    assert enqueued_params(study.get_trials()[0]) == {}


def test_what_the_gp_sampler_drew_is_forgotten(study: optuna.Study) -> None:
    study.ask(SPACE)
    drawn = [key for key in last(study).system_attrs if key.startswith(GP_DRAW)]
    assert drawn, gone(f"system attribute {GP_DRAW}* of GPSampler")
    assert hasattr(study, "_storage") and hasattr(study._storage, "set_trial_system_attr"), gone("Study._storage")
    forget_gp_draw(study, last(study))
    assert not any(last(study).system_attrs[key] for key in drawn)


def test_no_other_module_uses_them() -> None:
    name = re.compile(r"\._(trial_id|study_id|storage|thread_local|cached\w+)\b|system_attr|from optuna\S*\._")
    sources = {path.name: path.read_text() for path in Path(ablate.search.__file__).parent.glob("*.py")}
    assert [file for file, text in sources.items() if name.search(text)] == ["optuna_internals.py"]
