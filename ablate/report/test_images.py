"""The pixels of some of the images that a trial was evaluated on, where this machine has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ablate.data.listing import ImageFiles
from ablate.data.location import Location
from ablate.errors import AblateError
from ablate.records.records import Record
from ablate.study.study import Trial
from ablate.train.images import ImageLoader

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]


def evaluated_pixels(trial: Trial, record: Record, rows: Sequence[int], location: Location) -> list[Pixels] | None:
    """Images of a trial as uint8 (H, W, C); None where they are not here, or not those of the record.

    Nothing is downloaded.

    Args:
        trial: The trial.
        record: Of the trial.
        rows: The numbers of the images, in the order of the evaluation.
        location: Where the images are.
    """
    import numpy as np

    data = trial.data.model_copy(update={"preprocess": "meanstd"})  # which leaves the pixels as they are
    try:
        images, digest = ImageLoader(lambda line: None).load(data, location._replace(download=False))
        if digest != record.result.get("data_digest"):
            return None
        if isinstance(images, ImageFiles):
            return [_decoded(images, row, data.image_size) for row in rows]
        return [np.asarray(images.test_images[row]) for row in rows]
    except AblateError:
        return None


def _decoded(files: ImageFiles, row: int, size: int) -> Any:
    import numpy as np
    from PIL import ImageOps

    from ablate.data.decoding import open_image

    return np.asarray(ImageOps.fit(open_image(files.test.path(row)), (size, size)))
