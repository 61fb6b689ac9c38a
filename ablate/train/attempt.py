"""Attempt: a trial in memory, trained from its last checkpoint, and the files that it writes while it trains."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ablate.errors import DataError, RecordError, RunError
from ablate.kinds.hooks import Hooks
from ablate.kinds.measures import OwnMeasure, key_of
from ablate.nets.custom import check_code
from ablate.nets.notation import format_architecture
from ablate.own_modules import look_in
from ablate.records.attempts import note_running, utc_now, write_result
from ablate.records.code import has_code, normalized_codes
from ablate.records.epochs import Row, append_epoch, write_epochs
from ablate.records.logits import TESTED
from ablate.records.records import trial_directory
from ablate.records.result import CODE, FINAL
from ablate.study.tasks import CLASSIFICATION
from ablate.train.batches import TrainingBatches
from ablate.train.checkpoint import check_state, keep_newest, load_checkpoint, most_bytes, save_checkpoint, weight_bytes
from ablate.train.job import Job
from ablate.train.last_epoch import LastEpoch
from ablate.train.optimization import make_optimizer, restore, start_epoch
from ablate.train.passes import Scores
from ablate.train.precision import choose_precision
from ablate.train.process_group import ALONE, ProcessGroup
from ablate.train.provenance import provenance
from ablate.train.setup import ImageCache, network_of
from ablate.train.side_by_side import SideBySide
from ablate.train.training import Training

CHECKPOINT_SHARE = 0.01  # of the time since the last checkpoint, that one may cost
LEAST_SECONDS, WRITTEN_A_SECOND = 0.001, 2e8  # what the first checkpoint is taken to cost: seconds, and bytes a second

SendEvent = Callable[[dict[str, Any]], None]


class Attempt:
    """A trial in memory, trained from its last checkpoint.

    Args:
        job: The trial and where it is trained.
        device: From configure().
        group: The ranks that train the trial together; only rank 0 reads and writes the trial's directory.
        images: Loads the images and keeps them for the next trial; None: a cache for this trial only.

    Raises:
        AblateError: The trial cannot be trained.
    """

    def __init__(
        self, job: Job, device: torch.device, group: ProcessGroup = ALONE, images: ImageCache | None = None
    ) -> None:
        trial, recipe = job.trial, job.trial.recipe
        if job.auto_precision and (here := choose_precision([str(device)])).name != job.auto_precision:
            told = f"{job.auto_precision} in this run; for {here.device} it is {here.name}"
            raise RunError(f"recipe.precision: auto is {told}; name a precision in the study")
        self.group = group
        self.job, self.recipe, self.device = job, recipe, device
        self.directory = trial_directory(job.runs, trial.id)
        if has_code(trial.definition):
            look_in(*job.folders)
        images = images or ImageCache()
        train_part, test_part, normalization, self.digest, final_part = images.load(trial.data, job.location, device)
        self.image_facts = dict(images.facts)
        if job.digest and self.digest != job.digest:
            raise DataError(f"images of digest {self.digest}, {job.digest} when the run began; restore them and run again")
        self.made: dict[str, Any] = {**provenance(device), "side_by_side": 1, "started": utc_now()}
        look_in(*job.folders)
        if trial.architecture.code:
            check_code(trial.architecture)
        for own in trial.own_code:
            own.check_unchanged()
        self.hooks = Hooks(recipe.python) if recipe.python else None
        self.normalized = normalized_codes(trial.definition)
        self.network = network_of(trial, device, job.location.cache)
        averaged = recipe.ema.decay > 0
        self.average = network_of(trial, device, job.location.cache) if averaged else None
        file = trial.data.task.weights_of(format_architecture(trial.architecture))
        self.weights = hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file else ""
        self.optimizer = make_optimizer(recipe, self.network, hooks=self.hooks)
        self.rows: list[Row] = []
        self.earlier: list[dict[str, Any]] = []  # the provenance of the attempts that this one continues
        batches = TrainingBatches(train_part, normalization, trial.data, recipe, trial.seed, group)
        state = self._resume()
        distributed = group.distribute(self.network)
        self.training = Training(distributed, self.optimizer, batches, recipe, job.plain, self.average, self.hooks)
        if self.average and state.get("average"):
            self.average.load_state_dict(state["average"])
        if self.training.scaler and state.get("scaler"):
            self.training.scaler.load_state_dict(state["scaler"])
        networks: dict[str, nn.Module] = {TESTED: self.average or self.network}
        if self.average and trial.data.keep.weights == "both":
            networks["trained"] = self.network
        self.last = LastEpoch(job, dict(images.positions), networks, averaged, normalization, self.hooks, group)
        self.testing = self.last.testing(test_part)
        self.final = None if final_part is None else self.last.testing(final_part)  # if others are tested each epoch
        self.beat: Callable[[], None] = lambda: None
        self.saved_at = time.monotonic()
        self.state_checked = not (recipe.own_code or trial.architecture.code)  # else before the first checkpoint
        # Of a checkpoint; then of the last one.
        self.save_seconds = LEAST_SECONDS + 2 * weight_bytes(self.network) / WRITTEN_A_SECOND
        if group.is_first:
            about = {"epochs": recipe.epochs, "train_images": len(train_part.labels), "begun_at": len(self.rows)}
            note_running(self.directory, device=self.made["device"], **about)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def _resume(self) -> dict[str, Any]:
        """Load the newest checkpoint, if there is one, and return what is put in place later."""
        most = most_bytes(self.network, self.recipe)
        newest = load_checkpoint(self.directory, most) if self.group.is_first else None
        if checkpoint := self.group.broadcast_object(newest):
            if checkpoint["data_digest"] != self.digest:
                raise RecordError(
                    f"{self.directory}: begun on images of digest {checkpoint['data_digest']}, now {self.digest}; "
                    "restore the images, give the new ones another data.title, or use another runs directory"
                )
            self.network.load_state_dict(checkpoint["network"])
            if checkpoint["optimizer"] is not None:
                restore(self.optimizer, checkpoint["optimizer"])
            self.rows, self.earlier = checkpoint["rows"], checkpoint["attempts"]
            if self.hooks:
                self.hooks.restore(checkpoint.get("recipe"))
        if self.group.is_first:
            write_epochs(self.directory, self.rows)
        return {key: checkpoint.get(key) for key in ("average", "scaler")} if checkpoint else {}

    @property
    def moved(self) -> str:
        """What there is to say if the trial was begun on another kind of device; "" if it was not."""
        then = self.earlier[-1].get("device") if self.earlier and self.rows else None
        if then in (None, self.made["device"]):
            return ""
        return f"trained to epoch {len(self.rows)} on {then}, goes on on {self.made['device']}: its last bits may differ"

    @property
    def epoch(self) -> int:
        """The epoch that runs now or is next, from 1."""
        return len(self.rows) + 1

    @property
    def _own_measures(self) -> list[OwnMeasure]:
        """The measures of the user's own that are taken after each epoch."""
        data = self.job.trial.data
        return [one for one in data.own_measures if one.name == data.decide_by]

    @property
    def diverged(self) -> bool:
        """Whether a loss of the last epoch is not finite."""
        return bool(self.rows) and not all(_finite(self.rows[-1][key]) for key in ("train_loss", "test_loss"))

    @property
    def ended(self) -> bool:
        """Whether no epoch is left to train: all are done, or the training has diverged."""
        return self.diverged or len(self.rows) == self.recipe.epochs

    def start_epoch(self) -> None:
        """Set the optimizer to the learning rate of the epoch."""
        self.rate = start_epoch(self.recipe, self.optimizer, self.epoch, self.training.rates)

    def keep_logits_of_last_pass(self) -> None:
        """Keep the logits of the next test pass if the epoch is the last one. No CUDA graph may contain that pass."""
        self.testing.keeping = self.epoch == self.recipe.epochs and self.last.is_wanted(self.testing.batches.images)

    def add_epoch(
        self, train: Scores, test: Scores, train_seconds: float, test_seconds: float, side_by_side: int, report: SendEvent
    ) -> None:
        """Record an epoch and report it.

        Args:
            train: Scores of the training pass.
            test: Scores of the test pass.
            train_seconds: Of the training passes of all trials side by side; an equal share is recorded for this trial.
            test_seconds: Likewise of the test passes.
            side_by_side: How many trials ran side by side.
            report: Receives the epoch's row and the images per second.
        """
        train_seconds, test_seconds = train_seconds / side_by_side, test_seconds / side_by_side
        row: Row = {
            "epoch": self.epoch,
            "lr": self.rate,
            "train_loss": train.loss,
            **{f"train_{name}": value for name, value in train.measures.items()},
            "test_loss": test.loss,
            **{f"test_{name}": value for name, value in test.measures.items()},
            "train_seconds": round(train_seconds, 6),
            "test_seconds": round(test_seconds, 6),
        }
        if self.group.is_first:
            append_epoch(self.directory, row)
        self.rows.append(row)
        self.made["side_by_side"] = max(side_by_side, self.made["side_by_side"])
        told = {"trial": self.job.trial.id, "epochs": self.recipe.epochs, "images_per_second": train.images / train_seconds}
        report({**row, **told})

    def keep(self, stopping: bool) -> str | None:
        """Save a checkpoint if one is due after an epoch, and the result after the last epoch.

        Args:
            stopping: Whether training is asked to stop here.

        Returns:
            "completed", "diverged" or "interrupted" if the attempt is over, None if it continues.
        """
        epoch, begun = len(self.rows), time.monotonic()
        due = self._checkpoint_is_due(epoch, begun - self.saved_at)
        if self.group.is_first and not self.diverged and (due or self.ended or stopping):
            state = {
                "network": self.network.state_dict(),
                # After the last epoch only the result is left to write, also if the process dies before that.
                "optimizer": None if self.ended else self.optimizer.state_dict(),
                "trial": self.job.trial.id,
                "data_digest": self.digest,
                "rows": self.rows,
                **({"average": self.average.state_dict()} if self.average else {}),
                **({"scaler": self.training.scaler.state_dict()} if self.training.scaler else {}),
                **({"recipe": own} if self.hooks and (own := self.hooks.state()) is not None else {}),
                "attempts": [*self.earlier, {**self.made, "last_epoch": epoch}],
            }
            if not (self.state_checked or self.ended):
                check_state(state)
                self.state_checked = True
            save_checkpoint(self.directory, epoch, state)
            self.saved_at = time.monotonic()
            self.save_seconds = self.saved_at - begun
        if self.ended:
            return self.record()
        return "interrupted" if stopping else None

    def _checkpoint_is_due(self, epoch: int, seconds: float) -> bool:
        """Whether a checkpoint is written after an epoch, so many seconds after the last one."""
        job = self.job
        if job.checkpoint_epochs or job.checkpoint_seconds:
            by_epochs = bool(job.checkpoint_epochs) and epoch % job.checkpoint_epochs == 0
            return by_epochs or 0 < job.checkpoint_seconds <= seconds
        return bool(self.save_seconds <= CHECKPOINT_SHARE * seconds)

    @property
    def measured(self) -> list[str]:
        """The columns of an epoch's row that hold measures and losses."""
        passes = (("test", self.testing), ("train", self.training))
        names = (f"{when}_{name}" for when, taken in passes for name in (*(one.name for one in taken.measures), "loss"))
        return [name for name in names if name in self.rows[-1]]

    def record(self) -> str:
        """Write the result and return its status, "completed" or "diverged"."""
        final, diverged = self.rows[-1], self.diverged
        status = "diverged" if diverged else "completed"
        peak = torch.cuda.max_memory_reserved(self.device) if self.device.type == "cuda" else None
        result = {
            "status": status,
            "epoch_rule": "last",
            "epochs": len(self.rows),
            **{key: None if diverged else final[key] for key in self.measured},
            **{key: sum(row[key] for row in self.rows) for key in ("train_seconds", "test_seconds")},
            "peak_memory_bytes": peak and peak // self.made["side_by_side"],
            "train_images": len(self.training.batches.part.labels),
            "test_images": len(self.testing.batches.part.labels),
            **self._evaluate_once(),
            **self.image_facts,
            **({"task": task.name} if (task := self.job.trial.data.task).name != CLASSIFICATION else {}),
            **({"weights_digest": self.weights} if self.weights else {}),
            **({CODE: codes} if (codes := {one.name: key_of(one) for one in self._own_measures}) else {}),
            **({"normalized_code": self.normalized} if self.normalized else {}),
            "data_digest": self.digest,
            "provenance": {**self.made, "finished": utc_now()},
            "earlier_attempts": self.earlier,
        }
        if not diverged:
            self.last.beat = self.beat
            tested_on = "validation" if self.job.trial.data.held_out else "test"
            self.last.write(self.directory, {tested_on: self.testing} | ({"test": self.final} if self.final else {}))
        if self.group.is_first:
            write_result(self.directory, result)
            if not diverged:
                keep_newest(self.directory, 1)  # an older generation is only needed until the result is written
        return status

    def _evaluate_once(self) -> Row:
        """The measures of the test images after the last epoch, of a trial that holds out other images; else empty."""
        if self.final is None:
            return {}
        images = {f"{FINAL}images": len(self.final.batches.part.labels)}
        if self.diverged:
            return {**dict.fromkeys(f"{FINAL}{one.name}" for one in self.final.measures), f"{FINAL}loss": None, **images}
        begin = time.monotonic()
        self.final.keeping = self.last.is_wanted(self.final.batches.images)
        (scores,) = SideBySide([self.final], beat=self.beat).run([len(self.rows)])
        measured = {f"{FINAL}{name}": value for name, value in scores.measures.items()}
        loss = {f"{FINAL}loss": scores.loss if math.isfinite(scores.loss) else None}
        return {**measured, **loss, **images, f"{FINAL}seconds": round(time.monotonic() - begin, 6)}


def _finite(loss: Any) -> bool:
    return isinstance(loss, float) and math.isfinite(loss)
