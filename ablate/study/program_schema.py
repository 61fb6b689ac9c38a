"""The keys of a study file for a training program, as pydantic models."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ablate.study.design_schema import DESIGNS
from ablate.study.written_forms import Frozen

BY_AXES = ("grid", "zip", "one_at_a_time")
EXPANSIONS = (*BY_AXES, *DESIGNS)  # one of them in each item of `variants`
ENTRY_KEYS = (*EXPANSIONS, "label")


class ProgramFile(Frozen):
    """A training program of the reader's own. A trial is one run of its command."""

    command: Annotated[
        str,
        Field(
            min_length=1,
            max_length=10_000,
            examples=["python train.py {lr} {seed}"],
            description="split into words without a shell; {lr}: the value of the axis lr; also {seed}; {trial}: a folder",
        ),
    ]
    files: Annotated[
        list[str],
        Field(
            default_factory=list,
            max_length=1000,
            description="paths from the study's folder, such as src/*.py; the files' contents are part of the id",
        ),
    ]
    epochs: Annotated[int | None, Field(ge=1, le=100_000_000, description="how many it trains; also a placeholder")] = None
    timeout: Annotated[float | None, Field(gt=0, description="seconds that an attempt may take")] = None
    silence: Annotated[float, Field(gt=0, description="seconds without output after which it counts as hung")] = 3600
