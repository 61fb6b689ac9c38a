"""SlotPool: which free slot a task gets. A GPU that breaks trials is drawn last, then closed; it must not eat the study.

A GPU that fails at once is free first and would draw one trial after the other. So a trial that broke on a GPU is tried
again on another one, and a GPU on which two trials broke one after the other is closed. Where the same trial breaks on two
GPUs, the trial is to blame and not the first of them. Slots on a processor have all one device and are not judged.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ablate.schedule.slots import Slot

MOST_BROKEN = 2  # trials in a row that may break on a GPU before it is closed


@dataclass(eq=False)
class Ticket:
    """A task's request for a slot.

    Args:
        label: The task's name for people.
        broke_on: The names of the GPUs on which it broke.
        trained: Whether its last attempt reported an epoch, so that the GPU is not useless and there is a checkpoint.
        model: The kind of GPU of its last attempt; it goes on on one of that kind if it can choose.
        attempts: How often it was tried.
    """

    label: str
    broke_on: list[str] = field(default_factory=list)
    trained: bool = False
    model: str = ""
    attempts: int = 0


class SlotPool:
    """The slots of a run; any thread may call its methods.

    Args:
        slots: All slots. Those that share a GPU have one name; on a Ray cluster those of a node, as Ray gives out its GPUs.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots = list(slots)
        self._free = list(range(len(slots)))  # in the order in which they became free
        self._waiting: list[Ticket] = []
        self._broken: dict[str, list[str]] = {slot.name: [] for slot in slots}  # labels of tasks in a row, by GPU
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, ticket: Ticket) -> Iterator[int]:
        """A context manager that waits for a slot and gives its index; the slot is free again at the end.

        Tasks that are tried again come first, the others in the order in which they ask.
        """
        with self._changed:
            again = sum(one.attempts > 0 for one in self._waiting)
            self._waiting.insert(again if ticket.attempts else len(self._waiting), ticket)
            ticket.attempts += 1
            try:
                while (index := self._assigned(ticket)) is None:
                    self._changed.wait()
                self._free.remove(index)
                ticket.model = self.slots[index].model
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield index
        finally:
            with self._changed:
                self._free.append(index)
                self._changed.notify_all()

    def note_broken(self, index: int, ticket: Ticket, cause: str) -> list[str]:
        """Note that a task broke in a slot, and return what there is to say of the GPUs."""
        slot = self.slots[index]
        if slot.device == "cpu":
            return []
        with self._changed:
            closed = self._closed()
            before = [name for name in ticket.broke_on if name != slot.name]
            for name in before:
                self._broken[name] = [label for label in self._broken[name] if label != ticket.label]
            if not before and ticket.label not in self._broken[slot.name]:
                self._broken[slot.name].append(ticket.label)
            ticket.broke_on.append(slot.name)
            now = self._closed()
            self._changed.notify_all()
            labels = " and ".join(self._broken[slot.name])
        said = [f"{slot.words} is not used any more: {labels} broke on it ({cause})"] if slot.name in now - closed else []
        return said + [f"{name} is used again: {ticket.label} broke on {slot.words} too" for name in sorted(closed - now)]

    def note_trained(self, index: int) -> None:
        """Note that a task came to its end in a slot, so its GPU works."""
        with self._changed:
            self._broken[self.slots[index].name] = []
            self._changed.notify_all()

    def _closed(self) -> set[str]:
        """The names of the closed GPUs; the last one that is left is never closed."""
        closed = {name for name, labels in self._broken.items() if len(labels) >= MOST_BROKEN}
        if len(closed) == len(self._broken):
            closed.remove(min(closed, key=lambda name: len(self._broken[name])))
        return closed

    def _assigned(self, ticket: Ticket) -> int | None:
        """The free slot that a waiting task gets now; None if it has to wait."""
        names = set(self._broken) - self._closed()
        sound = {name for name in names if not self._broken[name]}
        free = [index for index in self._free if self.slots[index].name in names]
        free.sort(key=lambda index: len(self._broken[self.slots[index].name]))
        left: list[Ticket] = []
        for one in self._waiting:
            elsewhere = sound.difference(one.broke_on) or names.difference(one.broke_on) or names
            allowed = elsewhere if one.broke_on else names
            fitting = [index for index in free if self.slots[index].name in allowed]
            alike = (index for index in fitting if self.slots[index].model == one.model)
            index = next(alike, fitting[0] if fitting else None)
            if index is not None:
                free.remove(index)
            elif one.trained:
                left.append(one)
            if one is ticket and index is not None:
                return index
        # What nobody else wants is better than to wait, if the task had begun to train there.
        return dict(zip(map(id, left), free)).get(id(ticket))


def under_way(slots: Sequence[Slot]) -> int:
    """How many tasks to have under way: one more than there are slots if a trial may have to wait for another GPU."""
    return len(slots) + (len({slot.name for slot in slots}) > 1 and slots[0].device != "cpu")
