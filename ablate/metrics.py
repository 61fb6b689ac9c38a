"""log(): how a training program in Python hands its numbers over. It imports little, so a program starts no slower."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import SupportsFloat

TRIAL = "ABLATE_TRIAL"  # environment variable: the directory of the program's own files
METRICS = "metrics.jsonl"  # in it


def log(*, epoch: int | None = None, **values: SupportsFloat) -> None:
    """Report the numbers of an epoch: `ablate.log(epoch=3, val_error=7.1)`.

    The row is on disk when the call returns, so an epoch that was reported is never lost. Several calls for one epoch are
    one row. Outside a run of ablate the row is printed.

    Args:
        epoch: Its number, from 0 or 1; larger than that of the epoch before. None: the program counts no epochs, or goes
            on with the present one.
        values: Numbers by name; also scalars of NumPy and torch. What is not finite counts as diverged.

    Raises:
        TypeError: A value is no number.
        OSError: The row cannot be written.
    """
    row = {name: value if isinstance(value, int) else float(value) for name, value in values.items()}
    text = json.dumps(row if epoch is None else {"epoch": int(epoch), **row})
    if folder := os.environ.get(TRIAL):
        from ablate.files import append_durably

        append_durably(Path(folder) / METRICS, f"{text}\n".encode())
    else:
        print(text, file=sys.stdout, flush=True)
