"""run, report, plan, status: what is done with a study."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from ablate.commands.options import OUT, RUNS, Json, Out, Root, Runs, Set, StudyFile, print_json, say


def run(
    study: StudyFile,
    overrides: Set = None,
    runs: Runs = RUNS,
    data_root: Root = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch missing images where that is possible.")] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    slots: Annotated[
        Optional[int], typer.Option("--slots", help="Trials side by side, instead of one a core or GPU.")
    ] = None,
    slots_per_gpu: Annotated[int, typer.Option("--slots-per-gpu", help="Trials side by side on one GPU.")] = 1,
    checkpoint_every: Annotated[
        str, typer.Option("--checkpoint-every", metavar="E|Ts", help="Epochs between checkpoints, or seconds such as 300s.")
    ] = "1",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Train what is missing."""
    from rich.console import Console

    from ablate.api import load_study
    from ablate.launch import RunOptions, parse_interval

    experiment = load_study(study, overrides or (), runs=runs, data_root=data_root, download=download)
    epochs, seconds = parse_interval(checkpoint_every)
    console = Console(stderr=True)
    if not quiet:
        say(*experiment.enumeration.remarks())
    summary = experiment.run(RunOptions(device, slots, slots_per_gpu, epochs, seconds, quiet), console)
    if not quiet or summary.exit_code:
        say(summary.text())
    raise typer.Exit(summary.exit_code)


def report(
    study: StudyFile,
    overrides: Set = None,
    runs: Runs = RUNS,
    out: Out = OUT,
    as_json: Json = False,
) -> None:
    """Write the tables and figures of what is recorded."""
    from ablate.api import load_study
    from ablate.report.tables import to_markdown

    made = load_study(study, overrides or (), runs=runs).report()
    paths = made.write(out)
    if as_json:
        print_json(made.as_json())
    else:
        print("\n".join(f"{caption}\n\n{to_markdown(table)}" for _, caption, table in made.tables), end="")
    if made.recorded < made.planned:
        say(f"incomplete: {made.recorded} of {made.planned} trials are recorded")
    say(f"{len(paths)} files in {paths[0].parent}: {', '.join(path.name for path in paths)}")


def plan(study: StudyFile, overrides: Set = None, runs: Runs = RUNS, as_json: Json = False) -> None:
    """Show what would run: networks, counts, budget, trials recorded and missing."""
    from ablate.api import load_study
    from ablate.report.terminal import plan_text

    planned = load_study(study, overrides or (), runs=runs).plan()
    print_json(planned) if as_json else print(plan_text(planned))


def status(study: StudyFile, overrides: Set = None, runs: Runs = RUNS, as_json: Json = False) -> None:
    """Show how far the trials are, and why some failed."""
    from ablate.api import load_study
    from ablate.report.terminal import status_text

    states = load_study(study, overrides or (), runs=runs).status()
    print_json(states) if as_json else print(status_text(states))
