"""The console script in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Command = Callable[..., "subprocess.CompletedProcess[str]"]  # the fixture `ablate` of tests/commands


def command_line(*words: object) -> list[str]:
    return [str(Path(sys.executable).with_name("ablate")), *map(str, words)]
