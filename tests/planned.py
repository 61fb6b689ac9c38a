"""The trials of a study that is loaded, and what is printed of a plan."""

from __future__ import annotations

from typing import Any

from ablate.commands.plan_text import plan_lines
from ablate.study.plan import enumerate_variants
from ablate.study.study import Study, Trial


def plan_trials(study: Study) -> list[Trial]:
    """All trials, in the order of the variants and then of the seeds."""
    return [trial for variant in enumerate_variants(study).variants for trial in variant.trials(study.seeds)]


def plan_text(plan: dict[str, Any]) -> str:
    """The text that `ablate plan` prints.

    Args:
        plan: As returned by plan() of an experiment.
    """
    return "\n".join(plan_lines(plan))
