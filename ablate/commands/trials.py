"""run, search, report, plan, status: the commands on a study."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from ablate.commands.options import (
    RUNS,
    Device,
    Json,
    Root,
    Runs,
    Scale,
    Set,
    Slots,
    SlotsPerGpu,
    Storage,
    Studies,
    StudyFile,
    one_of,
    parse_path,
    print_json,
    print_text,
    say,
    with_flags,
)
from ablate.errors import RecordError, RunError
from ablate.tracking.trackers import TRACKERS

if TYPE_CHECKING:
    from ablate.report.document import Document

Out = Annotated[Path, typer.Option("--out", parser=parse_path, metavar="DIR", help="The directory of reports.")]
Images = Annotated[
    Optional[list[str]], typer.Option("--images", metavar="[NAME=]DIR", help="Class folders in place of a data set.")
]
On = Annotated[str, typer.Option("--on", metavar="PLACE", help="local, ray or ray:ADDRESS.")]
Cohort = Annotated[str, typer.Option("--cohort", metavar="N", help="Seeds trained side by side.")]
Shard = Annotated[str, typer.Option("--shard", metavar="I/N", help="Train part I of N, for job arrays.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch missing images.")]
CheckpointEvery = Annotated[
    str, typer.Option("--checkpoint-every", metavar="N|Ns", help="Epochs, or seconds such as 300s.")
]
Log = Annotated[
    Optional[list[str]],
    typer.Option("--log", help="Follow it in: tensorboard, mlflow, wandb.", show_default=False, **one_of(TRACKERS)),
]
Logs = Annotated[Path, typer.Option("--logs", parser=parse_path, metavar="DIR", help="The directory of these logs.")]
LOGS, OUT = Path("logs"), Path("reports")
MAX_GPUS = 1_000_000  # limit of a simulated run
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def run(
    study: StudyFile,
    overrides: Set = None,
    scale: Scale = "",
    runs: Runs = RUNS,
    storage: Storage = "",
    data_root: Root = None,
    download: Download = False,
    images: Images = None,
    device: Device = "auto",
    slots: Slots = None,
    slots_per_gpu: SlotsPerGpu = 1,
    on: On = "local",
    cohort: Cohort = "auto",
    shard: Shard = "",
    checkpoint_every: CheckpointEvery = "auto",
    log: Log = None,
    logs: Logs = LOGS,
    quiet: Quiet = False,
) -> None:
    """Train the trials of a study that have no record yet."""
    from rich.console import Console

    from ablate.api import load_study
    from ablate.commands.outcome_text import found_text, run_text
    from ablate.launch.options import RunOptions
    from ablate.launch.summary import INCOMPLETE

    experiment = load_study(
        study, overrides or (), scale=scale, runs=runs, storage=storage, data_root=data_root, download=download,
        images=images or (), device=device,
    )  # fmt: skip
    epochs, seconds = parse_interval(checkpoint_every)
    options = RunOptions(
        device, slots, slots_per_gpu, epochs, seconds, quiet, cohort=parse_cohort(cohort), on=on,
        shard=parse_shard(shard), log=tuple(log or ()), logs=logs,
    )  # fmt: skip
    if not quiet:
        say(*experiment.remarks())
    summary = experiment.run(options, Console(stderr=True))
    if not quiet or summary.exit_code:
        say(run_text(summary))
    if not quiet and summary.exit_code in (0, INCOMPLETE) and summary.trials and not summary.unmeasured:
        verb = "run" if summary.failed else "report"
        command = next_command(verb, study, overrides, scale, runs)
        say(found_text(experiment.analysis(), f"{command} to try the failed trials again" if summary.failed else command))
    raise typer.Exit(summary.exit_code)


def search(
    study: StudyFile,
    overrides: Set = None,
    scale: Scale = "",
    runs: Runs = RUNS,
    storage: Storage = "",
    data_root: Root = None,
    download: Download = False,
    images: Images = None,
    device: Device = "auto",
    slots: Slots = None,
    slots_per_gpu: SlotsPerGpu = 1,
    on: On = "local",
    checkpoint_every: CheckpointEvery = "auto",
    log: Log = None,
    logs: Logs = LOGS,
    quiet: Quiet = False,
) -> None:
    """Search for a study's open values, on held-out training images."""
    from rich.console import Console

    from ablate.api import load_search
    from ablate.commands.outcome_text import search_text
    from ablate.launch.options import RunOptions

    found = load_search(
        study, overrides or (), scale=scale, runs=runs, storage=storage, data_root=data_root, download=download,
        images=images or (), device=device,
    )  # fmt: skip
    epochs, seconds = parse_interval(checkpoint_every)
    say(*([] if quiet else found.earlier()))
    options = RunOptions(device, slots, slots_per_gpu, epochs, seconds, quiet, on=on, log=tuple(log or ()), logs=logs)
    summary = found.run(options, Console(stderr=True))
    if not quiet or summary.exit_code:
        say(search_text(summary))
    if not quiet and not summary.exit_code:
        say(f"next: {next_command('report', study, overrides, scale, runs)}")
    raise typer.Exit(summary.exit_code)


