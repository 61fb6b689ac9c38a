"""Where images are read and cached. No numpy here, which a plan does not need."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ablate.files import expand


class Location(NamedTuple):
    """Where images are read and cached.

    Args:
        root: Directory of the data sets' files.
        cache: Directory of the decoded images.
        download: Whether missing files may be downloaded.
        fixed: Whether root takes precedence over the root that a study gives.
    """

    root: Path
    cache: Path
    download: bool = False
    fixed: bool = False

    def of(self, root: str | None) -> Location:
        """The location of a data set with the root that a study gives.

        Args:
            root: `data.root` of the study; None if it gives none.
        """
        return self._replace(root=expand(root)) if root and not self.fixed else self


def find_location(root: str | Path | None, download: bool = False) -> Location:
    """The location that a reader names, or the default one.

    Args:
        root: Directory of the data sets' files, in place of the root that a study gives; None: the default one.
        download: Whether missing files may be downloaded.
    """
    return Location(expand(root) if root else default_root(), default_cache(), download, root is not None)


def default_root() -> Path:
    """The path in $ABLATE_DATA, or data/ in the current directory."""
    return expand(os.environ.get("ABLATE_DATA") or "data")


def default_cache() -> Path:
    """The path in $ABLATE_CACHE, or ablate/ in the user's cache directory; see array_cache where neither can be used."""
    if told := os.environ.get("ABLATE_CACHE"):
        return expand(told)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ablate"
    except RuntimeError:  # a user without a home directory: a path that cannot be used, so there is no cache
        return Path(os.devnull) / "ablate"
