"""The files of DIR/PART/<class>/: each is an image, is skipped for a reason and counted, or is refused.

Paths are bytes, because a file's name need not be text. Links are followed, and each folder is read once for a class.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ablate.errors import DataError, printable
from ablate.files import KINDS

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".jfif", ".jpe", ".pbm", ".pnm",
)  # fmt: skip
# Formats that are not read.
UNREAD_SUFFIXES = (
    ".gif", ".heic", ".heif", ".hif", ".avif", ".jxl", ".svg", ".svgz", ".psd", ".psb", ".xcf", ".jp2", ".j2k",
    ".jpf", ".jpx", ".jpm", ".j2c", ".jpc", ".tga", ".ico", ".cur", ".icns", ".pcx", ".xbm", ".xpm", ".exr", ".hdr",
    ".pfm", ".dcm", ".eps", ".wmf", ".emf", ".dds", ".sgi", ".qoi", ".dib", ".apng", ".mng", ".djvu", ".fits",
    ".raw", ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2", ".raf", ".pef",
    ".srw", ".x3f", ".3fr", ".erf", ".kdc", ".mrw", ".iiq",
)  # fmt: skip
# Files that are no images, whatever is in them; all other suffixes are judged by the first bytes.
OTHER_SUFFIXES = (
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".md", ".rst", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg",
    ".conf", ".html", ".htm", ".db", ".sqlite", ".log", ".lock", ".py", ".ipynb", ".sh", ".bat", ".url", ".lnk",
    ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".zip", ".tar", ".gz", ".7z", ".mat", ".npy", ".npz", ".pkl", ".pt",
    ".h5", ".md5", ".sha256",
)  # fmt: skip
FIRST_BYTES = (
    (b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"GIF8", "GIF"),
    (b"II+\0", "BigTIFF"), (b"MM\0+", "BigTIFF"), (b"8BPS", "PSD"), (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"), (b"\0\0\0\x0cjP  ", "JPEG 2000"), (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x76\x2f\x31\x01", "EXR"), (b"DDS ", "DDS"), (b"\0\0\1\0", "ICO"), (b"icns", "ICNS"), (b"qoif", "QOI"),
    (b"#?RADIANCE", "HDR"), (b"FUJIFILM", "raw"), (b"IIRO", "raw"), (b"IIU\0", "raw"), (b"gimp xcf", "XCF"),
    (b"%!PS-Adobe", "PostScript"), (b"SIMPLE  =", "FITS"), (b"AT&TFORM", "DjVu"),
)  # fmt: skip
BRANDS = b"heic heix heim heis hevc hevx hevm hevs mif1 msf1 avif avis".split()  # of a file that begins as an MP4 film does
IMAGE_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")  # without EPS, for which Pillow runs Ghostscript
MOST_BYTES = 1 << 30  # of an image file; more than MOST_PIXELS take without compression
NAMED = 10  # files that a message names
CLASSES = 20  # classes that a line names
# Do not wait for the other end of a pipe, pass the file on to no other program; O_BINARY: Windows.
_SAFELY = sum(getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"))
BESIDE, HIDDEN, OTHER, AGAIN, DAMAGED = (
    "beside the class folders", "hidden", "no image", "a folder that was read already", "damaged",
)  # fmt: skip

FileCounts = dict[str, dict[str, dict[str, int]]]  # by part and class: {"read": images, reason: files skipped}


class Part(NamedTuple):
    """The files of one part of a data set.

    Args:
        folder: The directory of the part.
        images: The paths of the images below `folder`, in order, by class. The classes are sorted.
        passed_over: How many files are no images of the class, by class and reason; class b"": beside the class folders.
        refused: The paths of files that must not be left out and cannot be read, by what they are.
    """

    folder: bytes
    images: dict[bytes, list[bytes]]
    passed_over: dict[bytes, Counter[str]]
    refused: dict[str, list[bytes]]

    @property
    def files(self) -> list[tuple[bytes, Path]]:
        """(class, path) of each image, in order."""
        folder = Path(os.fsdecode(self.folder))
        return [(name, folder / os.fsdecode(path)) for name, paths in self.images.items() for path in paths]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """The number of images read and of files skipped by reason, by class."""
        classes = sorted({*self.images, *(name for name, reasons in self.passed_over.items() if reasons)})
        return {
            printable(os.fsdecode(name)): {
                **({"read": len(self.images[name])} if name in self.images else {}),
                **self.passed_over.get(name, {}),
            }
            for name in classes
        }


_NOT_READ = "{} in a format that is not read ({}); convert them to PNG or JPEG, or move them out of the class folders"
_NOT_NAMED = "{} whose name has no suffix that is read ({}); give them the suffix of their format, such as .jpg"
_NO_FILE = "{} that cannot be opened, or no regular file ({}); remove them or their links"


def open_regular_target(path: str | bytes | Path, most: int | None = None) -> int:
    """Open a regular file, or the one that a link leads to, and return its descriptor. The call never waits.

    Args:
        path: Of a file that others keep, such as an image.
        most: How many bytes it may have; None: any number.

    Raises:
        DataError: Something else is in its place, or it is larger, or cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _SAFELY)
    except OSError as error:
        raise DataError(f"{os.fsdecode(path)}: cannot be opened: {error.strerror}") from None
    found, wrong = os.fstat(descriptor), ""
    if not stat.S_ISREG(found.st_mode):
        wrong = f"is {KINDS.get(stat.S_IFMT(found.st_mode), 'of another kind')}, not a regular file"
    elif most is not None and found.st_size > most:
        wrong = f"{found.st_size:,} bytes; allowed: {most:,}"
    if wrong:
        os.close(descriptor)
        raise DataError(f"{os.fsdecode(path)}: {wrong}; remove it")
    return descriptor


