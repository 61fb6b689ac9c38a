"""The state after an epoch, on disk: written aside, flushed, renamed, its SHA-256 beside it; two generations are kept."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from ablate.files import write_atomically

KEPT = 2


def save_checkpoint(directory: Path, epoch: int, state: dict[str, Any], keep: int = KEPT) -> None:
    """Adds the state after an epoch and removes all but the newest `keep`."""
    buffer = io.BytesIO()
    torch.save({"epoch": epoch, **state}, buffer)
    data = buffer.getvalue()
    path = directory / f"checkpoint-{epoch:06d}.pt"
    # The hash goes first: a checkpoint without its hash, or the other way round, is simply not one.
    write_atomically(_hash_path(path), hashlib.sha256(data).hexdigest().encode())
    write_atomically(path, data)
    for old in _checkpoints(directory)[keep:]:
        _remove(old)


def load_checkpoint(directory: Path) -> dict[str, Any] | None:
    """The newest intact state, on the CPU; None if there is none. A damaged one is removed."""
    for path in _checkpoints(directory):
        data = path.read_bytes()
        known = _hash_path(path).read_text() if _hash_path(path).exists() else ""
        if hashlib.sha256(data).hexdigest() == known:
            state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            return state
        print(f"{path.name} is damaged; trying the one before it")
        _remove(path)
    return None


def _checkpoints(directory: Path) -> list[Path]:
    """Newest first."""
    return sorted(directory.glob("checkpoint-[0-9]*.pt"), reverse=True)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _hash_path(path).unlink(missing_ok=True)


def _hash_path(path: Path) -> Path:
    return path.with_suffix(".sha256")
