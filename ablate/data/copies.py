"""A copy of a data set in other files: class folders of its images, in place of the original files.

`--images DIR` puts one in the place of a study's data set. A trial of it has another id, captions name the copy, and
published values are compared with the difference of protocols said.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ablate.data.data_sets import DATA_SETS
from ablate.errors import RunError, StudyError, allowed, printable
from ablate.files import expand

FOLDER = "image_folder"  # the data set that a copy is read as
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WebP", ".bmp": "BMP"}


@dataclass(frozen=True)
class Copy:
    """Images in place of a data set.

    Args:
        data_set: The data set that is copied; "" for the only one of a study.
        words: What the images are, such as "JPEG copy". It is a part of their title, which identifies them.
        root: The directory with train/<class>/* and test/<class>/*; None: where images are looked for without one.
    """

    data_set: str
    words: str
    root: str | None

    @property
    def title(self) -> str:
        """The title of the images in tables and ids, such as "CIFAR-10 (JPEG copy)"."""
        return f"{DATA_SETS[self.data_set].title} ({self.words})"

    @property
    def remark(self) -> str:
        """That the copy is used, as a line of a plan."""
        told = f"{DATA_SETS[self.data_set].title}: the {self.words}"
        return f"{told} in {printable(self.root)}" if self.root else f"{told}; to train, give its directory with `images`"


@dataclass
class Copies:
    """The copies that a study is loaded with, and those that it uses.

    Args:
        given: By the data set that is copied; "" for the only data set of the study.
        remembered: Those of earlier runs, by data set; one that is given comes before it.
        named: The data sets with a title of their own that the study named.
        used: The copies in place of them, by data set.
    """

    given: Mapping[str, Copy] = field(default_factory=dict)
    remembered: Mapping[str, Copy] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    used: dict[str, Copy] = field(default_factory=dict)

    def put_in_place(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of the copy of a data set; the same fields if there is none.

        Args:
            fields: Of the data as a study writes it, with `name`.
        """
        name = fields.get("name")
        if not isinstance(name, str) or not can_be_copied(name):
            return fields
        self.named.add(name)
        named = (copies.get(key) for copies in (self.given, self.remembered) for key in (name, ""))
        if (copy := next(filter(None, named), None)) is None:
            return fields
        copy = self.used[name] = replace(copy, data_set=name)
        usual = {key: DATA_SETS[name].facts[key] for key in ("preprocess", "augment", "channels")}
        place = {"root": copy.root} if copy.root else {}
        return {**usual, **fields, "name": FOLDER, "title": copy.title, "copy_of": name, **place}

    def check(self, wanted: Sequence[Copy]) -> None:
        """Check that the study names the data set of each copy that a user wants.

        Raises:
            StudyError: The study does not name a data set, or it names several where the copy is of the only one.
        """
        names = ", ".join(sorted(self.named)) or "none that can be replaced"
        for copy in wanted:
            if copy.data_set and copy.data_set not in self.named:
                raise StudyError(f"`images`: the study does not use {copy.data_set}; its data sets: {names}")
            if not copy.data_set and len(self.named) != 1:
                raise StudyError(f"`images`: give NAME=DIR with a data set of the study; its data sets: {names}")


def read_copies(texts: Sequence[str]) -> tuple[Copy, ...]:
    """The copies that a user names, each as "DIR" or "NAME=DIR".

    Args:
        texts: Such as "photos" or "cifar10=photos".

    Raises:
        RunError: There is no such data set or directory, or a data set is named twice.
    """
    found = [_read_copy(text) for text in texts]
    if len({copy.data_set for copy in found}) < len(found):
        raise RunError("`images`: a data set is given twice; give each once, as NAME=DIR")
    return tuple(found)


def can_be_copied(name: str) -> bool:
    """Whether a data set has a title of its own, so that other images can be a copy of it."""
    return name in DATA_SETS and DATA_SETS[name].title is not None and DATA_SETS[name].task == DATA_SETS[FOLDER].task


def _read_copy(text: str) -> Copy:
    """The copy that a text names."""
    name, equals, path = text.partition("=")
    if not equals or os.sep in name or not name.isidentifier():
        name, path = "", text
    elif not can_be_copied(name):
        known = allowed(name, [each for each in DATA_SETS if can_be_copied(each)])
        raise RunError(f"`images`: found '{name}'; {known}")
    root = expand(path)
    if not (root / "train").is_dir():
        raise RunError(f"`images`: {root} has no train/<class>/* inside; give a directory of class folders")
    return Copy(name, _words(root / "train"), str(root.resolve()))


def _words(folder: Path) -> str:
    """ "JPEG copy" where the first image is a JPEG file, and likewise for other formats."""
    for directory, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if kind := FORMATS.get(Path(directory, name).suffix.lower()):
                return f"{kind} copy"
    return "copy"
