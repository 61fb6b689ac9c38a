"""What an installed package adds: an optimizer, a schedule, a loss, an augmentation step, a data set, a measure.

Each is one entry. From it come the study file's choices and errors, the schema, a trial's id, its memory, captions, the
differences of protocols, and the training itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ablate.data.augmentations import AUGMENTATIONS
from ablate.data.data_sets import DATA_SETS
from ablate.data.location import Location
from ablate.errors import StudyError
from ablate.kinds.losses import LOSSES
from ablate.kinds.measures import MEASURES
from ablate.kinds.optimizers import OPTIMIZERS
from ablate.kinds.schedules import SCHEDULES
from ablate.nets.families import count_network
from ablate.records.records import read_record
from ablate.registry import Registry, _entry_points
from ablate.report.published import recipe_differences
from ablate.report.setting import describe_data, describe_recipe
from ablate.study.costs import training_memory
from ablate.study.data_schema import data_model, protocol_data_model
from ablate.study.json_schema import json_schema
from ablate.study.plan import enumerate_variants
from ablate.study.recipe import Recipe
from ablate.study.recipe_schema import recipe_model
from ablate.study.spec import load_study
from ablate.study.study import Study, Trial
from ablate.train.job import Job
from ablate.train.trial import train_trial

TABLES: tuple[Registry, ...] = (OPTIMIZERS, SCHEDULES, LOSSES, AUGMENTATIONS, DATA_SETS, MEASURES)
MODULE = """
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from ablate.data.augmentations import Augmentation, Index
from ablate.data.data_sets import DataSet
from ablate.data.sources import Images, Labelled, Reading, Source
from ablate.kinds.losses import Loss, LossFunctions, shares_of
from ablate.kinds.measures import Measure
from ablate.kinds.optimizers import Optimizer
from ablate.kinds.schedules import Schedule

ADAGRAD = Optimizer(
    name="adagrad",
    words="Adagrad",
    fields={"lr_decay": Annotated[float, Field(ge=0, lt=1)]},
    defaults={"lr_decay": 0.0},
    build=lambda groups, arguments, settings: torch.optim.Adagrad(
        groups, **{key: value for key, value in arguments.items() if key != "fused"}, **settings
    ),
    states=lambda settings: 1,
)
INVERSE = Schedule(
    name="inverse",
    words="inverse",
    fields={"slope": Annotated[float, Field(ge=0, lt=10)]},
    defaults={"slope": 1.0},
    factor=lambda settings, place: 1 / (1 + settings["slope"] * place.epoch),
)


def squared(settings, weights):
    def loss(logits, labels):
        return settings["scale"] * ((logits.softmax(1) - shares_of(labels, logits.shape[1])) ** 2).sum(1).mean()

    return LossFunctions(loss, loss)


BRIER = Loss(
    name="brier",
    words="Brier score",
    fields={"scale": Annotated[float, Field(gt=0)]},
    defaults={"scale": 1.0},
    build=squared,
)
UPSIDE_DOWN = Augmentation(
    name="upside_down",
    words="images upside down",
    draw=lambda n, side, generator, settings: torch.randint(0, 2, (n,), generator=generator).bool(),
    move=lambda index, draws, settings: Index(torch.where(draws[:, None], index.rows.flip(1), index.rows), index.columns),
)


def dots(root, side):
    labels = np.arange(64) % 2
    return Labelled(np.where(labels[:, None, None, None] == 0, 10, 200).astype(np.uint8).repeat(8, 1).repeat(8, 2), labels)


DOTS = DataSet(
    name="dots",
    title="Dots",
    classes=2,
    image_size=8,
    channels=1,
    augment="none",
    images=(64, 64),
    source=lambda: Source(
        Reading(lambda root: [], lambda root, side: Images(*dots(root, side), *dots(root, side)), ""),
        Reading(lambda root: [], dots, ""),
        package="numpy",
    ),
    measures=("confidence",),
)
CONFIDENCE = Measure(
    name="confidence",
    words="mean confidence",
    unit="%",
    total=lambda logits, labels: logits.softmax(1).amax(1).sum(),
    value=lambda total, images: 100 * total / images,
)
NOT_ONE = 3
"""
ENTRIES = """\
[ablate.optimizers]
adagrad = added:ADAGRAD
[ablate.schedules]
inverse = added:INVERSE
[ablate.losses]
brier = added:BRIER
[ablate.augmentations]
upside_down = added:UPSIDE_DOWN
[ablate.data_sets]
dots = added:DOTS
[ablate.measures]
confidence = added:CONFIDENCE
"""
STUDY = """\
name: added
data: {name: dots, augment: [upside_down, {crop: 2}]}
recipe: {base: wrn_cifar, optimizer: adagrad, schedule: inverse, loss: brier, lr: 0.001, epochs: 3, batch_size: 16}
seeds: 1
variants: [{net: WRN-10-0.25}]
"""


def forget() -> None:
    for table in TABLES:
        vars(table).pop("_all", None)
    for cached in (recipe_model, data_model, protocol_data_model, _entry_points):
        cached.cache_clear()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an installed package that adds one of each."""
    (tmp_path / "added.py").write_text(MODULE)
    about = tmp_path / "added-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: added\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(tmp_path)
    forget()
    yield about
    forget()
    sys.modules.pop("added", None)


