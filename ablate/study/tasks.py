"""The table of tasks: what a network is trained for, and what that changes. A package adds one by `ablate.tasks`.

A study names its task by `task`, by default classification. The entry says what becomes of a classifier's blueprint, who
computes the loss, what is measured after each epoch, and which keys of a study have no meaning. Its settings are part of a
trial's id, at their defaults left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ablate.data.augmentation_lists import Augment, steps_of
from ablate.data.augmentations import AUGMENTATIONS, Step
from ablate.kinds.average_precision import check_package
from ablate.kinds.measures import ERROR, MEASURES, Measure, measures_of
from ablate.nets.blueprint import Blueprint
from ablate.nets.detection import faster_rcnn
from ablate.nets.families import Head
from ablate.registry import Kind, Registry
from ablate.study.decision import Decision, Split
from ablate.study.written_forms import Frozen

CLASSIFICATION = "classification"


@dataclass(frozen=True, eq=False, kw_only=True)
class Task(Kind):
    """A task that a study can name.

    Args:
        measures: Taken of the images that are evaluated after each epoch. The first one decides unless the study says more.
        trained: Taken of the training images.
        head: (blueprint of a classifier, classes, settings) -> the blueprint of the network; None: the classifier itself.
        own_loss: Whether the network computes its loss itself: network(images, targets) -> (outputs, loss). Such a step is
            no part of a CUDA graph, and nothing of its outputs is kept beside the measures.
        boxes: Whether images have boxes, which an augmentation must move with the pixels.
        unused: Keys of a recipe and of a study that have no meaning.
        ready: Raises RunError if a package is missing that a training needs.
    """

    measures: tuple[Measure, ...]
    trained: tuple[Measure, ...] = ()
    head: Callable[[Blueprint, int, Mapping[str, Any]], Blueprint] | None = None
    own_loss: bool = False
    boxes: bool = False
    unused: tuple[str, ...] = ()
    ready: Callable[[], None] = lambda: None

    def decision(self, split: Split) -> Decision:
        """What is decided by where a study does not say more: the first measure.

        Args:
            split: The images that it is measured on.
        """
        first = self.measures[0]
        return Decision(first.name, split, first.goal, f"{split} {first.words}", first.unit)

    def wrong_augmentation(self, augmentation: Augment) -> str:
        """What is wrong with an augmentation of the task's images; "" if nothing is.

        Args:
            augmentation: The name of a list, or steps.
        """
        possible = [name for name, entry in AUGMENTATIONS.items() if entry.boxes]
        for step in steps_of(augmentation) if self.boxes else ():
            if not isinstance(step, Step) or step.name not in possible:
                return f"found {step}, which moves no boxes; allowed for task: {self.name}: {', '.join(possible)}"
        return ""


def _whole(low: int, high: int, words: str) -> Any:
    return Annotated[int, Field(ge=low, le=high, description=words)]


DETECTION: dict[str, Any] = {
    "fpn_channels": _whole(8, 4096, "channels of the feature pyramid"),
    "box_features": _whole(8, 16384, "features of a box, before its class and its corners"),
    "anchor_scale": Annotated[float, Field(gt=0, le=64, description="side of an anchor, in strides of its level")],
    "proposals": _whole(1, 10_000, "boxes of an image that are looked at; twice as many in training"),
    "sampled_anchors": _whole(2, 4096, "anchors of an image that a training step compares"),
    "sampled_boxes": _whole(2, 4096, "boxes of an image that a training step compares"),
    "frozen": _whole(0, 16, "how many sections, from the first, are not trained; such as 2 with weights"),
    "batch_norm": Annotated[Literal["trained", "frozen"], Field(description="frozen: keeps statistics and weights")],
    "weights": Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=1000,
            description="a file with the weights of a classifier, relative to the study file; {net}: the network's name",
        ),
    ],
}

TASKS = Registry(
    "ablate.tasks",
    Task,
    Task(
        name=CLASSIFICATION,
        words="classification",
        explained="the class of each image",
        measures=(ERROR,),
        trained=(ERROR,),
    ),
    Task(  # Source: torchvision's fasterrcnn_resnet50_fpn
        name="detection",
        words="detection (Faster R-CNN with a feature pyramid)",
        explained="boxes and their classes, by Faster R-CNN with a feature pyramid on any residual network",
        fields=DETECTION,
        defaults={
            "fpn_channels": 256, "box_features": 1024, "anchor_scale": 8.0, "proposals": 1000, "sampled_anchors": 256,
            "sampled_boxes": 512, "frozen": 0, "batch_norm": "trained", "weights": None,
        },
        measures=tuple(MEASURES[name] for name in measures_of("detection")),
        head=faster_rcnn,
        own_loss=True,
        boxes=True,
        unused=(
            "mixup", "cutmix", "loss", "label_smoothing", "class_weights", "sampler", "accumulate", "gpus", "python",
            "compile", "also_test", "measures", "tune",
        ),
        ready=check_package,
    ),
)  # fmt: skip


class ChosenTask(Frozen):
    """The task of a study, with its settings.

    Args:
        name: A name of the table of tasks.
        changed: (name, value) of each setting that is not at its default, by name.
    """

    name: str = CLASSIFICATION
    changed: tuple[tuple[str, Any], ...] = ()

    @property
    def entry(self) -> Task:
        """The entry of the table of tasks."""
        return TASKS[self.name]

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting by name."""
        return self.entry.settings(dict(self.changed))

    @property
    def head(self) -> Head | None:
        """What stands in place of a classifier's last layers; None for classification."""
        make = self.entry.head
        shaping = tuple((name, value) for name, value in self.settings.items() if name not in UNSHAPED)
        return Head(make, shaping) if make else None

    def identity(self) -> dict[str, Any]:
        """What can change a result, in plain values. Weights are known by their file's name; records have its digest."""
        weights = {"weights": Path(text).name} if (text := dict(self.changed).get("weights")) else {}
        return {"name": self.name, **dict(self.changed), **weights}

    def weights_of(self, net: str) -> Path | None:
        """The file with the first weights of a network; None if they are drawn.

        Args:
            net: The network's name.
        """
        text = self.settings.get("weights")
        return Path(text.replace("{net}", net)) if text else None

    def __str__(self) -> str:
        said = [(name.replace("_", " "), Path(value).name if name == "weights" else value) for name, value in self.changed]
        texts = (f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in said)
        return ", ".join([self.entry.words, *texts])


UNSHAPED = ("weights", "frozen", "batch_norm")  # settings that change no layer
