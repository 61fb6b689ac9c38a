"""The images of a run before any worker starts: loaded, decoded, compared with those that its records were made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ablate.data.cache import known_digest
from ablate.data.location import Location
from ablate.errors import DataError, RecordError
from ablate.records.records import Record
from ablate.study.data import Data
from ablate.study.study import Trial
from ablate.train.images import ImageLoader

ImageSet = tuple[Any, ...]  # the identity of images


def prepare_images(
    trials: Sequence[Trial], location: Location, say: Callable[[str], None]
) -> tuple[dict[ImageSet, str], dict[ImageSet, str]]:
    """Load all images that the trials need, decode and check them before any worker starts.

    Args:
        trials: To train.
        location: Where the images are.
        say: Receives a line about each download and decoding.

    Returns:
        The digests of the images' files, and of their decoded values; images that are streamed have no such value.

    Raises:
        DataError: Images are missing, damaged or not as the study declares, or are fewer than a batch that is dropped.
    """
    loader = ImageLoader(say, again=True)
    digests: dict[ImageSet, str] = {}
    pixels: dict[ImageSet, str] = {}
    for data in dict.fromkeys(trial.data for trial in trials):
        images, digests[image_set(data)] = loader.load(data, location)
        if digest := loader.facts.get("pixel_digest"):
            pixels[image_set(data)] = digest
        size = len(images.train_labels)
        for recipe in dict.fromkeys(trial.recipe for trial in trials if trial.data == data):
            if recipe.last_batch == "drop" and size < recipe.batch_size:
                raise DataError(f"recipe.batch_size: {recipe.batch_size} of {size} images leaves no batch")
    return digests, pixels


def image_set(data: Data) -> ImageSet:
    """What the images of a trial are known by: trials with one set are trained on the same files."""
    part, streamed = data.held_out, data.streamed
    parts = (part is not None and not part.test, (part and part.folder) or "")
    return (data.name, data.title, data.root, parts, data.image_size, data.on_damaged, streamed, data.read_options)


def check_digests(
    recorded: Sequence[tuple[Data, Record]],
    digests: Mapping[ImageSet, str],
    pixels: Mapping[ImageSet, str],
    location: Location,
) -> None:
    """Check that the images are those that the study's records were made with.

    Args:
        recorded: The data and the record of each recorded trial.
        digests: Of the images that are loaded; the digests of others are looked up without loading them.
        pixels: Digests of the decoded values of the images that are loaded.
        location: Where the images are.

    Raises:
        RecordError: A record was made with other images.
    """
    known: dict[ImageSet, str | None] = {**digests}
    for data, record in recorded:
        images, other = image_set(data), record.result.get("data_digest")
        if images not in known:
            training_only, part = images[3]
            known[images] = known_digest(
                data.name, location.of(data.root), training_only, data.read_options, data.stream, data.image_size, part
            )
        if known[images] and other != known[images]:
            raise RecordError(
                f"{record.directory}: recorded on images of digest {other}, those in place now have {known[images]}; "
                "restore the images, give the new ones another data.title, or use another runs directory"
            )
        before = record.result.get("pixel_digest")  # records of earlier versions have none
        if before and pixels.get(images, before) != before:
            raise RecordError(
                f"{record.directory}: its images were decoded to other values ({before}) than here ({pixels[images]}); "
                "decode them with the version of Pillow that was used then, or use another runs directory"
            )