def study_of(folder: Path, *overrides: str) -> Study:
    path = folder / "added.yaml"
    path.write_text(STUDY)
    return load_study(path, overrides)


def trial_of(study: Study) -> Trial:
    return enumerate_variants(study).variants[0].trials(study.seeds)[0]


def test_it_is_trained_and_recorded(package: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    trial = trial_of(study_of(tmp_path))
    job = Job(trial, tmp_path / "runs", Location(tmp_path, tmp_path / "cache"))
    assert train_trial(job, lambda: False, lambda row: None) == "completed"
    record = read_record(tmp_path / "runs", trial.id)
    assert record is not None
    rates = [row["lr"] for row in record.epochs()]
    assert rates == pytest.approx([0.001 / (1 + epoch) for epoch in range(3)])
    assert 50 <= record.result["test_confidence"] <= 100
    assert all("test_confidence" in row and "train_confidence" not in row for row in record.epochs())


def test_its_fields_are_checked_where_they_stand(package: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"recipe.lr_decay: found 2\.0; allowed: less than 1"):
        study_of(tmp_path, "recipe.lr_decay=2.0")
    with pytest.raises(StudyError, match=r"recipe.optimizer: found 'adagrat'; did you mean 'adagrad'\?"):
        study_of(tmp_path, "recipe.optimizer=adagrat")
    with pytest.raises(StudyError, match=r"data.augment: found the step 'upsidedown'; did you mean 'upside_down'"):
        study_of(tmp_path, "data.augment=[upsidedown]")
    with pytest.raises(StudyError, match=r"data.name: found 'dot'; did you mean 'dots'"):
        study_of(tmp_path, "data={name: dot}")


def test_its_fields_count_in_an_id_where_they_are_used(package: Path, tmp_path: Path) -> None:
    def of(*overrides: str) -> str:
        return trial_of(study_of(tmp_path, *overrides)).id

    assert (
        of() == of("recipe.lr_decay=0.0") == of("recipe.scale=1.0") != of("recipe.lr_decay=0.1") != of("recipe.scale=2.0")
    )
    assert of() == of("recipe.momentum=0.5")  # of SGD
    with pytest.raises(StudyError, match=r"recipe.milestones is a field of schedule step; schedule is inverse"):
        of("recipe.milestones=[0.5]")
    assert of("recipe.schedule=step") != of("recipe.schedule=step", "recipe.milestones=[0.5]")


def test_it_is_told_wherever_a_recipe_is(package: Path, tmp_path: Path) -> None:
    study = study_of(tmp_path, "recipe.slope=0.5")
    told = describe_recipe(study.recipe, "wrn_cifar")
    assert told == (
        "Adagrad, 3 epochs, batch 16, learning rate 0.001, float32, "
        "uniform batch norm weights; "
        "unlike the recipe WRN on CIFAR: schedule inverse, slope 0.5, loss brier"
    )
    assert describe_data(study.data) == "Dots, mean/std, images upside down, crops (padding 2)"
    differences = recipe_differences(study.recipe, Recipe.named("wrn_cifar"))
    assert "adagrad, not sgd" in differences and "schedule inverse, not step" in differences
    counts = count_network(trial_of(study).architecture, 2, (1, 8, 8))
    assert training_memory(counts, study.recipe).momentum == 4 * counts.parameters
    whole = json_schema()
    assert "adagrad" in str(whole["$defs"]["RecipeFile"]["properties"]["optimizer"])
    assert {"lr_decay", "slope", "scale"} <= set(whole["$defs"]["RecipeFile"]["properties"])
    assert "dots" in str(whole["properties"]["data"]) and "upside_down" in str(whole["$defs"]["Augment"])


@pytest.mark.parametrize(
    "entry, said",
    [
        ("added:ABSENT", "entry point ablate.optimizers: adagrad: AttributeError"),
        (
            "added:NOT_ONE",
            "entry point ablate.optimizers: adagrad: found int; allowed: an object of ablate.kinds.optimizers.Optimizer",
        ),
        ("added:SGD", "entry point ablate.optimizers: adagrad: the name sgd is taken; choose another name"),
    ],
)
def test_a_wrong_entry_point_is_said(package: Path, tmp_path: Path, entry: str, said: str) -> None:
    with (tmp_path / "added.py").open("a") as file:
        file.write("from ablate.kinds.optimizers import OPTIMIZERS\nSGD = OPTIMIZERS['sgd']\n")
    (package / "entry_points.txt").write_text(f"[ablate.optimizers]\nadagrad = {entry}\n")
    with pytest.raises(StudyError) as caught:
        study_of(tmp_path, "data=digits")
    assert said in str(caught.value)
