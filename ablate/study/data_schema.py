"""The key `data` of a study file, as a pydantic model with the names of the tables."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Optional, Union

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, create_model

from ablate.data.augmentation_lists import read_augmentation
from ablate.data.data_sets import DATA_SETS, DataSet
from ablate.data.preprocessing import PREPROCESSING
from ablate.study.data import Data, Split
from ablate.study.tasks import CLASSIFICATION
from ablate.study.written_forms import Frozen, at_place, choice_of

# fields of Data that other keys of a study set
SET_BY_OTHERS = ("held_out", "measures", "decide_by", "also_test", "keep", "task")
NOT_WRITTEN = (*SET_BY_OTHERS, "own")  # fields of Data that a study file writes under other keys


def _read_augment(value: Any, info: ValidationInfo) -> Any:
    """The augmentation steps of a study file's value. The default image size is 32 pixels."""
    return read_augmentation(value, info.data.get("image_size") or 32)


def _read_split(value: Any) -> Any:
    """The split of a study file's value; a number is short for {test: number}."""
    return {"test": value} if isinstance(value, (int, float)) and not isinstance(value, bool) else value


AUGMENT = at_place("$defs/Augment")
STEPS = "a list of steps in order, such as [{crop: 4}, flip], or the name of one"


@lru_cache(maxsize=1)
def data_model() -> type[Data]:
    """Data with the names of the tables as allowed values."""
    explained = "; ".join(f"{entry.name}: {entry.explained}" for entry in PREPROCESSING.values() if entry.explained)
    copies: Any = Annotated[
        Optional[choice_of(published_data_sets(CLASSIFICATION))], Field(description="the data set that is copied")
    ]
    part: Any = Data.model_fields["split"].rebuild_annotation()
    drawn = BeforeValidator(_read_split, json_schema_input_type=Union[float, Split, None])
    fields: dict[str, Any] = {
        "name": (choice_of(DATA_SETS), ...),
        "preprocess": (Annotated[choice_of(PREPROCESSING), Field(description=explained)], ...),
        "augment": (Annotated[Any, BeforeValidator(_read_augment), Field(description=STEPS), AUGMENT], ...),
        "copy_of": (copies, None),
        "split": (Annotated[part, drawn, Field(description=Data.model_fields["split"].description)], None),
        "python": (Annotated[str | None, Field(description="own code that returns the images: module:function")], None),
        "args": (Annotated[dict[str, Any] | None, Field(description="of own code, by name; data.args.* are axes")], None),
    }
    return create_model("DataFields", __base__=Data, **fields)


def published_data_sets(task: str | None = None) -> dict[str, DataSet]:
    """The data sets that published tables can have a column for, by name.

    Args:
        task: That their labels are for; None: any.
    """
    return {name: entry for name, entry in DATA_SETS.items() if entry.published and task in (None, entry.task)}


def optional(title: str, model: type[BaseModel], **fields: Any) -> type[BaseModel]:
    """A model of the same fields, all of them optional, without those that a study file does not write.

    Args:
        title: The name of the model.
        model: With the fields.
        fields: Those that are other than in the model, as for create_model().
    """
    for key, info in model.model_fields.items():
        if key not in NOT_WRITTEN:
            annotation: Any = Annotated[Union[info.rebuild_annotation(), None], Field(description=info.description)]
            fields.setdefault(key, (annotation, None))
    return create_model(title, __base__=Frozen, **fields)


@lru_cache(maxsize=1)
def protocol_data_model() -> type[BaseModel]:
    """The fields of Data, as far as they are known of a published value."""
    return optional("ProtocolData", data_model())
