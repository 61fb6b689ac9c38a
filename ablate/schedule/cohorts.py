"""Tasks bundled so that one worker takes the trials of a variant together, and told apart again as they end."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ablate.schedule.tasks import OnEvent, Outcome, Task

MOST = 8  # trials of a cohort, where their number is open


def cohort_size(asked: int | None, tasks: int, slots: int, gpu: bool) -> int:
    """How many trials of a variant a worker takes together: as asked, else on a GPU so many that all slots have work."""
    return asked or (max(1, min(MOST, tasks // slots)) if gpu else 1)


class Cohorts:
    """Up to `size` tasks of one variant become one, whose payload is the tuple of theirs; variant_of: None for one alone.

    The work's events name the task that they are of, by its id as "trial"; one with a "status" says how that one ended.
    """

    def __init__(self, tasks: Sequence[Task], variant_of: Callable[[Task], Hashable], size: int) -> None:
        variants: dict[Hashable, list[Task]] = {}
        for task in tasks:
            variant = variant_of(task)
            variants.setdefault(task.id if variant is None else variant, []).append(task)
        groups = [same[first : first + size] for same in variants.values() for first in range(0, len(same), size)]
        self.members = {"+".join(task.id for task in group): group for group in groups}
        self.tasks = [_bundle(key, group) for key, group in self.members.items()]
        self.ended: dict[str, tuple[str, str]] = {}

    def listener(self, on_event: OnEvent) -> OnEvent:
        """What is to be given the workers' events: it passes on_event() those of each trial, which it names."""

        def listen(slot: int, task: Task, event: dict[str, Any]) -> bool | None:
            if event["event"] != "epoch":
                return on_event(slot, task, event)
            if "status" in event:
                self.ended[event["trial"]] = event["status"], event["cause"]
                return None
            (member,) = (one for one in self.members[task.id] if one.id == event["trial"])
            return on_event(slot, member, {**event, "label": task.label})

        return listen

    def outcomes(self, outcome: Outcome) -> Iterator[tuple[Outcome, bool]]:
        """Each trial's own outcome, and whether it ended by itself; if not, it shares what became of the worker."""
        for member in self.members[outcome.task.id]:
            status, cause = self.ended.get(member.id, (outcome.status, outcome.cause))
            yield Outcome(replace(member, log=outcome.task.log), status, cause, outcome.attempts), member.id in self.ended


def _bundle(key: str, group: Sequence[Task]) -> Task:
    payload = tuple(task.payload for task in group)
    label = group[0].label if len(group) == 1 else f"{group[0].label} and {len(group) - 1} more"
    return replace(group[0], id=key, label=label, payload=payload, cost=sum(task.cost for task in group))
