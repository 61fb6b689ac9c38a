"""The types of the values in result.json. Any field but `status` may be missing, and unknown fields are allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ablate.errors import UNPRINTABLE

TEST, VALIDATION = "test_", "validation_"  # prefixes of measured fields, by the images that were evaluated
FINAL = "final_test_"  # in a record that is read, of a trial that holds out images: its one evaluation of the test images
CODE = "measure_code"  # digests of the user's own measures that were taken after each epoch, by name
CLASSIFICATION = "classification"  # the task of a record that names none
OWN = ""  # a program's trial: its measures have names of their own, which are the same everywhere


def renamed(fields: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """The same fields in the same order, with the prefixes of measured fields as in a file or as in a record that is read.

    Fields of the evaluation begin with TEST in a record that is read. In the files of a trial that holds out images they
    begin with VALIDATION; its one evaluation of the test images begins with TEST there, and with FINAL in a record that is
    read.

    Args:
        fields: Values by name.
        old: The prefix of the evaluation in `fields`: TEST or VALIDATION.
        new: The prefix in the result. OWN for either: the names stay.
    """
    if old == new or OWN in (old, new):
        return dict(fields)
    prefixes = {old: new, **({FINAL: TEST} if new == VALIDATION else {TEST: FINAL})}
    return {_renamed(key, prefixes): value for key, value in fields.items()}


def _renamed(key: str, prefixes: Mapping[str, str]) -> str:
    return next((f"{new}{key.removeprefix(old)}" for old, new in prefixes.items() if key.startswith(old)), key)


def _is_printable(text: str) -> str:
    if UNPRINTABLE.search(text):
        raise ValueError("not printable")
    return text


Text = Annotated[str, AfterValidator(_is_printable)]


Count = Annotated[int, Field(ge=0)]


class Provenance(BaseModel):
    """The software and hardware that trained a trial.

    Args:
        ablate: The version of ablate.
        revision: The revision of the source code; None in a release.
        python: The version of Python.
        torch: The version of torch.
        device: The name of the device.
        threads: How many CPU threads torch used.
        started: The time in ISO 8601.
        finished: The time in ISO 8601.
    """

    model_config = ConfigDict(strict=True)

    ablate: Text = ""
    revision: Text | None = None
    python: Text = ""
    torch: Text = ""
    device: Text = ""
    threads: int = 1
    started: Text = ""
    finished: Text = ""


def _check_numbers(fields: Mapping[str, Any] | None, prefixes: tuple[str, ...] = ("",)) -> None:
    """Check that the fields with these prefixes are numbers or null."""
    for key, value in (fields or {}).items():
        if key.startswith(prefixes) and not (value is None or type(value) in (int, float)):
            raise PydanticCustomError("measure", "{key} is no number", {"key": key, "found": value})


class Result(BaseModel):
    """The outcome of a trial: errors in percent, losses in nats, times in seconds. A diverged trial has no test error.

    Other measures of the trial are extra fields: numbers, or null where the trial diverged.

    Args:
        status: "completed" or "diverged".
        task: What the network is trained for.
        test_error: At the last epoch; required of a completed trial of classification.
        test_loss: At the last epoch.
        train_error: At the last epoch.
        train_loss: At the last epoch.
        best_test_error: The lowest of all epochs.
        epochs: How many were trained.
        planned_epochs: Of an imported training: how many it was to have, where that is known.
        train_seconds: Of all epochs.
        test_seconds: Of all epochs.
        train_images: How many images an epoch trains on.
        test_images: How many images are evaluated.
        image_files: By part and class, how many images of the data set were read (the key "read") and how many files were
            skipped (by reason). None where images are not in class folders.
        test_images_in_training: How many of the evaluated images have the pixels of a training image; None where images are
            streamed.
        data_digest: A digest of the images.
        normalized_code: By the digest of user-defined code in trial.json, the digest that does not change with comments,
            docstrings and formatting.
        provenance: Of the last attempt.
        earlier_attempts: The provenance of the attempts that were interrupted.
    """

    model_config = ConfigDict(strict=True, extra="allow")

    status: Literal["completed", "diverged"]
    task: Text = CLASSIFICATION
    test_error: Annotated[Any, Field(validate_default=True)] = None
    test_loss: float | None = None
    train_error: float | None = None
    train_loss: float | None = None
    best_test_error: float | None = None
    epochs: int = 0
    planned_epochs: float | None = None
    train_seconds: float = 0.0
    test_seconds: float = 0.0
    train_images: int = 0
    test_images: int = 0
    image_files: dict[Text, dict[Text, dict[Text, Count]]] | None = None
    test_images_in_training: Count | None = None
    data_digest: Text = ""
    normalized_code: dict[Text, Text] = {}
    provenance: Provenance = Provenance()
    earlier_attempts: list[Provenance] = []

    @model_validator(mode="before")
    @classmethod
    def _imported_may_lack(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Leave out the null values of an imported training. They mean that a value is not known."""
        return {key: value for key, value in fields.items() if value is not None} if "imported" in fields else fields

    @model_validator(mode="after")
    def _measures_are_numbers(self) -> Result:
        """Check that other measures are numbers or null."""
        _check_numbers(self.model_extra, (TEST, VALIDATION, "train_"))
        return self

    @field_validator("test_error", mode="after")
    @classmethod
    def _percentage(cls, error: Any, info: ValidationInfo) -> Any:
        """Check that a completed trial of classification has a test error from 0 to 100."""
        if error is None and info.data.get("task") != CLASSIFICATION:
            return None
        if info.data.get("status") == "completed" and not (isinstance(error, (int, float)) and 0 <= error <= 100):
            raise ValueError("a percentage")
        return error


