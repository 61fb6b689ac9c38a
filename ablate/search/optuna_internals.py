"""The undocumented parts of Optuna that a search needs. No other module uses any; a test names those that are gone.

| name | why |
| --- | --- |
| `FrozenTrial._trial_id` | `optuna.Trial(study, trial_id)` continues the running trial of a driver that died |
| `FrozenTrial.system_attrs["fixed_params"]` | the values given to `enqueue_trial()`, before they are sampled |
| `Study._storage.set_trial_system_attr()` | clears the next one |
| system attributes that begin with `gp:` | `GPSampler` writes its draws there, and avoids every such draw |
"""

from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import FrozenTrial

GP_DRAW = "gp:"


def continue_trial(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """A running trial of a study, to report to and to suggest the parameters of that it does not have yet."""
    return optuna.Trial(study, trial._trial_id)


def enqueued_params(trial: FrozenTrial) -> dict[str, Any]:
    """The parameters that a trial was enqueued with; empty if it was not enqueued."""
    return dict(trial.system_attrs.get("fixed_params", {}))


def forget_gp_draw(study: optuna.Study, trial: FrozenTrial) -> None:
    """Clears what GPSampler drew for a trial before a break, so that it draws the same again.

    Otherwise it avoids that draw as if it were of another trial.
    """
    for key in trial.system_attrs:
        if key.startswith(GP_DRAW):
            study._storage.set_trial_system_attr(trial._trial_id, key, "")
