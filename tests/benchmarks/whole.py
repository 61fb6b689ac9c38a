"""A whole command in a process of its own, as a user types it: with its start, its output and its peak memory."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ablate.errors import RunError

# Linux alone tells the peak of a process apart from that of the process that started it.
SCRIPT = """\
import atexit, pathlib, shutil, sys
status, said = pathlib.Path("/proc/self/status"), sys.argv.pop(1)
if status.exists():
    atexit.register(lambda: shutil.copyfile(status, said))
from ablate.__main__ import main
main()
"""


def run_command(words: Sequence[str]) -> float:
    """Run `ablate` with some words, and return its peak memory in MiB; NaN where the system does not tell it.

    Args:
        words: Of the command line.

    Raises:
        RunError: The command failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "status"
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(said), *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        if done.returncode:
            raise RunError(f"ablate {words[0]}: {done.stderr.strip()}")
        return peak_of(said.read_text()) if said.exists() else float("nan")


def peak_of(status: str) -> float:
    """The peak memory in MiB that a text such as /proc/self/status says.

    Args:
        status: The text.
    """
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(peak) / 2**10
