"""The mapping under `seeds`: each comparison gets seeds until it is decided."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from ablate.statistics.sequential import MOST, Rule
from ablate.study.document import Document
from ablate.study.validation import validate
from ablate.study.written_forms import Frozen

PLACE = ("seeds",)
_FIELDS: dict[str, Any] = {  # `from` is a keyword of Python
    "from": (Annotated[int, Field(ge=2, le=MOST, description="the number of seeds at the first comparison")], 4),
    "to": (Annotated[int, Field(ge=2, le=MOST, examples=[20], description="the most seeds")], ...),
    "until": (
        Annotated[Literal["decided"], Field(examples=["decided"], description="each comparison is followed on its own")],
        ...,
    ),
    "alpha": (Annotated[float, Field(gt=0, le=0.5, description="the chance of a false verdict, over all looks")], 0.05),
    "smallest_difference": (
        Annotated[
            float | None,
            Field(
                gt=0,
                description="the smallest that matters, in the measure's unit; without it nothing is called equivalent",
            ),
        ],
        None,
    ),
}
UntilFile: type[BaseModel] = create_model(
    "UntilFile",
    __base__=Frozen,
    __doc__="Every comparison with the baseline gets one seed after the other until it is decided.",
    **_FIELDS,
)


def read_until(document: Document, seeds: dict[str, Any], baseline: bool, search: bool) -> Rule:
    """The rule that the mapping under `seeds` states, checked.

    Args:
        document: The study file's values and their places.
        seeds: The mapping.
        baseline: Whether the study has a baseline, or a design that may have one.
        search: Whether the study is a search.

    Raises:
        StudyError: The mapping is not valid here; the message names the place.
    """
    file = validate(document, UntilFile, PLACE, seeds).model_dump()
    if search:
        document.fail((*PLACE, "until"), "seeds.until is not valid in a study with 'search'; use a number of seeds")
    if not baseline:
        document.fail((*PLACE, "until"), "seeds.until needs 'baseline', which the variants are compared with")
    if file["to"] < file["from"]:
        document.fail((*PLACE, "to"), f"seeds.to: found {file['to']}; allowed: {file['from']} (seeds.from) or more")
    margin = file["smallest_difference"]
    return Rule(file["from"], file["to"], file["alpha"], None if margin is None else float(margin))
