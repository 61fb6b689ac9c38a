"""Checkpoints: the state of a trial after an epoch, on disk.

A checkpoint is written to a temporary file, flushed and renamed, with its SHA-256 in a second file. The two newest
checkpoints are kept, and of a finished trial the newest, whose optimizer is None: no step is left to take.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ablate.errors import DataError, NotationError
from ablate.files import read_file, write_atomically
from ablate.study.recipe import Recipe

KEPT = 2  # checkpoints of a trial
MOST = 2**34  # bytes of a checkpoint
SLACK = 2**28  # bytes of a checkpoint beside weights and optimizer: rows, provenance, names
NAME = re.compile(r"checkpoint-[0-9]{6,9}\.pt")
VERSION = 1  # of the content of a state: a state of another version is not read
KEYS = {"epoch", "network", "optimizer", "data_digest", "rows", "attempts"}  # of a state of this version


def save_checkpoint(directory: Path, epoch: int, state: dict[str, Any]) -> None:
    """Write a checkpoint and remove all but the newest ones.

    Args:
        directory: Of the trial.
        epoch: That has ended, from 1.
        state: Tensors and plain values by the names in KEYS, without "epoch".
    """
    buffer = io.BytesIO()
    torch.save({"version": VERSION, "epoch": epoch, **state}, buffer)
    data = buffer.getbuffer()  # no copy: it has twice the size of the weights
    path = directory / f"checkpoint-{epoch:06d}.pt"
    # The hash is written first: a hash without a checkpoint is ignored, a checkpoint without its hash is damaged.
    write_atomically(_hash_path(path), hashlib.sha256(data).hexdigest().encode())
    write_atomically(path, data)
    keep_newest(directory, KEPT)


def check_state(state: dict[str, Any]) -> None:
    """Check that a state could be read again, as a user's own code may keep other values in it.

    Args:
        state: As in save_checkpoint().

    Raises:
        NotationError: It could not.
    """
    buffer = io.BytesIO()
    try:
        torch.save(state, buffer)
        torch.load(io.BytesIO(buffer.getbuffer()), map_location="cpu", weights_only=True)
    except (pickle.PickleError, AttributeError, TypeError, RuntimeError) as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = found[1] if found else type(error).__name__
        raise NotationError(
            f"own code has a state that no checkpoint can hold ({what}); allowed: tensors and plain values"
        ) from None


def keep_newest(directory: Path, keep: int) -> None:
    """Remove all but the newest checkpoints.

    Args:
        directory: Of the trial.
        keep: How many checkpoints remain.
    """
    for old in _checkpoints(directory)[keep:]:
        _remove(old)


def weight_bytes(network: nn.Module) -> int:
    """The bytes of a network's weights and running statistics."""
    return sum(tensor.nbytes for tensor in network.state_dict().values() if isinstance(tensor, Tensor))


def most_bytes(network: nn.Module, recipe: Recipe) -> int:
    """How many bytes a checkpoint of a trial may have; a reader's own code may keep as much as it likes, up to MOST."""
    return MOST if recipe.own_code else 8 * weight_bytes(network) + SLACK


def load_checkpoint(directory: Path, most: int = MOST) -> dict[str, Any] | None:
    """Load the newest intact state of the trial, with its tensors on the CPU; None if there is none.

    A checkpoint that is damaged or another trial's is removed, and one of another version is renamed; both print a line.

    Args:
        directory: Of the trial.
        most: How many bytes a checkpoint of this trial may have; a larger one is damaged.

    Raises:
        RecordError: Something other than a file is in the place of a checkpoint.
    """
    found = _checkpoints(directory)
    for path, before in zip(found, [*found[1:], None]):
        then = f"going on from {before.name}" if before else "starting from the first epoch"
        state = _intact(path, most)
        if state is None or _owner(state, directory) != directory.name:
            print(f"{path.name} is {'of another trial' if state else 'damaged'}; {then}")
            _remove(path)
            continue
        if (version := state.get("version", VERSION)) != VERSION:  # states of version 1 may lack the number
            print(f"{path.name} is of version {version}, this is version {VERSION}; {then}")
            os.replace(path, path.with_suffix(f".version{version}"))  # kept for the release that wrote it
            continue
        return state
    return None


def read_checkpoint(directory: Path, epoch: int, most: int) -> dict[str, Any]:
    """The state of a trial after an epoch, with its tensors on the CPU. Nothing is written or removed.

    Args:
        directory: Of the trial.
        epoch: That the state must be of.
        most: As in load_checkpoint().

    Raises:
        DataError: There is no intact state of this epoch.
        RecordError: Something other than a file is in the place of the checkpoint.
    """
    path = directory / f"checkpoint-{epoch:06d}.pt"
    remedy = "without it the trial has no network; train it again in another directory, with `runs`"
    if not os.path.lexists(path):
        raise DataError(f"{path}: there is no such checkpoint; {remedy}")
    state = _intact(path, most)
    if state is None or state.get("version", VERSION) != VERSION or _owner(state, directory) != directory.name:
        raise DataError(f"{path}: damaged, of another trial or of another version of ablate; {remedy}")
    return state


def _intact(path: Path, most: int) -> dict[str, Any] | None:
    """The state in a checkpoint that has its hash and is not too large; None for any other."""
    data = read_file(path, most) if path.lstat().st_size <= most else b""
    return _decode(data) if hashlib.sha256(data).hexdigest().encode() == _known_hash(path) else None


def _owner(state: dict[str, Any], directory: Path) -> Any:
    """The id of the trial whose state it is. Older states do not say it."""
    return state.get("trial", directory.name)


def _decode(data: bytes) -> dict[str, Any] | None:
    """Decode a state of tensors and plain values; None if the bytes are something else."""
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception:  # bytes that are not a checkpoint can raise any exception
        return None
    if not isinstance(state, dict) or type(version := state.get("version", VERSION)) is not int:
        return None
    return state if version != VERSION or state.keys() >= KEYS else None


def _checkpoints(directory: Path) -> list[Path]:
    """The paths of the checkpoints, newest first."""
    found = (path for path in directory.glob("checkpoint-*.pt") if NAME.fullmatch(path.name))
    return sorted(found, key=lambda path: int(path.stem.removeprefix("checkpoint-")), reverse=True)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _hash_path(path).unlink(missing_ok=True)


def _known_hash(path: Path) -> bytes:
    try:
        return read_file(_hash_path(path))
    except FileNotFoundError:
        return b""


def _hash_path(path: Path) -> Path:
    return path.with_suffix(".sha256")