def walk(folder: str | Path, files_first: bool = False) -> Part:
    """The files in and below the class folders of one part. None is opened, except to judge a suffix that is not known.

    Args:
        folder: The directory of the part; if there is none, the part is empty.
        files_first: Whether the files of a folder come before its folders; otherwise all are in the order of their names.
    """
    part = Part(os.fsencode(folder), {}, {}, {})

    def entries(directory: bytes) -> list[os.DirEntry[bytes]]:
        try:
            with os.scandir(directory) as found:
                return sorted(found, key=lambda entry: (files_first and stat.S_ISDIR(_mode(entry)), entry.name))
        except OSError:
            part.refused.setdefault(_NO_FILE, []).append(directory)
            return []

    above = {_identity(parent) for parent in (folder, *Path(os.path.realpath(folder)).parents)}
    for top in entries(part.folder) if os.path.isdir(part.folder) else ():
        name = top.name if stat.S_ISDIR(_mode(top)) and not top.name.startswith(b".") else b""
        over = part.passed_over.setdefault(name, Counter())
        seen, stack = set(above), [(top, False)]
        while stack:
            entry, hidden = stack.pop()
            hidden = hidden or entry.name.startswith(b".")
            mode, suffix = _mode(entry), os.fsdecode(os.path.splitext(entry.name)[1]).lower()
            if stat.S_ISDIR(mode) and not (hidden and entry.is_symlink()):
                if (identity := _identity(entry.path)) in seen:
                    over[AGAIN] += 1
                else:
                    seen.add(identity)
                    stack += [(inner, hidden) for inner in reversed(entries(entry.path))]
            elif hidden or suffix in OTHER_SUFFIXES:
                over[HIDDEN if hidden else OTHER] += 1
            elif not name:
                over[BESIDE] += 1
            elif wrong := _wrong(entry, mode, suffix):
                part.refused.setdefault(wrong, []).append(entry.path)
            elif suffix in IMAGE_SUFFIXES:
                part.images.setdefault(name, []).append(entry.path[len(part.folder) + 1 :])
            else:
                over[OTHER] += 1
        if name:
            part.images.setdefault(name, [])
    return part


def _mode(entry: os.DirEntry[bytes]) -> int:
    """The type of a file or folder, or of what a link leads to; 0 if it leads nowhere."""
    try:
        if entry.is_file(follow_symlinks=False):
            return stat.S_IFREG
        return stat.S_IFDIR if entry.is_dir(follow_symlinks=False) else os.stat(entry.path).st_mode
    except OSError:
        return 0


