"""Archives that are downloaded, and extracted so that nothing is written outside of a directory."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ablate.errors import DataError
from ablate.files import remove


def extract_archive(archive: Path, into: Path) -> None:
    """Extract a tar archive with Python's `data` filter, which refuses every member that would be outside of `into`.

    Raises:
        DataError: This Python has no such filter.
        tarfile.TarError: The archive is damaged, or the filter refuses a member.
        OSError: A file cannot be read or written.
    """
    if not hasattr(tarfile, "data_filter"):
        raise DataError(
            f"{archive.name} cannot be extracted safely by this Python, whose tarfile has no data filter; "
            "use Python 3.10.12, 3.11.4, 3.12 or later"
        )
    with tarfile.open(archive) as file:
        file.extractall(into, filter="data")


def fetch_archives(archives: Sequence[tuple[str, str]], into: Path, made: Path) -> None:
    """Download archives and extract them, unless that was done; torchvision checks the MD5 of each.

    Args:
        archives: (address, MD5) of each.
        into: The directory to extract into.
        made: What is there after all archives were extracted.

    Raises:
        DataError: An archive cannot be extracted safely.
        OSError: A file cannot be read or written.
        RuntimeError: An archive is not the published one.
    """
    from torchvision.datasets.utils import download_url

    if made.exists():
        return
    for url, md5 in archives:
        name = url.rpartition("/")[2]
        download_url(url, str(into), name, md5)
        with tempfile.TemporaryDirectory(dir=into, prefix=".extracted") as aside:  # so that a part is never taken for all
            extract_archive(into / name, Path(aside))
            for path in Path(aside).iterdir():
                remove(into / path.name)
                path.rename(into / path.name)
