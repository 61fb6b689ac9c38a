"""Data: the images of a trial."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from ablate.data.augmentation_lists import Augment, as_written
from ablate.data.corruptions import CORRUPTIONS
from ablate.data.data_sets import DATA_SETS, DataSet
from ablate.data.read_options import RESIZES, ColumnNames, DrawnTest, ReadOptions, Resize
from ablate.files import content_id
from ablate.kinds.measures import Measure, OwnMeasure, find_measure, name_of
from ablate.nets.blueprint import Shape
from ablate.nets.families import Head
from ablate.own_code import OwnCode
from ablate.study.tasks import CLASSIFICATION, ChosenTask
from ablate.study.written_forms import Frozen


class HeldOut(Frozen):
    """Images that are not trained on. The trial is evaluated on them after each epoch, not on the test images.

    They are training images, drawn with the seed and stratified by class, or those of another folder. One of `images`,
    `folds` and `folder` is given.

    Args:
        images: How many.
        folds: The number of equal parts, of which one is held out.
        fold: The number of the part, from 0.
        seed: Of the draw.
        folder: The folder of the images, with a folder for each class. All training images are then trained on.
        test: Whether the trial also evaluates the test images, once, after its last epoch; otherwise they are never read.
    """

    images: Annotated[int | None, Field(ge=1)] = None
    folds: Annotated[int | None, Field(ge=2, le=100)] = None
    fold: Annotated[int | None, Field(ge=0)] = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    folder: str | None = None
    test: bool = False

    @property
    def draw(self) -> dict[str, Any]:
        """The fields that choose the images among the training images, by name."""
        return self.model_dump(include={"images", "folds", "fold", "seed"})

    def taken(self, train: int) -> int:
        """How many of the training images are held out.

        Args:
            train: How many training images there are.
        """
        if self.folds:
            return len(range(self.fold or 0, train, self.folds))
        return self.images or 0


def _check_share(value: int | float) -> int | float:
    """A number of images, or a fraction of them."""
    if value <= 0 or (isinstance(value, float) and value >= 1):
        raise ValueError(f"found {value}; allowed: a fraction below 1, or a number of images")
    return value


class Split(Frozen):
    """The draw of the test images from images that are in one part, stratified by class."""

    test: Annotated[
        int | float,
        AfterValidator(_check_share),
        Field(description="a fraction of all images below 1, or their number", examples=[0.2]),
    ]
    seed: Annotated[int, Field(ge=0, lt=2**31, description="the seed of the draw")] = 0


class Columns(Frozen):
    """The columns of a table of images, where there are several of a kind."""

    image: Annotated[
        str | None, Field(min_length=1, description="the column of the images; by default the only one with images")
    ] = None
    label: Annotated[
        str | None, Field(min_length=1, description="the column of the labels; by default label, or the only one")
    ] = None


class Keep(Frozen):
    """What a trial keeps of its last epoch.

    Nothing of it changes a result or an id.
    """

    logits: Annotated[bool, Field(description="whether the logits of the last epoch are kept")] = True
    megabytes: Annotated[int, Field(ge=1, le=1000, description="logits of a trial that take more are not kept")] = 20
    weights: Annotated[
        Literal["tested", "both"],
        Field(description="both: also those of the weights themselves, where their moving average is tested"),
    ] = "tested"

    @property
    def most(self) -> int:
        """Bytes that the logits of a trial may have."""
        return self.megabytes * 1_000_000 if self.logits else 0


class ExtraTest(Frozen):
    """A further set of test images, evaluated once, after the last epoch: corrupted copies, or those of other data.

    Args:
        title: The name in tables.
        corruption: A name of the table of corruptions; "" for other data.
        severity: Of the corruption, from 1 to 5.
        seed: Of the corruption's draws.
        data: The other data, a Data with the same classes; None for a corruption.
    """

    title: str
    corruption: str = ""
    severity: int = 0
    seed: int = 0
    data: Any = None

    @property
    def key(self) -> str:
        """The name of the images in the files of a trial. It depends on all that can change them, but not on the title."""
        what = {"corruption": self.corruption, "severity": self.severity, "seed": self.seed}
        identity = self.data.identity() if self.data else what
        return f"also-{content_id(json.dumps(identity, sort_keys=True, default=str).encode())}"

    @property
    def column(self) -> str:
        """The name in columns of data frames, such as "on_gaussian_noise_3"."""
        return "on_" + re.sub(r"[^a-z0-9]+", "_", self.title.lower()).strip("_")

    @property
    def words(self) -> str:
        """What the images are, for a caption."""
        if self.data:
            return f"the test images of {self.data.title}"
        return f"the test images with {CORRUPTIONS[self.corruption].words} of severity {self.severity}"


class Data(Frozen):
    """The images of a trial: which, how many, and how they are preprocessed and augmented.

    What a field's description says is not said again here.

    Args:
        name: A name of the table of data sets.
        title: The name in tables. It identifies images whose files are the user's own.
        preprocess: A name of the table of preprocessing.
        augment: Augmentation steps, in order.
        train_size: How many training images are used; None: all.
        test_size: How many test images are used; None: all.
        held_out: The images that are held out. A study's `validation` or a search sets it.
        resize: How images of another size are brought to image_size: "crop" scales the shorter side and crops the centre,
            "stretch" scales both sides, "pad" scales the longer side and adds black. None: image files are cropped, arrays
            and images of own code are refused.
        own: The own code that returns the images; a study writes it as `python` and `args`. None: files.
        measures: What is measured on the test images besides the error and what the data set's entry names. A study's
            `measures` sets it.
        decide_by: The name of the one of them that is also measured after each epoch; "" for none. A study's `decide_by`
            sets it.
        also_test: Further sets of test images, evaluated once after the last epoch. A study's `also_test` sets them.
        keep: What trials keep of their last epoch. A study's `keep` sets it.
        task: What networks are trained for. A study's `task` sets it.
    """

    name: str
    title: Annotated[
        str, Field(min_length=1, max_length=100, description="the name in tables; by default that of root or of the module")
    ]
    classes: Annotated[int, Field(ge=2, le=100_000, description="the number of classes; by default that of the images")]
    image_size: Annotated[
        int, Field(ge=4, le=1024, description="height and width, in pixels; by default those of the images")
    ]
    channels: Annotated[
        Literal[1, 3], Field(description="1: grey, 3: RGB; by default 3 for folders, else that of the images")
    ]
    preprocess: str
    augment: Augment
    train_size: Annotated[int | None, Field(ge=2)] = None
    test_size: Annotated[int | None, Field(ge=2)] = None
    digest: Annotated[
        str | None, Field(pattern="^[0-9a-f]{16}$", description="16 hexadecimal digits; other images are refused")
    ] = None
    copy_of: Annotated[str | None, Field(description="the data set that is copied")] = None
    root: Annotated[str | None, Field(description="directory or .npz file, relative to the study file's folder")] = None
    on_damaged: Annotated[
        Literal["refuse", "skip"],
        Field(description="images of an image_folder that cannot be decoded; skip: left out and counted"),
    ] = "refuse"
    held_out: HeldOut | None = None
    resize: Annotated[
        Resize | None,
        Field(
            description="how images are brought to image_size; "
            + "; ".join(f"{name}: {words}" for name, words in RESIZES.items())
        ),
    ] = None
    split: Annotated[
        Split | None,
        Field(description="draws the test images from images in one part, by class: 0.2, or {test: 0.2, seed: 0}"),
    ] = None
    columns: Annotated[Columns | None, Field(description="the columns of a table, if several could be meant")] = None
    stream: Annotated[bool, Field(description="decode images when they are needed, for any number of images")] = False
    own: OwnCode | None = None
    measures: tuple[str | OwnMeasure, ...] = ()
    decide_by: str = ""
    also_test: tuple[ExtraTest, ...] = ()
    keep: Keep = Keep()
    task: ChosenTask = ChosenTask()

    @classmethod
    def named(cls, name: str, **changes: Any) -> Data:
        """A named data set with some fields changed or added.

        Args:
            name: A name of the table of data sets.
            changes: Values by field.

        Raises:
            KeyError: There is no such data set.
            pydantic.ValidationError: A value is not valid.
        """
        return cls(**{"name": name, **DATA_SETS[name].facts, **changes})

    @property
    def input_shape(self) -> Shape:
        """The shape of one image: (C, H, W)."""
        return (self.channels, self.image_size, self.image_size)

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result. The title is one of them only where nothing else identifies the images."""
        other = {"digest", "copy_of", "root", "augment", "measures", "decide_by", "also_test", "keep", "task"}
        other |= set() if self.data_set.title is None else {"title"}
        other |= {"test_size"} if self.held_out and not self.held_out.test else set()
        own = {"own": self.own.identity()} if self.own else {}
        other |= {"own"} if self.own else set()
        return {
            **self.model_dump(exclude=other, exclude_defaults=True),
            "augment": as_written(self.augment, code=True),
            **own,
            **({"task": self.task.identity()} if self.task.name != CLASSIFICATION else {}),
        }

    @property
    def source(self) -> str:
        """Where the images come from: a directory or file, own code, or the name of a data set that is known."""
        if self.own:
            return self.own.python
        return str(Path(self.root).resolve()) if self.root and self.data_set.title is None else self.name

    @property
    def streamed(self) -> bool:
        """Whether images are decoded whenever they are needed."""
        return self.stream or self.data_set.streamed

    @property
    def read_options(self) -> ReadOptions:
        """What the study says of how the images are read; a subset is decoded alone, if no image is to be skipped."""
        subset = "sizes" in self.data_set.options and self.on_damaged == "refuse" and not self.streamed
        return ReadOptions(
            channels=self.channels if self.data_set.title is None else None,
            resize=self.resize,
            split=DrawnTest(self.split.test, self.split.seed) if self.split else None,
            columns=ColumnNames(self.columns.image or "", self.columns.label or "") if self.columns else ColumnNames(),
            own=self.own,
            sizes=(self.train_size, self.test_size) if subset else (None, None),
        )

    @property
    def epoch_measures(self) -> list[Measure]:
        """What is measured after each epoch: as the task and the data set's entry say, and the measure that decides."""
        usual = self.task.entry.measures
        names = dict.fromkeys((*self.data_set.measures, *(one for one in self.measures if name_of(one) == self.decide_by)))
        return [*usual, *(find_measure(one) for one in names if one not in [measure.name for measure in usual])]

    @property
    def decisive(self) -> str:
        """The name of the measure that decides: that of `decide_by`, or the task's first."""
        return self.decide_by or self.task.entry.measures[0].name

    @property
    def asked(self) -> tuple[int, Shape, Head | None]:
        """What a network is made for: (classes, input shape, the head of the task)."""
        return self.classes, self.input_shape, self.task.head

    @property
    def own_measures(self) -> list[OwnMeasure]:
        """The measures of the user's own."""
        return [one for one in self.measures if isinstance(one, OwnMeasure)]

    @property
    def values(self) -> dict[str, Any]:
        """Every field by name."""
        return dict(self)

    @property
    def data_set(self) -> DataSet:
        """The entry of the table of data sets."""
        return DATA_SETS[self.name]

    @property
    def full_sizes(self) -> tuple[int | None, int | None]:
        """How many (training, test) images the data set has, or the original of a copy; None where it is not known."""
        return DATA_SETS[self.stands_for].images

    @property
    def stands_for(self) -> str:
        """The data set with the published values to compare with."""
        return self.copy_of or self.name


def hold_out(data: Data, held_out: HeldOut) -> Data:
    """The same data with some images held out for validation.

    Args:
        data: The data of a variant.
        held_out: The images. If the test images are not evaluated, their number is forgotten.
    """
    return data.model_copy(update={"held_out": held_out, **({} if held_out.test else {"test_size": None})})
