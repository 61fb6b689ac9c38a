"""bench: how fast it is, against other ways of doing the same."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, get_args

import typer

from ablate.commands.options import Json, print_json, say

Name = Literal["train", "cohort", "efficiency", "writing", "dispatch", "plan", "report"]
NAMES = f"{', '.join(get_args(Name)[:-1])} or {get_args(Name)[-1]}"
TRAINS = {"train": 128, "cohort": 128, "efficiency": 32, "writing": 128}  # the benchmarks that train, and their batch size
PLAIN = Path("tests/plain_loop.py")


def bench(
    name: Annotated[Name, typer.Argument(metavar="NAME", help=f"{NAMES}.")],
    nets: Annotated[Optional[list[str]], typer.Argument(metavar="[NET]...", help=f"For {', '.join(TRAINS)}.")] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--device")] = "auto",
    batch_size: Annotated[
        Optional[int], typer.Option("--batch-size", min=1, max=65536, help="128; efficiency: 32.")
    ] = None,
    images: Annotated[Optional[int], typer.Option("--images", min=1, help="That a process trains on in a round.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=2, max=100, help="Of cohort.")] = 5,
    compiled: Annotated[bool, typer.Option("--compiled", help="train: with compiled blocks too; always on a GPU.")] = False,
    rounds: Annotated[int, typer.Option("--rounds", min=1, max=1000)] = 5,
    plain: Annotated[
        Path, typer.Option("--plain", metavar="FILE", help="The plain loop that train is held against.")
    ] = PLAIN,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the figures are written.")] = Path(
        "reports/bench"
    ),
    as_json: Json = False,
) -> None:
    """Measure speed side by side with other ways of doing the same, as ratios."""
    from ablate.bench.files import comparisons_text, write_benchmark
    from ablate.errors import RunError

    options: dict[str, Any] = {"rounds": rounds, "announce": say}
    if name in TRAINS:
        batch_size = batch_size or TRAINS[name]
        if images is not None and images < batch_size:
            raise RunError(f"--images: found {images}; allowed: {batch_size}, a batch, or more")
        options |= {"device": device, "batch_size": batch_size, "images": images}
        options |= {"nets": nets or ["WRN-16-2"]} if nets or name != "efficiency" else {}
    elif nets:
        raise RunError(f"NET: found {nets[0]}; allowed: none with {name}")
    match name:
        case "train":
            from ablate.bench.training import bench_train

            if not plain.is_file():
                raise RunError(f"--plain: found no {plain}; allowed: a file with train(job, stop, report)")
            sys.path.insert(0, str(plain.resolve().parent))
            comparisons = bench_train(**options, compiled=compiled, plain=f"{plain.stem}:train")
        case "cohort":
            from ablate.bench.training import bench_cohort

            comparisons = bench_cohort(**options, seeds=seeds)
        case "efficiency":
            from ablate.bench.training import bench_efficiency

            comparisons = bench_efficiency(**options)
        case "writing":
            from ablate.bench.training import bench_writing

            comparisons = bench_writing(**options)
        case "dispatch":
            from ablate.bench.dispatch import bench_dispatch

            comparisons = bench_dispatch(**options)
        case "plan":
            from ablate.bench.planning import bench_plan

            comparisons = bench_plan(**options)
        case "report":
            from ablate.bench.reporting import bench_report

            comparisons = bench_report(**options)
    from ablate.bench.loops import made_with

    made, kind = made_with(device if name in TRAINS else "cpu")
    paths = write_benchmark(name, comparisons, made, kind, out)
    if as_json:
        from ablate.bench.results import as_values

        print_json([as_values(one) for one in comparisons])
    else:
        print(comparisons_text(comparisons))
    say(f"{len(paths)} files in {out}: {', '.join(path.name for path in paths)}")
