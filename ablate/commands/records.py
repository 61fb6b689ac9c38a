"""trace, verify, adopt, import, export, merge, clean, archive: the commands on records and on reports made from them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Optional

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
from ablate.data.data_sets import DATA_SETS
from ablate.data.preprocessing import PREPROCESSING
from ablate.report.numbers import counted

Logs = Annotated[list[Path], typer.Argument(metavar="LOG", help="Log files.", show_default=False)]
DataSet = Annotated[
    str,
    typer.Option(
        "--data",
        help="The data set, such as cifar10.",
        show_default=False,
        **one_of(DATA_SETS, lambda entry: entry.published and not entry.streamed),
    ),
]
Preprocess = Annotated[
    str, typer.Option("--preprocess", help="The images' preprocessing.", show_default=False, **one_of(PREPROCESSING))
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors and the result only.")]
Cell = Annotated[str, typer.Option("--cell", metavar="ROW,COL", help="Numbers from 1, or names.")]
Directories = Annotated[list[Path], typer.Argument(metavar="DIR", help="Directories of records.", show_default=False)]


def trace(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A report's table.csv.", show_default=False)],
    cell: Cell,
    as_json: Json = False,
) -> None:
    """Show the trials behind a cell of a table."""
    from ablate.commands.trace_text import trace_text
    from ablate.report.trace import trace_cell

    found = trace_cell(table, cell)
    print_json(found.as_json()) if as_json else print_text(trace_text(found))


def verify(
    study: StudyFile,
    trials: Annotated[int, typer.Option("--trials", min=1, metavar="N", help="How many trials.")] = 1,
    seed: Annotated[
        Optional[int], typer.Option("--seed", metavar="N", help="Seed for choosing trials (default: random).")
    ] = None,
    overrides: Set = None,
    scale: Scale = "",
    runs: Runs = RUNS,
    data_root: Root = None,
    device: Device = "auto",
    slots: Slots = None,
    slots_per_gpu: SlotsPerGpu = 1,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train recorded trials again: is each bit-identical?"""
    import secrets

    from rich.console import Console

    from ablate.api import load_study
    from ablate.commands.outcome_text import verification_text
    from ablate.launch.options import RunOptions

    experiment = load_study(study, overrides or (), scale=scale, runs=runs, data_root=data_root)
    options = RunOptions(device, slots, slots_per_gpu, quiet=quiet)
    seed = secrets.randbelow(2**31) if seed is None else seed
    say(*([] if quiet else [f"verify: chosen with --seed {seed}"]))
    found = experiment.verify(trials, seed, options, Console(stderr=True))
    print_json(found.as_json()) if as_json else print_text(verification_text(found))
    raise typer.Exit(found.exit_code)


