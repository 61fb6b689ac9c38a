"""The console script, called in this process: it has torch imported, and a training needs no process of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from console import Command

from ablate.commands.cli import main
from ablate.launch.connections import open_backend
from ablate.launch.options import RunOptions


@pytest.fixture
def ablate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Calls the console script in the test's folder; keywords are environment variables. Trials are trained inline."""
    monkeypatch.delenv("ABLATE_STORAGE", raising=False)
    monkeypatch.chdir(tmp_path)

    def inline(runs: Path, options: RunOptions, *more: Any) -> Any:
        return open_backend(runs, replace(options, inline=options.device == "auto"), *more)

    for module in ("ablate.launch.run", "ablate.search.run"):
        monkeypatch.setattr(f"{module}.open_backend", inline)

    def call(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        torch.set_num_threads(1)
        line = ["ablate", *map(str, words)]
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
            patch.setattr(sys, "argv", line)
            for name, value in environment.items():
                patch.setenv(name, value)
            main()
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(line, int(ended.value.code or 0), out, err)

    return call
