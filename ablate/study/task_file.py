"""The `task` of a study file -> ChosenTask, with what data, recipe and other keys must be for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ablate.errors import describe
from ablate.files import expand
from ablate.study.data import Data
from ablate.study.document import Document
from ablate.study.recipe import Recipe
from ablate.study.tasks import CLASSIFICATION, TASKS, ChosenTask


def read_task(document: Document, written: dict[str, Any]) -> ChosenTask:
    """The task of a study, with its settings.

    Args:
        document: The study file's values and their places.
        written: The checked fields that the study gives, with `name`.

    Raises:
        StudyError: A setting is not of this task, or a key of the study has no meaning for it; the message names the place.
    """
    task = TASKS[written.get("name", CLASSIFICATION)]
    for key in written:
        if key != "name" and key not in task.fields:
            document.fail(("task", key), f"task.{key} is not valid for {task.name}; leave it out")
    for key in task.unused:
        if document.value.get(key) is not None:
            document.fail((key,), f"'{key}' is not valid with task: {task.name}; leave it out")
    changed = {key: value for key, value in written.items() if key != "name" and value != task.defaults.get(key)}
    if weights := changed.get("weights"):
        changed["weights"] = str(Path(document.name).parent / expand(weights))
    return ChosenTask(name=task.name, changed=tuple(sorted(changed.items())))


def task_objection(task: ChosenTask, recipe: Recipe, data: Data) -> tuple[tuple[str, str], str]:
    """(place in the study, what is wrong) if recipe or data do not fit a task; ("", "") and "" if they do.

    Args:
        task: Of the study.
        recipe: Of a variant.
        data: Of a variant.
    """
    entry = task.entry
    if data.data_set.task != task.name:
        need = f"add task: {data.data_set.task}" if data.data_set.task != CLASSIFICATION else "leave task out"
        return ("data", "name"), f"data: {data.name} is for {data.data_set.task}, not for {task.name}; {need}"
    for key in entry.unused:
        if key in recipe.values and recipe.values[key] != recipe.defaults.get(key):
            found = describe(recipe.values[key]) if isinstance(recipe.values[key], (str, int, float)) else key
            return ("recipe", key), f"recipe.{key}: found {found}, which task: {task.name} does not use; leave it out"
    if wrong := entry.wrong_augmentation(data.augment):
        return ("data", "augment"), f"data.augment: {wrong}"
    return ("", ""), ""