def _identity(path: str | bytes | Path) -> tuple[int, int] | None:
    """What is the same for all paths of a directory; None if it went away."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _wrong(entry: os.DirEntry[bytes], mode: int, suffix: str) -> str:
    """Why a file in a class folder is refused, as the form of a message; "" if it is not."""
    if not stat.S_ISREG(mode):
        return _NO_FILE
    if suffix in IMAGE_SUFFIXES:
        return ""
    if suffix in UNREAD_SUFFIXES:
        return _NOT_READ
    try:
        with open(open_regular_target(entry.path), "rb") as file:
            found = format_of(file.read(1024))
    except (DataError, OSError):
        return _NO_FILE
    return "" if not found else _NOT_NAMED if found in IMAGE_FORMATS else _NOT_READ


def format_of(head: bytes) -> str:
    """The format of an image; "" if the file is no image.

    Args:
        head: The first bytes of the file, 1024 if it has so many.
    """
    for first, name in FIRST_BYTES:
        if head.startswith(first):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "BMP"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace() and head[3:4] in b"#0123456789":
        return "PPM"
    if head[4:8] == b"ftyp" and head[8:12] in BRANDS:
        return "HEIC or AVIF"
    return "DICOM" if head[128:132] == b"DICM" else "SVG" if b"<svg" in head else ""


def walk_parts(root: Path, names: Sequence[str], files_first: bool = False) -> list[Part]:
    """The files of some parts.

    Args:
        root: The directory of the parts.
        names: Of the parts, such as "train".
        files_first: As in walk().

    Raises:
        DataError: Files are refused; the message names the first of each kind.
    """
    parts = [walk(root / name, files_first) for name in names]
    refused: dict[str, list[bytes]] = {}
    for part in parts:
        for what, paths in part.refused.items():
            refused.setdefault(what, []).extend(paths)
    if refused:
        told = (
            what.format(_counted(len(paths)), name_some(os.path.relpath(path, os.fsencode(root)) for path in paths))
            for what, paths in refused.items()
        )
        raise DataError(f"{root}: {'; '.join(told)}")
    return parts


def _counted(files: int) -> str:
    return f"{files:,} {'file' if files == 1 else 'files'}"


def name_some(names: Iterable[bytes | str]) -> str:
    """The first names or paths, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - NAMED:,} more" if len(listed) > NAMED else ""
    return ", ".join(map(os.fsdecode, listed[:NAMED])) + more


def check_classes(root: Path, parts: Mapping[str, Iterable[bytes | str]]) -> None:
    """Check that two parts have the same classes.

    Args:
        root: The directory of the parts.
        parts: The classes that have images, by the name of the part.

    Raises:
        DataError: A class has no image in one of the parts.
    """
    (one, first), (other, second) = ((name, set(classes)) for name, classes in parts.items())
    if odd := sorted(first ^ second):
        lacking = [
            f"in {has} but not in {lacks}: {name_some(sorted(names))}"
            for has, lacks, names in ((one, other, first - second), (other, one, second - first))
            if names
        ]
        raise DataError(
            f"{root}: {one} and {other} have different classes: {name_some(odd)} only in one of them "
            f"(images {'; '.join(lacking)}); add the images that are missing, or remove the folders"
        )


def count_files(parts: Iterable[Part]) -> FileCounts:
    """The number of files read and skipped, by part and class."""
    return {printable(os.fsdecode(os.path.basename(part.folder))): part.counts for part in parts}


def describe_counts(counts: FileCounts) -> list[str]:
    """One line per part, such as "train: cat 8, dog 2; skipped: dog 1 hidden, 3 no image"."""
    lines = []
    for part, classes in counts.items():
        read = {name: found["read"] for name, found in classes.items() if "read" in found}
        shown = [f"{name} {n:,}" for name, n in list(read.items())[:CLASSES]]
        if (more := list(read.values())[CLASSES:]) and sum(more):
            shown.append(f"{sum(more):,} images of {len(more):,} more classes")
        line = f"{part}: {', '.join(shown) or 'no class'}"
        over = describe_passed_over(classes)
        lines.append(f"{line}; skipped: {over}" if over else line)
    return lines


def describe_passed_over(classes: Mapping[str, Mapping[str, int]]) -> str:
    """The skipped files of a part, such as "dog 1 hidden, 3 no image"; "" if there are none."""
    over = {name: {why: n for why, n in found.items() if why != "read"} for name, found in classes.items()}
    over = {name: reasons for name, reasons in over.items() if reasons}
    told = [
        " ".join(filter(None, [name, ", ".join(f"{n:,} {why}" for why, n in reasons.items())]))
        for name, reasons in list(over.items())[:CLASSES]
    ]
    rest = [sum(reasons.values()) for reasons in list(over.values())[CLASSES:]]
    return "; ".join([*told, *([f"{_counted(sum(rest))} of {len(rest):,} more classes"] if rest else [])])