def report(
    studies: Studies,
    overrides: Set = None,
    scale: Scale = "",
    runs: Runs = RUNS,
    out: Out = OUT,
    storage: Storage = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace a report that has more finished trials.")] = False,
    records: Annotated[
        Optional[bool],
        typer.Option("--records/--no-records", help="Copy the records too; by default up to 50 MB.", show_default=False),
    ] = None,
    keep_logits: Annotated[
        bool, typer.Option("--keep-logits", help="With the records their kept predictions too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write the tables, figures and pages of studies."""
    from ablate.api import load_experiment
    from ablate.commands.outcome_text import kept_text
    from ablate.kept_experiment import with_kept_records
    from ablate.report.report import write_reports
    from ablate.search.experiment import SearchExperiment

    made = []
    to_go_on = []
    for study in studies:
        load = partial(load_experiment, study, overrides or (), scale=scale, storage=storage)
        found, told = with_kept_records(load, runs, out)
        say(*filter(None, [told]))
        made.append(found.report())
        verb = "search" if isinstance(found, SearchExperiment) else "run"
        to_go_on.append(next_command(verb, study, overrides, scale, runs))
    written = write_reports(made, out, replace=replace, records=records, logits=keep_logits)
    if as_json:
        print_json(made[0].as_json() if len(made) == 1 else [one.as_json() for one in made])
    else:
        for one in made:
            print_report(one.document)
    for one, (paths, kept), command in zip(made, written, to_go_on):
        if one.analysis.recorded < one.analysis.planned:
            say(f"incomplete: {one.name}: {one.analysis.progress}; to go on: {command}")
        say(*kept_text(kept, one.analysis.runs))
        say(f"open {paths[0].parent / 'index.html'}")
    if len(made) > 1:
        say(f"open {out / 'index.html'} for all of them")


def plan(
    study: StudyFile,
    overrides: Set = None,
    scale: Scale = "",
    runs: Runs = RUNS,
    probe: Annotated[bool, typer.Option("--probe", help="Time some steps of each network first.")] = False,
    gpus: Annotated[str, typer.Option("--gpus", metavar="N,...", help="Simulate the run on so many GPUs.")] = "",
    failures: Annotated[
        float, typer.Option("--failures", min=0, max=1000, metavar="RATE", help="Failures per GPU per day.")
    ] = 0.0,
    device: Device = "auto",
    slots: Slots = None,
    slots_per_gpu: SlotsPerGpu = 1,
    storage: Storage = "",
    images: Images = None,
    as_json: Json = False,
) -> None:
    """Show what would run, and what it costs."""
    from ablate.api import load_experiment
    from ablate.commands.plan_text import plan_lines
    from ablate.estimate.hardware import CostOptions
    from ablate.network_experiment import Experiment

    experiment = load_experiment(
        study, overrides or (), scale=scale, runs=runs, storage=storage, images=images or (), device=device
    )
    options = CostOptions(device, slots, slots_per_gpu, parse_gpus(gpus) if gpus else (), failures)
    if as_json:
        print_json(experiment.plan(probe, options, say))
        return
    plan_in_turn = experiment.plan_in_turn if isinstance(experiment, Experiment) else experiment.plan
    print_lines(map(with_flags, plan_lines(plan_in_turn(probe, options, say))))


def status(
    study: StudyFile,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again until all is done.")] = False,
    overrides: Set = None,
    scale: Scale = "",
    runs: Runs = RUNS,
    out: Out = OUT,
    storage: Storage = "",
    as_json: Json = False,
) -> None:
    """Show what is recorded, what trains now, and what failed."""
    from ablate.api import load_experiment
    from ablate.commands.status_text import status_text
    from ablate.kept_experiment import with_kept_records

    def look() -> tuple[dict[str, Any], str]:
        load = partial(load_experiment, study, overrides or (), scale=scale, storage=storage)
        found, told = with_kept_records(load, runs, out)
        return found.status(), told

    if watch and not as_json and sys.stdout.isatty():
        from ablate.commands.watch import watch_status

        return watch_status(look)
    states, told = look()
    say(*filter(None, [told]))
    print_json(states) if as_json else print_text(with_flags(status_text(states)))
    counts = [states["states"], *(one["candidates"] for one in states.get("tuning", ()))]
    if damaged := sum(count.get("damaged", 0) for count in counts):
        from ablate.report.numbers import counted

        raise RecordError(f"{counted(damaged, 'damaged record')}, each named above with what is wrong")


def print_lines(lines: Iterable[str]) -> None:
    """Print the lines of a command to stdout as print_text() does, into a pipe or a file one after the other.

    Args:
        lines: Each may have several lines of text.
    """
    if sys.stdout.isatty():
        print_text("\n".join(lines))
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines)


def print_report(document: Document) -> None:
    """Print a report to stdout: in brief on a terminal, else whole, as Markdown."""
    if sys.stdout.isatty():
        from rich.console import Console

        from ablate.report.writers.terminal import print_document

        print_document(document, Console(highlight=False))
    else:
        from ablate.report.writers.plain import document_text

        print(document_text(document))


def next_command(command: str, study: Path, overrides: Sequence[str] | None, scale: str, runs: Path) -> str:
    """A command on the same study and records, to be typed next.

    Args:
        command: Its name.
        study: The study file.
        overrides: Of keys of the study.
        scale: Of the study; "" for none.
        runs: The directory of records.
    """
    words = ["ablate", command, str(study)]
    words += [word for each in overrides or () for word in ("-s", each)]
    words += ["--scale", scale] if scale else []
    words += ["--runs", str(runs)] if runs != RUNS else []
    return shlex.join(words)


def parse_interval(text: str) -> tuple[int, float]:
    """An interval as (epochs, seconds), one of them 0; both for "auto".

    Args:
        text: Epochs such as "10", seconds such as "300s", or "auto".

    Raises:
        RunError: The text has another form, or the number is 0.
    """
    if text == "auto":
        return 0, 0.0
    match = re.fullmatch(r"(\d{1,6})(s?)", text.strip())
    if match is None or int(match[1]) < 1:
        raise RunError(f"--checkpoint-every: found '{text}'; allowed: auto, epochs such as 10, or seconds such as 300s")
    return (0, float(match[1])) if match[2] else (int(match[1]), 0.0)


def parse_cohort(text: str) -> int | None:
    """The number of seeds that are trained together; None for "auto".

    Args:
        text: A number from 1 to 999, or "auto".

    Raises:
        RunError: The text has another form.
    """
    if text == "auto":
        return None
    if not re.fullmatch(r"[1-9]\d{0,2}", text):
        raise RunError(f"--cohort: found '{text}'; allowed: auto, or a number of trials from 1")
    return int(text)


def parse_shard(text: str) -> tuple[int, int] | None:
    """A shard as (index from 1, number of shards); None for an empty text.

    Args:
        text: Such as "2/8"; empty for no shard.

    Raises:
        RunError: The text has another form, or the index is not from 1 to the number of shards.
    """
    if not text:
        return None
    match = re.fullmatch(r"([0-9]{1,7})/([0-9]{1,7})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise RunError(f"--shard: found '{text}'; allowed: I/N with I from 1 to N")
    return int(match[1]), int(match[2])


def parse_gpus(text: str) -> tuple[int, ...]:
    """Numbers of GPUs, without repetitions: "1,8,512" gives (1, 8, 512).

    Args:
        text: Numbers from 1 to MAX_GPUS, separated by commas.

    Raises:
        RunError: The text has another form, or a number is out of range.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[0-9]{1,7}", part) and 1 <= int(part) <= MAX_GPUS for part in parts):
        raise RunError(f"--gpus: found '{text}'; allowed: numbers from 1 to {MAX_GPUS:,}, such as 1,8,512")
    return tuple(dict.fromkeys(map(int, parts)))
