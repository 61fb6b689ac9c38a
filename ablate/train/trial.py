"""train_trial(): one trial from wherever it stands to its result, in its own directory."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Union

import torch

from ablate.data.cache import Location
from ablate.data.imagenet import ImageFiles
from ablate.data.streaming import Streamed, imagenet_normalization, take_files
from ablate.data.tensors import Normalization, Part, fit_normalization, take_part
from ablate.errors import RecordError
from ablate.files import hold_lock
from ablate.nets.build import build, checkpoint_blocks
from ablate.nets.custom import check_code, look_in
from ablate.records.records import (
    Row,
    append_epoch,
    begin_attempt,
    open_trial,
    trial_directory,
    write_epochs,
    write_result,
)
from ablate.study.study import Data
from ablate.train.checkpoint import load_checkpoint, save_checkpoint
from ablate.train.images import Kept, load_checked
from ablate.train.job import Job
from ablate.train.loop import evaluate, train_epoch
from ablate.train.optimization import make_optimizer, start_epoch
from ablate.train.provenance import provenance
from ablate.train.randomness import generator

PATIENCE = 0.5  # seconds for a lock, which `ablate status` may be trying at that moment
FINAL = ("test_error", "test_top5_error", "test_loss", "train_error", "train_loss")  # of the last epoch, into the result

Report = Callable[[dict[str, Any]], None]


def train_trial(job: Job, stop: Callable[[], bool], report: Report) -> str:
    """Trains a trial to its result, resuming from its checkpoint.

    report() is given each epoch's row and images per second; when stop() holds at the end of an epoch, the state is
    kept and training ends. Returns "completed", "diverged", "interrupted", "recorded" (there was nothing to do) or
    "busy" (another process trains it). A resumed trial equals an uninterrupted one bit for bit on the same device.
    """
    directory = trial_directory(job.runs, job.trial.id)
    open_trial(directory, job.trial.definition)
    with hold_lock(directory / "lock", PATIENCE) as free:
        if not free:
            return "busy"
        if (directory / "result.json").exists():
            return "recorded"
        begin_attempt(directory)
        try:
            return _train(job, directory, stop, report)
        finally:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()  # what this trial no longer needs, its neighbour on the GPU may


def _train(job: Job, directory: Path, stop: Callable[[], bool], report: Report) -> str:
    trial, recipe = job.trial, job.trial.recipe
    device = configure(job.device)
    train_part, test_part, normalization, digest = _load(trial.data, job.location, device)
    this_attempt = {**provenance(device), "started": _now()}
    if trial.architecture.code:
        look_in(*job.folders)
        check_code(trial.architecture)
    network = build(trial.blueprint, generator(trial.seed, "initialization"))
    if recipe.checkpoint_activations == "blocks":
        checkpoint_blocks(network)
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = make_optimizer(recipe, network)

    rows: list[Row] = []
    earlier: list[dict[str, Any]] = []  # the attempts that this one continues
    if checkpoint := load_checkpoint(directory):
        if checkpoint["data_digest"] != digest:
            raise RecordError(
                f"{directory}: begun on images of digest {checkpoint['data_digest']}, now {digest}; "
                "restore the images, give the new ones another data.title, or use another --runs"
            )
        network.load_state_dict(checkpoint["network"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        rows, earlier = checkpoint["rows"], checkpoint["attempts"]
    write_epochs(directory, rows)

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    top5 = trial.data.name == "imagenet"
    saved_at = time.monotonic()
    for epoch in range(len(rows) + 1, recipe.epochs + 1):
        rate = start_epoch(recipe, optimizer, epoch)
        begin = time.monotonic()
        train = train_epoch(network, optimizer, train_part, normalization, trial.data, recipe, trial.seed, epoch)
        middle = time.monotonic()
        test = evaluate(network, test_part, normalization, recipe, top5)
        end = time.monotonic()
        row: Row = {
            "epoch": epoch,
            "lr": rate,
            "train_loss": train.loss,
            "train_error": train.error,
            "test_loss": test.loss,
            "test_error": test.error,
            **({"test_top5_error": test.top5_error} if top5 else {}),
            "train_seconds": middle - begin,
            "test_seconds": end - middle,
        }
        append_epoch(directory, row)
        rows.append(row)
        report({**row, "epochs": recipe.epochs, "images_per_second": train.images / (middle - begin)})
        if not (math.isfinite(train.loss) and math.isfinite(test.loss)):
            break
        last, stopping = epoch == recipe.epochs, stop()
        due = bool(job.checkpoint_epochs) and epoch % job.checkpoint_epochs == 0
        due = due or 0 < job.checkpoint_seconds <= end - saved_at
        if due or last or stopping:
            state = {
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "data_digest": digest,
                "rows": rows,
                "attempts": [*earlier, {**this_attempt, "last_epoch": epoch}],
            }
            save_checkpoint(directory, epoch, state, **({"keep": 1} if last else {}))
            saved_at = time.monotonic()
        if stopping and not last:
            return "interrupted"

    final = rows[-1]
    diverged = not all(isinstance(final[key], float) and math.isfinite(final[key]) for key in ("train_loss", "test_loss"))
    status = "diverged" if diverged else "completed"
    seconds = {key: sum(row[key] for row in rows) for key in ("train_seconds", "test_seconds")}
    result = {
        "status": status,
        "epoch_rule": "last",
        "epochs": len(rows),
        **{key: None if diverged else final[key] for key in FINAL if key in final},
        **seconds,
        "peak_memory_bytes": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        "train_images": len(train_part.labels),
        "test_images": len(test_part.labels),
        "data_digest": digest,
        "provenance": {**this_attempt, "finished": _now()},
        "earlier_attempts": earlier,
    }
    write_result(directory, result)
    return status


def configure(device: str) -> torch.device:
    """The device, with float32 as the paper means it (no TF32) and only algorithms that give the same bits again."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(True)
    # Filling new tensors first would show a read of unset memory; it costs a write each and changes no right result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device(device)


Loaded = tuple[Union[Part, Streamed], Union[Part, Streamed], Normalization, str]
_loaded: dict[Any, Loaded] = {}  # the worker's next trial most often wants the same
_whole: Kept = {}  # or another fold of the same


def _load(data: Data, location: Location, device: torch.device) -> Loaded:
    """Training and test images for the device, the normalization fitted to the former, and the digest of the files."""
    key = (data, location, device)
    if key not in _loaded:
        _loaded.clear()
        if data.held_out is None:
            _whole.clear()
        images, digest = load_checked(data, location, print, _whole)
        if isinstance(images, ImageFiles):
            train, test = (take_files(part, data.image_size, device) for part in images)
            _loaded[key] = train, test, imagenet_normalization(data.preprocess, device), digest
        else:
            resident = take_part(images.train_images, images.train_labels, device)
            tested = take_part(images.test_images, images.test_labels, device)
            _loaded[key] = resident, tested, fit_normalization(data.preprocess, resident.images), digest
    return _loaded[key]


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
