"""The trials of a study that is loaded."""

from __future__ import annotations

from ablate.study.plan import enumerate_variants
from ablate.study.study import Study, Trial


def plan_trials(study: Study) -> list[Trial]:
    """All trials, in the order of the variants and then of the seeds."""
    return [trial for variant in enumerate_variants(study).variants for trial in variant.trials(study.seeds)]
