"""Bundles tasks so that one worker trains the trials of a variant together, and separates their outcomes again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ablate.schedule.tasks import OnEvent, Outcome, Task

MOST = 8  # trials of a cohort when its size is not given


def cohort_size(asked: int | None, cost: float, total: float, slots: int, gpu: bool) -> int:
    """How many trials of a variant a worker trains together.

    Args:
        asked: The size to use; None: 1 on a CPU, on a GPU up to MOST, and no more than the share of a slot in all the work:
            the seeds of a wide network would otherwise wait for each other on one GPU while others have nothing to do.
        cost: Of a trial, in any unit.
        total: The cost of all trials to run.
        slots: Number of slots.
        gpu: Whether the slots are on GPUs.
    """
    if asked or not gpu:
        return asked or 1
    return max(1, min(MOST, int(total / (slots * cost) + 1e-6))) if cost else MOST


def step_by_step(outcome: Outcome, by_itself: bool) -> tuple[Task, str] | None:
    """The task of a trial that failed among others or in a CUDA graph, to be run again alone and step by step; and a line.

    None if the trial reported its failure itself, or has been run so.

    Args:
        outcome: Of a trial, from Cohorts.outcomes().
        by_itself: Whether the trial reported how it ended.
    """
    if outcome.status != "failed" or by_itself or outcome.task.payload.plain:
        return None
    line = f"{outcome.task.label}: {outcome.cause}; again from its checkpoint, alone and step by step"
    return replace(outcome.task, payload=replace(outcome.task.payload, plain=True)), line


class Cohorts:
    """Joins up to `size` tasks of one variant into one task with the tuple of their payloads as its payload.

    Each event of the work names its task by the task's id, as "trial". An event with a "status" says how that task ended.

    Args:
        tasks: One for each trial.
        variant_of: The key of a task's variant; None for a task that runs alone.
        size: The most tasks to join, from 1; or a function that gives it for the first task of a variant.

    Attributes:
        members: The tasks that were joined, by the id of the joined task.
        tasks: The joined tasks.
        ended: (status, cause) of each trial that has ended, by its id.
    """

    def __init__(
        self, tasks: Sequence[Task], variant_of: Callable[[Task], Hashable], size: int | Callable[[Task], int]
    ) -> None:
        variants: dict[Hashable, list[Task]] = {}
        for task in tasks:
            variant = variant_of(task)
            variants.setdefault(task.id if variant is None else variant, []).append(task)
        groups = list[list[Task]]()
        for same in variants.values():
            most = size if isinstance(size, int) else size(same[0])
            groups += [same[first : first + most] for first in range(0, len(same), most)]
        self.members = {"+".join(task.id for task in group): group for group in groups}
        self.tasks = [_bundle(key, group) for key, group in self.members.items()]
        self.ended: dict[str, tuple[str, str]] = {}

    def listener(self, on_event: OnEvent) -> OnEvent:
        """A listener for the events of the joined tasks that passes each event on with the task of its trial."""

        def listen(slot: int, task: Task, event: dict[str, Any]) -> bool | None:
            if "trial" not in event:
                return on_event(slot, task, event)
            if "status" in event:
                self.ended[event["trial"]] = event["status"], event["cause"]
                return None
            (member,) = (one for one in self.members[task.id] if one.id == event["trial"])
            return on_event(slot, member, {**event, "label": task.label})

        return listen

    def outcomes(self, outcome: Outcome) -> Iterator[tuple[Outcome, bool]]:
        """Yield the outcome of each trial of a joined task, and whether the trial reported how it ended.

        A trial that did not report it has the outcome of the joined task.
        """
        for member in self.members[outcome.task.id]:
            status, cause = self.ended.get(member.id, (outcome.status, outcome.cause))
            yield Outcome(replace(member, log=outcome.task.log), status, cause, outcome.attempts), member.id in self.ended


def _bundle(key: str, group: Sequence[Task]) -> Task:
    payload = tuple(task.payload for task in group)
    label = group[0].label if len(group) == 1 else f"{group[0].label} and {len(group) - 1} more"
    return replace(group[0], id=key, label=label, payload=payload, cost=sum(task.cost for task in group))
