"""The state after an epoch, on disk: written aside, flushed, renamed, its SHA-256 beside it; two generations are kept."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import torch

from ablate.files import write_atomically

KEPT = 2
VERSION = 1  # of what a state holds: another one is not read
KEYS = {"epoch", "network", "optimizer", "data_digest", "rows", "attempts"}  # of a state of this version


def save_checkpoint(directory: Path, epoch: int, state: dict[str, Any], keep: int = KEPT) -> None:
    """Adds the state after an epoch and removes all but the newest `keep`."""
    buffer = io.BytesIO()
    torch.save({"version": VERSION, "epoch": epoch, **state}, buffer)
    data = buffer.getvalue()
    path = directory / f"checkpoint-{epoch:06d}.pt"
    # The hash goes first: a checkpoint without its hash, or the other way round, is simply not one.
    write_atomically(_hash_path(path), hashlib.sha256(data).hexdigest().encode())
    write_atomically(path, data)
    keep_newest(directory, keep)


def keep_newest(directory: Path, keep: int) -> None:
    """Removes all but the newest checkpoints."""
    for old in _checkpoints(directory)[keep:]:
        _remove(old)


def load_checkpoint(directory: Path) -> dict[str, Any] | None:
    """The newest intact state, on the CPU; None if there is none.

    One that is damaged is removed, one of another version put aside, and a line says so.
    """
    found = _checkpoints(directory)
    for path, before in zip(found, [*found[1:], None]):
        then = f"going on from {before.name}" if before else "starting from the first epoch"
        data = path.read_bytes()
        state = _decode(data) if hashlib.sha256(data).hexdigest().encode() == _known_hash(path) else None
        if state is None:
            print(f"{path.name} is damaged; {then}")
            _remove(path)
            continue
        if (version := state.get("version", VERSION)) != VERSION:  # the first had none
            print(f"{path.name} is of version {version}, this is version {VERSION}; {then}")
            os.replace(path, path.with_suffix(f".version{version}"))  # what wrote it can have it back
            continue
        return state
    return None


def _decode(data: bytes) -> dict[str, Any] | None:
    """The state in some bytes, of tensors and plain values only; None if they hold something else."""
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception:  # what is no checkpoint can raise anything
        return None
    if not isinstance(state, dict) or type(version := state.get("version", VERSION)) is not int:
        return None
    return state if version != VERSION or state.keys() >= KEYS else None


def _checkpoints(directory: Path) -> list[Path]:
    """Newest first."""
    return sorted(directory.glob("checkpoint-[0-9]*.pt"), reverse=True)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _hash_path(path).unlink(missing_ok=True)


def _known_hash(path: Path) -> bytes:
    try:
        return _hash_path(path).read_bytes()
    except FileNotFoundError:
        return b""


def _hash_path(path: Path) -> Path:
    return path.with_suffix(".sha256")
