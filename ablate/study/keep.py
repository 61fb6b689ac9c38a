"""The key `keep` of a study file: what trials keep beside their results. Nothing of it changes a result or an id."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ablate.study.frozen import Frozen

MEGABYTE = 1_000_000


class Keep(Frozen):
    """What a trial keeps of its last epoch."""

    logits: Annotated[bool, Field(description="whether the logits of the last epoch are kept")] = True
    megabytes: Annotated[int, Field(ge=1, le=1000, description="logits of a trial that take more are not kept")] = 20
    weights: Annotated[
        Literal["tested", "both"],
        Field(description="both: also those of the weights themselves, where their moving average is tested"),
    ] = "tested"

    @property
    def most(self) -> int:
        """Bytes that the logits of a trial may have."""
        return self.megabytes * MEGABYTE if self.logits else 0