class HeldOutResult(Result):
    """The outcome of a trial that is evaluated on held-out images: names begin with VALIDATION instead of TEST.

    Fields that begin with TEST are of its one evaluation of the test images, after the last epoch, if it has one.
    """

    model_config = ConfigDict(alias_generator=lambda name: next(iter(renamed({name: None}, TEST, VALIDATION))))

    @model_validator(mode="after")
    def _test_error_is_a_percentage(self) -> HeldOutResult:
        """Check the error of the one evaluation of the test images."""
        error = (self.model_extra or {}).get(f"{TEST}error")
        if error is not None and not 0 <= error <= 100:
            raise PydanticCustomError("measure", "{key} is no percentage", {"key": f"{TEST}error", "found": error})
        return self


class ProgramResult(BaseModel):
    """The outcome of a program's trial. Its measures are extra fields: numbers, or null where they are not finite.

    Args:
        status: "completed", or "diverged" if the measure that decides is not finite.
        epochs: How many epochs it reported.
        seconds: That its epochs took.
        provenance: Of the last attempt.
    """

    model_config = ConfigDict(strict=True, extra="allow")

    status: Literal["completed", "diverged"]
    epochs: Count
    seconds: float = 0.0
    provenance: Provenance = Provenance()

    @model_validator(mode="after")
    def _measures_are_numbers(self) -> ProgramResult:
        """Check that measures are numbers or null."""
        _check_numbers(self.model_extra)
        return self


MODELS: dict[str, type[BaseModel]] = {TEST: Result, VALIDATION: HeldOutResult, OWN: ProgramResult}


def check_result(result: Mapping[str, Any], measured: str) -> str:
    """The error in the values of a result.json, in words; "" if there is none.

    Args:
        result: The fields under their names in the file.
        measured: The prefix of measured fields: TEST, VALIDATION or OWN.
    """
    try:
        MODELS[measured].model_validate(result)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "measure":
            return f"{first['ctx']['key']}: found {first['ctx']['found']!r}; remove it and run again"
        found = None if first["type"] == "missing" else first["input"]
        # pydantic names a missing field as in the model, and any other field as in the file.
        (key,) = renamed({".".join(map(str, first["loc"])): None}, TEST, measured)
        allowed = {"status": "completed, diverged", f"{measured}error": "a percentage"}.get(key)
        remedy = f"allowed: {allowed}" if allowed else "remove it and run again"
        return f"{key}: found {found!r}; {remedy}"
    return ""


def recorded_classes(result: Mapping[str, Any], classes: int) -> list[str]:
    """The name of each class in order, of images in class folders; empty if the record does not say them.

    Args:
        result: The fields of a record.
        classes: How many there are.
    """
    for counts in (result.get("image_files") or {}).values():
        names = sorted(name for name, files in counts.items() if files.get("read"))
        if len(names) == classes:
            return names
    return []
