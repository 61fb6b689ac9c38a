"""Loads the images of a trial and checks them. No torch here."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from ablate.data.annotations import strata
from ablate.data.array_cache import digest_arrays
from ablate.data.cache import check_digest, joined_digest, list_labels, load_images, load_part
from ablate.data.checks import check_labels, check_shape, count_copies
from ablate.data.data_sets import source_of
from ablate.data.folders import DAMAGED, FileCounts, Part, check_classes, describe_passed_over, name_some
from ablate.data.listing import ImageFiles, Listing, list_files, list_training_files
from ablate.data.location import Location
from ablate.data.preprocessing import PREPROCESSING
from ablate.data.sources import Images, Labelled, Labels, stratified
from ablate.data.split import split
from ablate.errors import DataError
from ablate.records.result import FINAL, TEST
from ablate.study.data import Data, HeldOut
from ablate.train.image_counts import count_images


class ImageLoader:
    """Loads the images of trials from the cache and checks them; keeps all training images for the next fold.

    Its `facts` are fields of a result.json that tell of the images loaded last: a digest of all decoded values, how many
    files were read and skipped, and how many test images are also training images. If images are held out and the test
    images are evaluated once, `final` has the latter; otherwise it is None. `positions` has the number of each evaluated
    image in its part of the data set, by the name of the images.

    Args:
        announce: Receives a line of text about each slow step, such as a download.
        again: Whether own code is called although its images are in the cache, as a run does once, before it starts.
    """

    def __init__(self, announce: Callable[[str], None], again: bool = False) -> None:
        self.announce, self.again = announce, again
        self._called: set[Any] = set()  # own code that was called again
        self.facts: dict[str, Any] = {}
        self.final: Union[Labelled, Listing, None] = None
        self.positions: dict[str, npt.NDArray[Any]] = {}
        self._kept: tuple[Any, _Parts] | None = None

    def load(self, data: Data, location: Location) -> tuple[Images | ImageFiles, str]:
        """Load as many images as a trial uses, prepared as its preprocessing says, and the digest of their files.

        Images that are streamed are listed, not decoded. If images are held out, they take the place of the test images.
        Unless these are to be evaluated once, they are then never opened, and the digest is that of the training files.

        Raises:
            DataError: The images are missing, damaged or not what the data set declares.
            RunError: The task needs a package that is missing.
        """
        data.task.entry.ready()
        location = location.of(data.root)
        self.facts, self.final, self.positions = {}, None, {}
        if data.held_out is not None:
            return self._load_split(data, data.held_out, location)
        self._kept = None
        options = data.read_options
        if data.streamed:
            files, digest = list_files(data.name, source_of(data.name, options), location.root, options)
            check_digest(data.digest, digest, location)
            check_labels(files.train_labels, files.test_labels, data.classes, data.train_size, data.test_size)
            _refuse_unstreamed(data)
            self._note_annotations(data, location, "train", "test")
            if data.data_set.folders:
                self._note_files(data, {part.folder.name: part.counts for part in files})
            sizes = (data.train_size, data.test_size)
            self.positions["test"] = _positions(files.test_labels, data.test_size)
            return ImageFiles(*(part.subset(_used(part.labels, size)) for part, size in zip(files, sizes))), digest
        skip, again = data.on_damaged == "skip", self._call_again(data, location)
        images, digest = load_images(data.name, data.image_size, location, self.announce, skip, options, again)
        check_digest(data.digest, digest, location)
        labels = list_labels(data.name, location, options)
        if labels is None:  # all images are decoded
            self.facts["pixel_digest"] = digest_arrays(images)[:16]
            labels = (images.train_labels, images.test_labels)
        for array in (images.train_images, images.test_images):
            check_shape(array, data.input_shape)
        train_labels, test_labels = labels
        check_labels(train_labels, test_labels, data.classes, data.train_size, data.test_size)
        self.positions["test"] = _positions(test_labels, data.test_size)
        self._note_annotations(data, location, "train", "test")
        self._note_files(data, _count_read(data, location, *labels))
        train, test = _used(images.train_labels, data.train_size), _used(images.test_labels, data.test_size)
        self._note_copies(data, images.train_images[train], images.test_images[test])
        if prepare := PREPROCESSING[data.preprocess].prepare:
            images = prepare(data.name, images, digest + options.stem, data.train_size, location, self.announce)
        train, test = _used(images.train_labels, data.train_size), _used(images.test_labels, data.test_size)
        used = images.train_images[train], images.train_labels[train], images.test_images[test], images.test_labels[test]
        return Images(*used), digest

    def _load_split(self, data: Data, held_out: HeldOut, location: Location) -> tuple[Images | ImageFiles, str]:
        """Load images as load() does, with some images held out."""
        part, tests, digest = self._load_parts(data, held_out.test, location)
        check_digest(data.digest, digest, location, "images" if held_out.test else "training images alone")
        listed = list_labels(data.name, location, data.read_options, training_only=not held_out.test)
        labels = [one.labels for one in (part, tests) if one is not None] if listed is None else list(listed)
        if isinstance(part, Listing):
            _refuse_unstreamed(data)
        else:
            if listed is None:  # all images are decoded
                whole = part if tests is None else _joined(part, tests)
                self.facts["pixel_digest"] = digest_arrays(whole)[:16]
            for one in (part, tests):
                if isinstance(one, Labelled):
                    check_shape(one.images, data.input_shape)
        check_labels(labels[0], labels[1] if held_out.test else None, data.classes, data.train_size, data.test_size)
        used, places = _positions(part.labels, data.train_size), _positions(labels[0], data.train_size)
        if held_out.folder is None:
            classes = data.classes if part.labels.ndim == 1 else 1
            indices = split(strata(part.labels[used]), classes, **held_out.draw)
            train, apart = (used[index] for index in indices)
            self.positions["validation"] = places[indices[1]]
            trained, judged = _taken(part, train), _taken(part, apart)
        else:
            judged, digest_of_judged = self._load_validation(data, held_out.folder, held_out.test, location)
            check_labels(labels[0], judged.labels, data.classes, None)
            trained, digest = _taken(part, used), joined_digest(digest, digest_of_judged)
            labels.append(judged.labels)
            self.positions["validation"] = np.arange(len(judged.labels))
        of_folder = [held_out.folder] if held_out.folder else []
        self._note_annotations(data, location, "train", *of_folder, *(["test"] if held_out.test else []))
        final = tests and _taken(tests, _used(tests.labels, data.test_size))
        if tests is not None:
            self.positions["test"] = _positions(labels[1], data.test_size)
        if isinstance(trained, Listing):
            if data.data_set.folders:
                parts = [part, *([tests] if tests else []), *([judged] if held_out.folder else [])]
                self._note_files(data, {one.folder.name: one.counts for one in parts if isinstance(one, Listing)})
            self.final = final
            return ImageFiles(trained, judged), digest
        self._note_files(data, _count_read(data, location, *labels))
        return self._prepared(data, held_out, location, trained, judged, final, digest), digest

    def _prepared(
        self,
        data: Data,
        held_out: HeldOut,
        location: Location,
        trained: Labelled,
        judged: Labelled,
        final: Labelled | None,
        digest: str,
    ) -> Images:
        """The images with the held-out ones in place of the test images, prepared as the preprocessing says."""
        images = _joined(trained, judged)
        self._note_copies(data, trained.images, judged.images)
        if final is not None:
            self._note_copies(data, trained.images, final.images, FINAL)
        if prepare := PREPROCESSING[data.preprocess].prepare:
            drawn = held_out.model_dump(exclude={"test"}, exclude_none=True).items()
            used = len(trained.labels) + (0 if held_out.folder else len(judged.labels))
            choice = f"of{used}{''.join(f'-{name}{value}' for name, value in drawn)}"
            stem = digest + data.read_options.stem
            images = prepare(data.name, images, stem, None, location, self.announce, choice)
            if final is not None:  # by the same training images
                whole, choice = _joined(trained, final), f"{choice}-test{len(final.labels)}"
                final = Labelled(*prepare(data.name, whole, stem, None, location, self.announce, choice)[2:])
        self.final = final
        return images

    def _load_parts(self, data: Data, test: bool, location: Location) -> _Parts:
        """Load all training images, the test images if they are wanted, and the digest of their files."""
        options = data.read_options
        key = (data.name, data.image_size, location, data.on_damaged, data.streamed, options, test)
        if self._kept is None or self._kept[0] != key:
            self._kept = None
            if data.streamed:
                source = source_of(data.name, options)
                if test:
                    files, digest = list_files(data.name, source, location.root, options)
                    self._kept = key, (*files, digest)
                else:
                    training, digest = list_training_files(data.name, source, location.root, options)
                    self._kept = key, (training, None, digest)
            else:
                skip, again = data.on_damaged == "skip", self._call_again(data, location)
                about = (data.image_size, location, self.announce, skip, options, again)
                if test:
                    images, digest = load_images(data.name, *about)
                    self._kept = key, (Labelled(*images[:2]), Labelled(*images[2:]), digest)
                else:
                    part, digest = load_part(data.name, "train", *about)
                    self._kept = key, (part, None, digest)
        return self._kept[1]

    def _load_validation(self, data: Data, folder: str, test: bool, location: Location) -> tuple[Any, str]:
        """The validation images, which are a part of their own, and their digest."""
        options = data.read_options
        source = None if data.own else source_of(data.name, options)
        if source and source.parts:
            _check_folder(source.parts(location.root, ("train", "test", folder) if test else ("train", folder)), location)
        if data.streamed:
            assert source is not None
            return list_training_files(data.name, source, location.root, options, folder)
        skip = data.on_damaged == "skip"
        return load_part(data.name, folder, data.image_size, location, self.announce, skip, options)

    def _call_again(self, data: Data, location: Location) -> bool:
        """Whether own code is to be called although its images are in the cache; each is called once."""
        called = (data.own, data.image_size, location.root)
        if not self.again or data.own is None or called in self._called:
            return False
        self._called.add(called)
        return True

    def _note_files(self, data: Data, counts: FileCounts) -> None:
        """Keep the counts of files, and announce what was skipped."""
        if counts:
            self.facts["image_files"] = counts
        for part, classes in counts.items():
            if over := describe_passed_over(classes):
                self.announce(f"{data.title}, {part}: skipped: {over}")
            if empty := [name for name, found in classes.items() if not found.get("read", 1)]:
                self.announce(f"{data.title}, {part}: class folders without images: {name_some(empty)}")

    def _note_annotations(self, data: Data, location: Location, *parts: str) -> None:
        """Keep the counts of boxes, and announce what is not trained on."""
        notes = None if data.own else source_of(data.name, data.read_options).notes
        if not notes:
            return
        self.facts["annotations"] = notes(location.root, parts)
        for part, counts in self.facts["annotations"].items():
            left = [("boxes_without_area", "boxes without area")]
            left += [("images_without_a_box", "images without a box")] if part == "train" else []
            if out := [f"{counts[key]:,} {words}" for key, words in left if counts.get(key)]:
                self.announce(f"{data.title}, {part}: left out: {', '.join(out)}")

    def _note_copies(self, data: Data, train: Any, test: Any, prefix: str = TEST) -> None:
        """Keep the number of test images that are also training images, and announce it."""
        copies = self.facts[f"{prefix}images_in_training"] = count_copies(train, test)
        if copies:
            what = "test" if data.held_out is None or prefix == FINAL else "held-out"
            self.announce(f"{data.title}: {copies:,} of {len(test):,} {what} images are also training images")


_Parts = tuple[Union[Labelled, Listing], Union[Labelled, Listing, None], str]  # training and test images, their digest


def _check_folder(parts: Sequence[Part], location: Location) -> None:
    """Check that validation images, the last part, have the classes of the first, and are not the test images between."""
    judged = parts[-1]
    name = os.fsdecode(os.path.basename(judged.folder))
    if any(part.folder == judged.folder for part in parts[1:-1]):
        raise DataError(
            f"validation.folder: {name} has the test images, as there is no other folder of them in "
            f"{location.root.absolute()}; add one, or use folds or holdout"
        )
    if judged.images:
        labels = {
            os.fsdecode(os.path.basename(part.folder)): [label for label, paths in part.images.items() if paths]
            for part in (parts[0], judged)
        }
        check_classes(location.root, labels)


def _joined(trained: Any, judged: Any) -> Images:
    return Images(trained.images, trained.labels, judged.images, judged.labels)


def _taken(part: Any, index: Any) -> Any:
    """Some images of a part, labelled or listed."""
    return part.subset(index) if isinstance(part, Listing) else Labelled(*(array[index] for array in part))


def _count_read(data: Data, location: Location, *labels: Labels) -> FileCounts:
    """The counts of count_images(), with the images that were read; the others are damaged."""
    counts = count_images(data, location)
    if data.split and data.held_out and not data.held_out.test:
        return counts  # of all images, of which the test images are not read
    for part, read in zip(counts.values(), [np.concatenate(labels)] if data.split else labels):
        classes = [found for found in part.values() if found.get("read")]
        for found, n in zip(classes, np.bincount(read, minlength=len(classes)).tolist()):
            if damaged := found["read"] - n:
                found.update({"read": n, DAMAGED: damaged})
    return counts


def _used(labels: Labels, size: int | None) -> Any:
    """The index of a fixed stratified subset of `size` images, or of all images."""
    return stratified(strata(labels), size) if size is not None and size < len(labels) else slice(None)


def _positions(labels: Labels, size: int | None) -> Any:
    """The numbers of the images of _used(), shape (N,)."""
    return np.arange(len(labels))[_used(labels, size)]


def _refuse_unstreamed(data: Data) -> None:
    """Refuse preprocessing that needs all images in memory."""
    if PREPROCESSING[data.preprocess].streamed is None:
        possible = ", ".join(name for name, entry in PREPROCESSING.items() if entry.streamed)
        raise DataError(f"data.preprocess: found {data.preprocess}; allowed for {data.name}: {possible}")
