"""What `precision: auto` becomes here, and which precisions are slow here. Composes records, schedule and train."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ablate.errors import RunError
from ablate.records.remembered import ChosenPrecision, contradiction, remember_precision, remembered_precision
from ablate.schedule.slots import find_slots
from ablate.train.precision import check_precision, choose_precision, devices_of, untried


def chosen_precision(device: str) -> ChosenPrecision:
    """What `precision: auto` becomes on the devices of this machine.

    Args:
        device: As in RunOptions.

    Raises:
        RunError: There is no such device, or they differ.
    """
    return choose_precision(devices_of(find_slots(device)[0].device))


def precision_remarks(auto_precision: str, runs: Path, begun: bool) -> list[str]:
    """The line that says what `precision: auto` is; none for a study that does not say it.

    Args:
        auto_precision: Of the study; "" if it does not have `precision: auto`.
        runs: Directory of the records.
        begun: Whether it has records of the study.
    """
    if not auto_precision:
        return []
    where = f"as in the records of {runs}" if begun or remembered_precision(runs) else "the fastest on this machine"
    return [f"recipe.precision: auto is {auto_precision}, {where}"]


def settle_precision(auto_precision: str, runs: Path, on: str, device: str) -> None:
    """Check that the devices of this machine choose the precision that `precision: auto` has become, and remember it.

    The devices of a Ray cluster are checked by the workers.

    Args:
        auto_precision: Of the study; "" if it does not have `precision: auto`.
        runs: Directory of the records.
        on: As in RunOptions.
        device: Likewise.

    Raises:
        AblateError: A device of this machine, or another run in the directory, chooses another precision.
    """
    if not auto_precision:
        return
    chosen = ChosenPrecision(auto_precision, "a Ray cluster")
    if on == "local":
        chosen = chosen_precision(device)
        if chosen.name != auto_precision:
            known = remembered_precision(runs) or ChosenPrecision(auto_precision, "the device of its records")
            raise RunError(contradiction(runs, known._replace(name=auto_precision), chosen))
    remember_precision(runs, chosen)


def check_precisions(kind: str, precisions: Iterable[str], say: Callable[[str], None]) -> None:
    """Say which precisions are slower on this machine than float32, and whether such devices were never tried.

    Args:
        kind: "cpu" or "cuda", where trials run.
        precisions: Those of the trials to train.
        say: Receives a line for each.

    Raises:
        RunError: A device lacks one of them.
    """
    if line := untried(kind):
        say(line)
    for name in dict.fromkeys(precisions):
        if name != "float32":
            for line in check_precision(name, devices_of(kind)):
                say(line)