def adopt(
    study: StudyFile,
    overrides: Set = None,
    scale: Scale = "",
    runs: Runs = RUNS,
    data_root: Root = None,
    device: Device = "auto",
    slots: Slots = None,
    slots_per_gpu: SlotsPerGpu = 1,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Keep records of older versions of your code that still hold.

    One trial of each variant is trained again. Where it is bit-identical, the variant's records are kept.
    """
    from rich.console import Console

    from ablate.api import load_study
    from ablate.commands.outcome_text import adoption_text
    from ablate.launch.options import RunOptions

    experiment = load_study(study, overrides or (), scale=scale, runs=runs, data_root=data_root)
    found = experiment.adopt(RunOptions(device, slots, slots_per_gpu, quiet=quiet), Console(stderr=True))
    print_json([one.as_json() for one in found.variants]) if as_json else print_text(adoption_text(found))
    raise typer.Exit(found.exit_code)


def import_(
    form: Annotated[Literal["torchnet"], typer.Argument(metavar="torchnet", help="The format of the logs.")],
    logs: Logs,
    data: DataSet,
    preprocess: Preprocess,
    net: Annotated[str, typer.Option("--net", metavar="NET", help="The network, if not as the log says.")] = "",
    runs: Runs = RUNS,
) -> None:
    """Import the authors' logs, to show them beside ours."""
    from ablate.commands.outcome_text import imported_text
    from ablate.errors import RunError
    from ablate.records.imported import draft_torchnet, write_imported

    if os.path.lexists(runs) and not runs.is_dir():  # a link may lead nowhere
        raise RunError(f"--runs: {runs} is not a directory")
    known = DATA_SETS[data]
    assert known.classes and known.image_size and known.channels
    shape = (known.channels, known.image_size, known.image_size)
    drafts = [(log, draft_torchnet(log, data, preprocess, known.classes, shape, net or None)) for log in logs]
    for log, draft in drafts:
        say(*draft.log.remarks)
        new = write_imported(runs, draft)
        print(f"{log}: {imported_text(draft)}: {'' if new else 'imported before, '}{draft.directory(runs)}")


def export(
    study: StudyFile,
    to: Annotated[
        Literal["tensorboard", "csv", "parquet", "state_dict", "onnx", "torch_export"],
        typer.Option("--to", metavar="FORMAT", help="The format.", show_default=False),
    ],
    overrides: Set = None,
    scale: Scale = "",
    runs: Runs = RUNS,
    data_root: Root = None,
    out: Annotated[Path, typer.Option("--out", parser=parse_path, metavar="DIR", help="The directory of exports.")] = Path(
        "exports"
    ),
) -> None:
    """Write trials and epochs, or networks, for other tools.

    Trials and epochs: tensorboard, csv, parquet. Networks, checked on the test images: state_dict (safetensors), onnx,
    torch_export.
    """
    from ablate.api import load_study

    experiment = load_study(study, overrides or (), scale=scale, runs=runs, data_root=data_root)
    paths = experiment.export(to, out, say)
    say(f"{counted(len(paths), 'file')} in {os.path.commonpath([path.parent for path in paths])}")


def merge(
    directories: Directories,
    into: Annotated[
        Path,
        typer.Option(
            "--into", parser=parse_path, metavar="RUNS", help="The directory that receives them.", show_default=False
        ),
    ],
) -> None:
    """Merge directories of records into one.

    Nothing is merged if two records of a trial contradict each other.
    """
    from ablate.commands.outcome_text import merge_text
    from ablate.errors import RecordError
    from ablate.launch.summary import INCOMPLETE
    from ablate.records.merge import merge_runs

    plan = merge_runs(directories, into)
    if plan.conflicts:
        say(*(f"conflict: {line}" for line in plan.conflicts))
        raise RecordError(
            f"merge: {counted(len(plan.conflicts), 'conflict')}; nothing is merged; move one of each pair away"
        )
    say(*plan.kept, *plan.passed_over)
    print(merge_text(plan))
    raise typer.Exit(INCOMPLETE if plan.passed_over else 0)


def clean(
    studies: Studies,
    checkpoints: Annotated[bool, typer.Option("--checkpoints", help="Weights of finished trials.")] = False,
    logits: Annotated[bool, typer.Option("--logits", help="Kept predictions of finished trials.")] = False,
    variant: Annotated[
        Optional[list[str]], typer.Option("--variant", metavar="NAME", help="All trials of a variant.")
    ] = None,
    orphans: Annotated[bool, typer.Option("--orphans", help="Trials that none of the studies has.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Remove them; without it they are only listed.")] = False,
    overrides: Set = None,
    scale: Scale = "",
    runs: Runs = RUNS,
    storage: Storage = "",
    as_json: Json = False,
) -> None:
    """List what can be removed, with sizes; --delete removes it.

    Nothing of a trial that is being trained is removed. Records of studies that are not named count as orphans.
    """
    from ablate.api import load_experiment
    from ablate.clean import What, carry_out, plan_clean
    from ablate.commands.clean_text import clean_text
    from ablate.errors import RunError

    asked: dict[What, bool] = {"checkpoints": checkpoints, "logits": logits, "variant": bool(variant), "orphans": orphans}
    if not any(asked.values()):
        raise RunError("clean: nothing to remove is named; use `checkpoints`, `logits`, `variant` or `orphans`")
    made = [load_experiment(study, overrides or (), scale=scale, runs=runs, storage=storage) for study in studies]
    found = plan_clean(made, [what for what, wanted in asked.items() if wanted], variant or ())
    found = carry_out(found) if delete else found
    print_json({**found.as_json(), "deleted": delete}) if as_json else print_text(with_flags(clean_text(found, delete)))


def archive(
    study: StudyFile,
    output: Annotated[
        Optional[Path],
        typer.Option("-o", "--output", parser=parse_path, metavar="FILE", help="The zip file (default: NAME.zip)."),
    ] = None,
    overrides: Set = None,
    scale: Scale = "",
    runs: Runs = RUNS,
    storage: Storage = "",
    logits: Annotated[bool, typer.Option("--logits/--no-logits", help="Kept predictions too.")] = True,
) -> None:
    """Pack study, own code, records and report into a zip file.

    Who unpacks it can make the report again, trace its numbers and verify its trials.
    """
    from ablate.api import load_experiment
    from ablate.archive import archive_members, local_paths, write_archive
    from ablate.commands.outcome_text import bytes_text

    experiment = load_experiment(study, overrides or (), scale=scale, runs=runs, storage=storage)
    options = [word for each in overrides or () for word in ("-s", each)] + (["--scale", scale] if scale else [])
    members = archive_members(experiment, study, options, logits)
    path = output or Path(f"{experiment.study.name}.zip")
    write_archive(members, path)
    say(*(f"note: {line}" for line in local_paths(members, experiment)))
    print(f"{path}: {counted(len(members), 'file')}, {bytes_text(path.stat().st_size)}")
