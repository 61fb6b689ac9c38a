"""The numbers of images that a plan says. No numpy and no torch here, unless images of other forms are in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ablate.data.data_sets import source_of
from ablate.data.folders import FileCounts, check_classes, count_files
from ablate.data.location import Location
from ablate.errors import AblateError, DataError
from ablate.study.data import Data
from ablate.study.study import Variant


def plan_images(used: Iterable[Data], location: Location) -> tuple[dict[str, FileCounts], list[str]]:
    """(the counts of count_images() by the title of the data, a remark on each data set whose images would be refused).

    Args:
        used: The data of each variant; those whose images are not in place yet are left out.
        location: Where the images are.
    """
    counts: dict[str, FileCounts] = {}
    refused = []
    for title, data in {data.title: data for data in used}.items():
        try:
            if found := count_images(data, location):
                counts[title] = found
            _check_parts(data, found, location)
            _check_held_out(data, found)
        except DataError as error:
            refused.append(f"{title}: images are refused: {error}")
    return counts, refused


def _check_parts(data: Data, counts: FileCounts, location: Location) -> None:
    """Refuse, as a run does, parts that are missing beside the training images, and parts with other classes.

    Raises:
        DataError: It is so.
    """
    location, held_out = location.of(data.root), data.held_out
    wanted = ["test"] if not data.split and (held_out is None or held_out.test) else []
    wanted += [held_out.folder] if held_out and held_out.folder else []
    classes = {part: [name for name, one in found.items() if one.get("read")] for part, found in counts.items()}
    complete = all(classes.values()) and len(classes) == 1 + len(wanted)
    if wanted and not complete and not data.own and data.data_set.images[0] is None:
        from ablate.data.cache import check_in_place  # imports numpy

        check_in_place(data.name, wanted, location, data.read_options, data.streamed)
    if complete and not data.split:
        train, *others = classes
        for part in others:
            check_classes(location.root, {train: classes[train], part: classes[part]})


def _check_held_out(data: Data, counts: FileCounts) -> None:
    """Refuse held-out images that would leave a class without training or held-out images.

    Raises:
        DataError: They would.
    """
    held_out, train = data.held_out, counts.get("train")
    if held_out is None or held_out.folder or data.split or data.train_size or not train:
        return
    import numpy as np

    from ablate.data.split import split  # imports numpy

    labels = np.repeat(np.arange(len(train)), [one.get("read", 0) for one in train.values()])
    split(labels, len(train), **held_out.draw)


def taken_images(used: Iterable[Data]) -> dict[str, str]:
    """How many images trials take where they take some of a data set, in words by the title of the data."""
    found: dict[str, dict[str, None]] = {}
    for data in used:
        sizes = ((data.train_size, "training"), (data.test_size, "test"))
        told = " and ".join(f"{size:,} {part}" for size, part in sizes if size is not None)
        if told:
            found.setdefault(data.title, {})[told] = None
    return {title: f"{' or '.join(told)} images are taken of these" for title, told in found.items()}


def with_sizes(variants: Iterable[Variant], images: Mapping[str, FileCounts], location: Location) -> list[Variant]:
    """The variants with the numbers of images that are in place, where neither study nor table of data sets says them.

    Args:
        variants: For a plan; the ids of their trials are others.
        images: The counts of plan_images().
        location: Where the images are.
    """
    known: dict[Data, Data] = {}
    found = []
    for variant in variants:
        data = variant.data
        if data.full_sizes[0] is None:
            if data not in known:
                known[data] = _with_sizes(data, images.get(data.title, {}), location)
            variant = replace(variant, data=known[data])
        found.append(variant)
    return found


def _with_sizes(data: Data, counts: FileCounts, location: Location) -> Data:
    from ablate.data.cache import infer_facts  # imports numpy

    options = data.read_options
    if counts:
        train, test, *_ = *(sum(one.get("read", 0) for one in part.values()) for part in counts.values()), 0
    elif data.data_set.folders:
        return data
    else:
        try:
            size = data.image_size if data.resize else 0
            train, test = infer_facts(data.name, location.of(data.root), options, size).images or (0, 0)
        except AblateError:  # they are not in place yet, or refused
            return data
    if options.split and not test:
        test = options.split.count(train)
        train -= test
    evaluated = data.held_out is None or data.held_out.test
    sizes = [min(filter(None, both), default=None) for both in ((data.train_size, train), (data.test_size, test))]
    return data.model_copy(update={"train_size": sizes[0], "test_size": sizes[1] if evaluated else None})


def count_images(data: Data, location: Location) -> FileCounts:
    """The number of image files and of skipped files, by part and class; empty if the images are not in class folders.

    Args:
        data: Of a trial; if images are held out, only the folders that are then used are listed.
        location: Where the images are.

    Raises:
        DataError: A file is refused.
    """
    if not data.data_set.folders:
        return {}
    parts = source_of(data.name, data.read_options).parts
    assert parts is not None
    held_out = data.held_out
    names = ["all"] if data.split else ["train"] if held_out and not held_out.test else ["train", "test"]
    names += [held_out.folder] if held_out and held_out.folder else []
    return count_files(part for part in parts(location.of(data.root).root, names) if part.images)
