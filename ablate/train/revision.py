"""The revision of ablate's source code, found without torch."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path

import ablate


@lru_cache(maxsize=1)
def revision() -> str | None:
    """The git commit of the code, with "+" if it has uncommitted changes; None if the code is not in a checkout."""
    package = Path(ablate.__file__).parent

    def git(*words: str) -> str:
        command = ["git", "-C", str(package), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != package.parent:
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None
