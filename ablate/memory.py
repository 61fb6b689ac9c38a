"""How many trials this machine has memory for, and what each was measured to take. Composes records, schedule and train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ablate.errors import RunError
from ablate.processes.limits import memory_limit
from ablate.records.timings import read_probes
from ablate.study.costs import memory_need, trial_counts
from ablate.study.study import Trial
from ablate.train.estimates import workload_of

if TYPE_CHECKING:
    from ablate.schedule.backends import Backend


def fit_to_memory(
    backend: Backend, trials: Sequence[Trial], most: int, asked: int | None, say: Callable[[str], None]
) -> None:
    """Leave only as many slots on this machine's CPU as its memory has room for; slots on GPUs stay as they are.

    Args:
        backend: Its slots are changed.
        trials: Some of those to train.
        most: How many trials there are to train.
        asked: The number of slots that the options name, which is not changed; None: they name none.
        say: Receives a line if slots are left out.

    Raises:
        RunError: The memory does not suffice for one slot, or for as many as are asked for.
    """
    if backend.inline or backend.slots[0].device != "cpu" or not most:
        return
    need = memory_need((trial_counts(trial), trial.recipe, trial.data) for trial in trials)
    need = need._replace(slot=need.slot * trials[0].recipe.gpus)
    slots, whole = min(len(backend.slots), most), memory_limit()
    if need.total(slots) <= whole:
        return
    fit = max(0, whole - need.images) // need.slot
    told = (
        f"{slots} trials at the same time need about {need.total(slots) / 1e9:,.1f} GB of memory, "
        f"{need.slot / 1e9:,.1f} GB each and {need.images / 1e9:,.1f} GB for images; this machine has {whole / 1e9:,.1f} GB"
    )
    if asked is not None or not fit:
        raise RunError(f"{told}; " + (f"use `slots` {fit}" if fit else "a smaller recipe.batch_size needs less"))
    say(f"{told}; so {fit} run at the same time")
    del backend.slots[fit:]


def probed_memory(trials: Sequence[Trial], runs: Path, backend: Backend) -> dict[str, int]:
    """The bytes that a training of each trial was measured to take on a GPU, by the trial's id.

    A probe on a GPU of the backend counts more than one on another GPU. A trial that was not probed is left out.
    """
    models = {slot.model for slot in backend.slots}
    probes = [probe for probe in read_probes(runs) if probe.kind == "cuda" and probe.peak_memory_bytes]
    probes.sort(key=lambda probe: (probe.device in models, probe.date))
    peaks = {probe.workload: probe.peak_memory_bytes for probe in probes}
    found = {trial.id: peaks.get(workload_of(trial)) for trial in trials} if peaks else {}
    return {trial_id: peak for trial_id, peak in found.items() if peak}
