"""What a study says of how images are read. No numpy: planning is instant."""

from __future__ import annotations

from typing import Literal, NamedTuple, Union

from ablate.own_code import OwnCode

Resize = Literal["crop", "stretch", "pad"]
RESIZES = {
    "crop": "the shorter side is scaled to image_size, and the centre is cropped",
    "stretch": "both sides are scaled to image_size",
    "pad": "the longer side is scaled to image_size, and black is added around it",
}


class DrawnTest(NamedTuple):
    """A draw of the test images from images that are in one part, stratified by class.

    Args:
        test: How many; a fraction below 1 of all images, or their number.
        seed: Of the draw.
    """

    test: Union[int, float]
    seed: int = 0

    def count(self, images: int) -> int:
        """How many test images are drawn."""
        return self.test if isinstance(self.test, int) else max(1, round(self.test * images))


class ColumnNames(NamedTuple):
    """The columns of a table of images.

    Args:
        image: "" for the one column that holds images.
        label: "" for the column "label", or the one column of whole numbers or texts.
    """

    image: str = ""
    label: str = ""


class ReadOptions(NamedTuple):
    """What a study says of how images are read; a table's entry names those that it reads, in `options`.

    Args:
        channels: Of the images that are made, 1 or 3; None: as the images have.
        resize: How an image of another size is brought to the image size; None: as the reader does if nothing is said.
        split: The draw of the test images; None: the test images are a part of their own.
        columns: Of a table.
        own: The own code that returns the images; None for files.
        sizes: How many (training, test) images are used, so that no others need to be decoded; None: all.
    """

    channels: int | None = None
    resize: Resize | None = None
    split: DrawnTest | None = None
    columns: ColumnNames = ColumnNames()
    own: OwnCode | None = None
    sizes: tuple[int | None, int | None] = (None, None)

    @property
    def stem(self) -> str:
        """A part of the name of the decoded images in the cache; "" where all is as it is if nothing is said."""
        said = [
            f"c{self.channels}" if self.channels == 1 else "",
            self.resize or "",
            f"split{self.split.test}-{self.split.seed}" if self.split else "",
            "of" + "-".join("all" if size is None else str(size) for size in self.sizes) if any(self.sizes) else "",
            *(f"{name}~{column.encode().hex()}" for name, column in self.columns._asdict().items() if column),
        ]
        return "".join(f"-{text}" for text in said if text)


NOTHING_SAID = ReadOptions()


class Facts(NamedTuple):
    """What the images themselves say, for a study that does not.

    Args:
        classes: How many.
        image_size: Height and width in pixels; None if the images are not all squares of one size.
        channels: 1 or 3.
        found: The sizes that were found, for a message.
        images: How many training and test images there are; 0 test images where a split is yet to be drawn. None: they are
            not counted.
    """

    classes: int
    image_size: int | None
    channels: int
    found: str = ""
    images: tuple[int, int] | None = None
