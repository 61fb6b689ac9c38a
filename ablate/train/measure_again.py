"""measure_again(): evaluates a recorded trial once more with the weights of its last checkpoint; nothing is trained."""

from __future__ import annotations

from collections.abc import Callable

from ablate.errors import RecordError
from ablate.files import hold_lock
from ablate.kinds.hooks import Hooks
from ablate.kinds.measures import key_of
from ablate.nets.custom import check_code
from ablate.own_modules import look_in
from ablate.records.code import has_code
from ablate.records.logits import TESTED, read_evaluation, read_logits
from ablate.records.records import Record, read_record
from ablate.study.data import Data
from ablate.train.attempt import SendEvent
from ablate.train.checkpoint import load_checkpoint
from ablate.train.job import Job
from ablate.train.last_epoch import LastEpoch
from ablate.train.setup import ProcessCache, configure, network_of
from ablate.train.trial import free_memory


class MeasureWork:
    """measure_again() as the work of a process that keeps images for the next trial."""

    def __init__(self) -> None:
        self.cache = ProcessCache()

    def __call__(self, job: Job, stop: Callable[[], bool], report: SendEvent) -> str:
        return measure_again(job, report, self.cache)


def measure_again(job: Job, report: SendEvent, cache: ProcessCache | None = None) -> str:
    """Evaluate a recorded trial with the weights of its last checkpoint, and return "measured" or "busy".

    Args:
        job: The trial and where it is.
        report: Receives {} as a heartbeat.
        cache: What this process keeps for the next trial; None: nothing is kept.

    Raises:
        RecordError: There is no record or no checkpoint of its last epoch, or it was made with other images.
        AblateError: The images or the reader's code cannot be used.
    """
    trial, images = job.trial, (cache or ProcessCache()).images
    record = read_record(job.runs, trial.id)
    if record is None or record.diverged:
        raise RecordError(f"{job.runs / trial.id}: has no completed record to measure; run again")
    directory = record.directory  # of an earlier id, or of earlier code
    with hold_lock(directory / "lock") as free:
        if not free:
            return "busy"
        device = configure(job.device)
        if has_code(trial.definition):
            look_in(*job.folders)
        loaded = images.load(trial.data, job.location, device)
        state = load_checkpoint(directory)
        if state is None or len(state["rows"]) != record.result.get("epochs"):
            raise RecordError(f"{directory}: has no checkpoint of its last epoch, so it cannot be measured again")
        if not state["data_digest"] == record.result.get("data_digest") == loaded.digest:
            raise RecordError(f"{directory}: recorded on images of digest {state['data_digest']}, now {loaded.digest}")
        look_in(*job.folders)
        if trial.architecture.code:
            check_code(trial.architecture)
        networks = {}
        averaged = "average" in state
        kinds = {TESTED: state["average"] if averaged else state["network"]}
        if averaged and trial.data.keep.weights == "both":
            kinds["trained"] = state["network"]
        for name, weights in kinds.items():
            networks[name] = network_of(trial, device, job.location.cache)
            networks[name].load_state_dict(weights)
        hooks = Hooks(trial.recipe.python) if trial.recipe.python else None
        positions, normalization = dict(images.positions), loaded.normalization
        last = LastEpoch(job, positions, networks, averaged, normalization, hooks, beat=lambda: report({}))
        parts = {record.split: loaded.test, **({"test": loaded.final} if loaded.final else {})}
        names = (*parts, *(extra.key for extra in trial.data.also_test))
        there = [name for name in names if _is_measured(record, name, trial.data)]
        last.write(directory, {name: last.testing(part) for name, part in parts.items()}, there)
    free_memory()
    return "measured"


def _is_measured(record: Record, images: str, data: Data) -> bool:
    """Whether some images need not be evaluated again. What is kept stays: another device would compute other bits."""
    found = read_evaluation(record, images)
    if found is None:
        return False
    return (
        found.measures.keys() >= {key_of(one) for one in data.measures}
        or read_logits(record, images, classes=data.classes) is not None
    )
