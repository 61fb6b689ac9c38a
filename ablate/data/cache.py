"""Decoded images, cached once per machine. The key is the content of the files; one process at a time decodes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ablate.data.array_cache import LOCK_SECONDS, digest_arrays, kept, share
from ablate.data.data_sets import DATA_SETS, source_of
from ablate.data.decoding import has_deep_pixels, without_damaged
from ablate.data.folders import IMAGE_SUFFIXES, MOST_BYTES, open_regular_target
from ablate.data.listing import list_files, list_training_files
from ablate.data.location import Location
from ablate.data.own_data import known_own_digest, load_own, own_facts
from ablate.data.read_options import NOTHING_SAID, Facts, ReadOptions
from ablate.data.sources import Arrays, Images, Labelled, Labels, Reading, Source
from ablate.errors import DataError, RecordError
from ablate.files import hold_lock, read_file, real_directory, write_atomically

VERSION = 2  # of the decoding; after a change all images are decoded again
DIGEST_VERSION = 2  # of the digests of contents; after a change all files are hashed again
PIECE = 1 << 20  # bytes of a file that are hashed at a time


def load_images(
    name: str,
    image_size: int,
    location: Location,
    announce: Callable[[str], None] = lambda message: None,
    skip_damaged: bool = False,
    options: ReadOptions = NOTHING_SAID,
    again: bool = False,
) -> tuple[Images, str]:
    """(all images of a data set, the digest of their content as 16 hexadecimal digits).

    Args:
        name: In DATA_SETS; not a streamed one.
        image_size: Height and width in pixels.
        location: Where images are read and cached.
        announce: Receives a message before a download or the decoding.
        skip_damaged: Whether damaged images are passed over, not refused.
        options: What the study says of how they are read.
        again: Whether own code is called although its images are in the cache.

    Raises:
        DataError: Images are missing or damaged, or cannot be downloaded.
        NotationError: Own code raises an error.
    """
    return _load(name, Images, "", image_size, location, announce, skip_damaged, options, again)


def load_part(
    name: str,
    part: str,
    image_size: int,
    location: Location,
    announce: Callable[[str], None] = lambda message: None,
    skip_damaged: bool = False,
    options: ReadOptions = NOTHING_SAID,
    again: bool = False,
) -> tuple[Labelled, str]:
    """(the images of one part of a data set, the digest of their content alone as 16 hexadecimal digits).

    No file of the test images is opened, and none needs to exist. Even the cache of the whole data set is not read, since
    its name contains the digest of all files.

    Args:
        part: "train", or the name of a folder that has neither training nor test images, "val" for example; of arrays,
            tables and own code any name for validation images.
        name, image_size, location, announce, skip_damaged, options, again: As in load_images().

    Raises:
        DataError: The data set has no such part, or images are missing or damaged, or cannot be downloaded.
        NotationError: Own code raises an error.
    """
    return _load(name, Labelled, part, image_size, location, announce, skip_damaged, options, again)


def list_labels(
    name: str, location: Location, options: ReadOptions, training_only: bool = False
) -> tuple[Labels, ...] | None:
    """The labels of all training and test images of a data set, where those that a study uses are decoded alone.

    Args:
        name, location, options: As in load_images().
        training_only: Whether the labels of the training images are all that is asked for.

    Returns:
        int64 (N,) of each part; None if all images are decoded, so that they have all labels.

    Raises:
        DataError: Images are missing, or refused.
    """
    if not any(options.sizes):
        return None
    labels = source_of(name, options).labels
    return labels(location.root, training_only) if labels else None


def check_digest(expected: str | None, digest: str, location: Location, of: str = "images") -> None:
    """Check the digest of images against the one that a study gives.

    Args:
        expected: Of the study; None for any.
        digest: Of the images.
        location: Named in the error message.
        of: Which images, for the error message.

    Raises:
        DataError: The digests differ.
    """
    if expected and expected != digest:
        raise DataError(f"data.digest: the study says {expected}; the {of} in {location.root} have {digest}")


def infer_facts(name: str, location: Location, options: ReadOptions, image_size: int = 0) -> Facts:
    """What images say of themselves, for a study that does not; a plan does this.

    Of images in folders, the training folder is listed and 64 headers are read. Of arrays, a header and the labels are
    read. Of tables, the labels and the headers of the first images are read. Own code is called once for each code and
    arguments, and what it said is kept in the cache.

    Args:
        name, location, options: As in load_images().
        image_size: That the study says, in pixels; 0 if it says none.

    Raises:
        DataError: Images are missing, damaged, or nothing that can be read.
        NotationError: Own code raises an error.
    """
    if options.own:
        return own_facts(location, options, image_size or None)
    facts = source_of(name, options).facts
    assert facts is not None, f"the table of data sets says all of {name}"
    return facts(location.root)


def _load(
    name: str,
    kind: type[Arrays],
    part: str,
    image_size: int,
    location: Location,
    announce: Callable[[str], None],
    skip_damaged: bool,
    options: ReadOptions,
    again: bool,
) -> tuple[Arrays, str]:
    """The images of a part, or training and test images if `part` is ""; with the digest."""
    if options.own:
        return load_own(kind, part, image_size, location, options, announce, again)
    source, stem = source_of(name, options), f"{name}-{part}" if part else name
    reading = _reading(source, part)
    if reading is None:
        raise DataError(f"{name}: has only training and test images; use validation: {{holdout: N}} or {{folds: N}}")
    read, download, root = reading.read, source.download, location.root
    if source.package:
        path = location.cache / f"{stem}-{version(source.package)}-v{VERSION}"
        packaged = kept(path, kind, lambda: read(root, image_size), announce)
        return packaged, digest_arrays(packaged)[:16]
    if location.download and download:
        _download(name, lambda root: download(root, bool(part)), root, announce)
    files = reading.files(root)
    if not files:
        raise _missing(name, source, reading, root)
    digest = content_digest(files, location)
    path = location.cache / f"{stem}-{digest}-{image_size}-v{VERSION}{options.stem}"
    decoded = reading.decoded(root) if reading.decoded else files

    def decode() -> Arrays:
        announce(f"decoding {len(decoded):,} files of {name} into {location.cache}")
        images: Arrays = read(root, image_size)
        if content_digest(reading.files(root), location) != digest:  # the cache file has the digest in its name
            raise DataError(f"{name}: files in {root.absolute()} changed while they were decoded; run again")
        return images

    return without_damaged(kept(path, kind, decode, announce), decoded, skip_damaged), digest


def _reading(source: Source, part: str) -> Reading[Any] | None:
    """How the images of a part are read, or training and test images if it is ""; None if there is no such part."""
    if part in ("", "train"):
        return source.training if part else source.whole
    return source.other and source.other(part)


def _missing(name: str, source: Source, reading: Reading[Any], root: Path) -> DataError:
    """The error for images that are not in place."""
    if reading is source.whole and source.training.files(root):
        return DataError(
            f"{name}: {reading.looked_for} not found in {root.absolute()}: the training images are there, "
            "the test images are not"
        )
    get = "fetch it with `download`, or set" if source.download else "set"
    return DataError(
        f"{name}: {reading.looked_for} not found in {root.absolute()}; "
        f"{get} data.root in the study, `data_root` or ABLATE_DATA to where it is"
    )


def check_in_place(name: str, parts: Sequence[str], location: Location, options: ReadOptions, streamed: bool) -> None:
    """Check, where training images are in place, that other parts are too. No image is opened.

    Args:
        name, location, options: As in load_images(); not of own code, and no split.
        parts: "test", or the names of other parts.
        streamed: Whether the study streams the images.

    Raises:
        DataError: Images of a part are missing, as load_images() and list_files() say it.
    """
    source, root = source_of(name, options), location.root
    if not source.training.files(root):
        return
    for part in parts:
        reading = _reading(source, "" if part == "test" else part)
        if streamed:
            list_training_files(name, source, root, options, part)
        elif reading and not reading.files(root):
            raise _missing(name, source, reading, root)


def known_digest(
    name: str,
    location: Location,
    training_only: bool = False,
    options: ReadOptions = NOTHING_SAID,
    streamed: bool = False,
    image_size: int = 0,
    part: str = "",
) -> str | None:
    """The digest of a data set's files, or of its training part, without decoding; None if there are no files.

    Args:
        name, location, options: As in load_images().
        training_only: Whether the digest is of the training part alone.
        streamed: Whether the study streams the images.
        image_size: Height and width in pixels, for images of own code.
        part: Another part whose images are used too; "" for none.
    """
    parts = ["train" if training_only else "", *([part] if part else [])]
    digests = [_known_digest(name, each, location, options, streamed, image_size) for each in parts]
    if None in digests:
        return None
    return joined_digest(*filter(None, digests)) if part else digests[0]


def _known_digest(
    name: str, part: str, location: Location, options: ReadOptions, streamed: bool, image_size: int
) -> str | None:
    """The digest of the files of a part, or of training and test images if it is ""; None if there are no files."""
    if options.own:
        return known_own_digest(image_size, location, options, part)
    source = source_of(name, options)
    try:
        if streamed or DATA_SETS[name].streamed:
            if part:
                return list_training_files(name, source, location.root, options, part)[1]
            return list_files(name, source, location.root, options)[1]
        reading = _reading(source, part)
        files = reading.files(location.root) if reading else []
    except DataError:
        return None
    return content_digest(files, location) if files else None


def joined_digest(*digests: str) -> str:
    """One digest of several in order, 16 hexadecimal digits."""
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()[:16]


def _download(name: str, download: Callable[[Path], object], root: Path, announce: Callable[[str], None]) -> None:
    """Download what is missing or damaged, one process at a time."""
    root.mkdir(parents=True, exist_ok=True)
    announce(f"looking for {name} in {root}, fetching what is missing")
    with hold_lock(root / f".{name}.lock", LOCK_SECONDS) as free:
        if not free:
            raise DataError(f"{name}: {root / f'.{name}.lock'} was held by another process for an hour; remove it")
        try:
            download(root)
        except (DataError, OSError, RuntimeError, EOFError, tarfile.TarError, zlib.error) as error:
            raise DataError(f"{name}: could not be downloaded into {root}: {error}") from None


def content_digest(files: list[Path], location: Location) -> str:
    """SHA-256 over names and bytes of files, cut to 16 hexadecimal digits.

    The digest is cached until the size or the modification time of a file changes.

    Args:
        files: Below location.root, in order.
        location: Where images are read and cached.

    Raises:
        DataError: A file cannot be read.
    """
    listing = hashlib.sha256(b"%d\n" % DIGEST_VERSION)
    for path in files:
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be opened: {error.strerror}") from None
        listing.update(b"%s\0%d\0%d\n" % (os.fsencode(path.absolute()), status.st_size, status.st_mtime_ns))
    memo = location.cache / "digests" / listing.hexdigest()[:32]
    with contextlib.suppress(OSError, RecordError):
        if re.fullmatch(rb"[0-9a-f]{16}", known := read_file(real_directory(memo.parent) / memo.name)):
            return known.decode()
    content = hashlib.sha256()
    folder = location.root.parent if location.root in files else location.root  # where the root is the one file
    for path in files:
        _add_content(content, path, os.fsencode(path.relative_to(folder).as_posix()))
    digest = content.hexdigest()[:16]
    with contextlib.suppress(OSError, RecordError):  # then the files are hashed again the next time
        real_directory(memo.parent).mkdir(parents=True, exist_ok=True)
        share(memo.parent)
        write_atomically(memo, digest.encode())
        share(memo)
    return digest


def _add_content(digest: hashlib._Hash, path: Path, name: bytes) -> None:
    """Add the name, the size and the bytes of a file to a digest, and whether its pixels are read otherwise than before."""
    most = MOST_BYTES if path.suffix.lower() in IMAGE_SUFFIXES else None
    with open(open_regular_target(path, most), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest.update(b"%s\0%d\0" % (name, size))
        left = size
        while left and (piece := file.read(min(left, PIECE))):
            digest.update(piece)
            left -= len(piece)
        if left or file.read(1):
            raise DataError(f"{path}: changed while it was read; run again")
        file.seek(0)
        if has_deep_pixels(file):
            digest.update(b"16 bits divided by 257")
