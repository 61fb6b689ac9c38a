"""The undocumented parts of Optuna that a search needs. No other module uses any. A test fails for those that are gone.

| name | why |
| --- | --- |
| `FrozenTrial._trial_id` | `optuna.Trial(study, trial_id)` continues the running trial of a driver that died |
| `FrozenTrial.system_attrs["fixed_params"]` | the values given to `enqueue_trial()`, before they are sampled |
| `Study._storage.set_trial_system_attr()` | clears the attributes of the next row |
| system attributes that begin with `gp:` | `GPSampler` writes its draws there, and avoids every such draw |
"""

from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import FrozenTrial

GP_DRAW = "gp:"


def continue_trial(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """A running trial, to report errors to and to suggest the parameters that it does not have yet.

    Args:
        study: Optuna's study of the search.
        trial: A running trial of the study.
    """
    return optuna.Trial(study, trial._trial_id)


def enqueued_params(trial: FrozenTrial) -> dict[str, Any]:
    """The parameters that a trial was enqueued with, by name; empty if it was not enqueued.

    Args:
        trial: A trial of Optuna.
    """
    return dict(trial.system_attrs.get("fixed_params", {}))


def forget_gp_draw(study: optuna.Study, trial: FrozenTrial) -> None:
    """Clear the draw that GPSampler made for a trial before an interruption, so that it draws the same values again.

    Without this, GPSampler would avoid the draw as if it belonged to another trial.

    Args:
        study: Optuna's study of the search.
        trial: The trial to be sampled again.
    """
    for key in trial.system_attrs:
        if key.startswith(GP_DRAW):
            study._storage.set_trial_system_attr(trial._trial_id, key, "")
