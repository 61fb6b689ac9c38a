"""The key `also_test` of a study file -> further sets of test images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from ablate.data.corruptions import CORRUPTIONS
from ablate.errors import allowed, describe
from ablate.study.data import Data, ExtraTest
from ablate.study.document import Document
from ablate.study.resolve import read_data
from ablate.study.written_forms import Frozen


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


def read_extra_tests(document: Document, files: Sequence[ExtraTestFile], used: Data) -> tuple[ExtraTest, ...]:
    """The further sets of test images of a study. Whether they go with the images of a variant is checked where it is made.

    Args:
        document: The study file's values and their places.
        files: As checked.
        used: The first data set of the study.

    Raises:
        StudyError: A set cannot be used, or two have one name; the message names the place.
    """
    found: list[ExtraTest] = []
    for i, file in enumerate(files):
        path = ("also_test", i)
        if (file.corruption is None) == (file.data is None):
            document.fail(path, "also_test: needs corruption or data; give one of them")
        one = _corrupted(document, path, file) if file.corruption else _other(document, path, file, used)
        if any(other.column == one.column for other in found):
            document.fail(path, f"also_test: '{one.title}' is listed twice; give each a title of its own")
        found.append(one)
    return tuple(found)


def _corrupted(document: Document, path: tuple[Any, ...], file: ExtraTestFile) -> ExtraTest:
    """Corrupted copies of the test images."""
    name = str(file.corruption)
    if name not in CORRUPTIONS:
        document.fail((*path, "corruption"), f"also_test.corruption: found {describe(name)}; {allowed(name, CORRUPTIONS)}")
    words = CORRUPTIONS[name].words
    title = file.title or f"{words[:1].upper()}{words[1:]}, {file.severity}"
    return ExtraTest(title=title, corruption=name, severity=file.severity, seed=file.seed)


def _other(document: Document, path: tuple[Any, ...], file: ExtraTestFile, used: Data) -> ExtraTest:
    """The test images of other data. They are preprocessed as those of the study's data."""
    written = {"name": file.data} if isinstance(file.data, str) else file.data
    if not isinstance(written, dict):
        document.fail((*path, "data"), f"also_test.data: found {describe(file.data)}; allowed: a mapping, as `data`")
    (data,) = read_data(document, (*path, "data"), written)
    data = data.model_copy(update={"preprocess": used.preprocess, "augment": used.augment})
    return ExtraTest(title=file.title or data.title, data=data)
