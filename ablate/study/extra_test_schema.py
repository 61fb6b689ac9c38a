"""The key `also_test` of a study file, as a pydantic model."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from ablate.data.corruptions import CORRUPTIONS
from ablate.study.frozen import Frozen


class ExtraTestFile(Frozen):
    """A further set of test images: corrupted copies of the test images, or the test images of other data."""

    title: Annotated[str, Field(max_length=40, description="in tables; by default of the corruption or the data")] = ""
    corruption: Annotated[
        str | None,
        Field(description="copies of the test images with it"),
        WithJsonSchema({"enum": list(CORRUPTIONS), "type": "string"}),
    ] = None
    severity: Annotated[int, Field(ge=1, le=5, description="of the corruption")] = 3
    seed: Annotated[int, Field(ge=0, lt=2**31, description="of the corruption's draws, the same for all trials")] = 0
    data: Annotated[
        Any,
        Field(description="other images with the same classes, such as {name: image_folder, root: DIR}"),
        WithJsonSchema({"type": "object"}),
    ] = None
