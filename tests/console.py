"""The console script in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Command = Callable[..., "subprocess.CompletedProcess[str]"]  # the fixture `ablate` of tests/commands

LIGHT = """
import sys
from ablate.commands.cli import main
for line in sys.argv[1:]:
    sys.argv = ["ablate", *line.split()]
    try:
        main()
    except SystemExit as end:
        print("\\nafter:", line, end.code, sorted({"torch", "pandas", "matplotlib"} & set(sys.modules)))
"""


def command_line(*words: object) -> list[str]:
    return [str(Path(sys.executable).with_name("ablate")), *map(str, words)]


def start_forked(*words: object, cwd: Path, before: str = "") -> subprocess.Popen[str]:
    """The console script in a fork of this process, which is not waited for. Its output has both streams.

    It is given a device, because the fixture `ablate` trains trials inline where that is chosen automatically.
    before: code that the fork runs before.
    """
    from forked import Forked

    line = ["ablate", *map(str, words), "--device", "cpu"]
    code = f"{before}import sys; sys.argv = {line!r}; from ablate.__main__ import main; main()"
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return Forked([sys.executable, "-c", code], cwd=cwd, text=True, **streams)


def heavy_imports(*lines: str, cwd: Path) -> list[str]:
    """What is said after each of some commands in one process: its exit code, and which slow packages are imported."""
    done = subprocess.run([sys.executable, "-c", LIGHT, *lines], cwd=cwd, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.startswith("after:")]
