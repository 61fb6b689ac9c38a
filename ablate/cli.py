"""The `ablate` command. It composes the stages and holds no logic; data goes to stdout, messages to stderr.

Exit codes: 0 all is well; 2 usage, study or data error; 3 trials failed or diverged; 75 stopped by SIGTERM;
130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Optional

import typer

from ablate import __version__
from ablate.errors import AblateError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Ablation studies and architecture search for image classifiers.",
)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="A study file (YAML).", show_default=False)]
Set = Annotated[
    Optional[list[str]],
    typer.Option("-s", "--set", metavar="KEY=VALUE", help="Override a key of the study, such as recipe.epochs=30."),
]
Runs = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Where records are.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where reports are written.")]
Root = Annotated[
    Optional[Path],
    typer.Option("--data-root", metavar="DIR", help="Where images are, instead of data.root, $ABLATE_DATA or data/."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DepthRule = Annotated[Literal["convolutions", "nominal"], typer.Option("--depth-rule", help="How NET counts depth.")]
FamilyKey = Annotated[Optional[str], typer.Option("--family", help="The family NET is of, where two share its name.")]
ForImageNet = Annotated[bool, typer.Option("--imagenet", help="Read a name that two families share as ImageNet's.")]
Classes = Annotated[Optional[int], typer.Option("--classes", min=2, max=100_000, help="10, or 1000 for ImageNet's.")]
ImageSize = Annotated[
    Optional[int], typer.Option("--image-size", min=4, max=1024, help="Pixels, square: 32, or 224 for ImageNet's.")
]
Channels = Annotated[int, typer.Option("--channels", min=1, max=16)]
WEIGHTS = typer.Option("--weights", metavar="FILE", help="A state_dict or safetensors, by torchvision's names or ours.")
RUNS, OUT = Path("runs"), Path("reports")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"ablate {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
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
        _say(*experiment.enumeration.remarks())
    summary = experiment.run(RunOptions(device, slots, slots_per_gpu, epochs, seconds, quiet), console)
    if not quiet or summary.exit_code:
        _say(summary.text())
    raise typer.Exit(summary.exit_code)


@app.command()
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
        _print_json(made.as_json())
    else:
        print("\n".join(f"{caption}\n\n{to_markdown(table)}" for _, caption, table in made.tables), end="")
    if made.recorded < made.planned:
        _say(f"incomplete: {made.recorded} of {made.planned} trials are recorded")
    _say(f"{len(paths)} files in {paths[0].parent}: {', '.join(path.name for path in paths)}")


@app.command()
def plan(study: StudyFile, overrides: Set = None, runs: Runs = RUNS, as_json: Json = False) -> None:
    """Show what would run: networks, counts, budget, trials recorded and missing."""
    from ablate.api import load_study
    from ablate.report.terminal import plan_text

    planned = load_study(study, overrides or (), runs=runs).plan()
    _print_json(planned) if as_json else print(plan_text(planned))


@app.command()
def status(study: StudyFile, overrides: Set = None, runs: Runs = RUNS, as_json: Json = False) -> None:
    """Show how far the trials are, and why some failed."""
    from ablate.api import load_study
    from ablate.report.terminal import status_text

    states = load_study(study, overrides or (), runs=runs).status()
    _print_json(states) if as_json else print(status_text(states))


@app.command()
def show(
    net: Annotated[
        str, typer.Argument(metavar="[NET]", help="A network, such as WRN-40-2-B(1,3,1); none: every kind there is.")
    ] = "",
    depth_rule: DepthRule = "convolutions",
    family: FamilyKey = None,
    imagenet: ForImageNet = False,
    classes: Classes = None,
    image_size: ImageSize = None,
    channels: Channels = 3,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, max=65536, help="Of the training memory.")] = 128,
    weights: Annotated[Optional[Path], WEIGHTS] = None,
    as_json: Json = False,
) -> None:
    """Show a network: layers, parameters, multiply-adds, activations, training memory."""
    from ablate.api import describe
    from ablate.nets.describe import describe_families
    from ablate.nets.notation import parse_architecture
    from ablate.report.terminal import families_text, show_text

    if not net:
        listed = describe_families()
        _print_json(listed) if as_json else print(families_text(listed))
        return
    architecture = parse_architecture(net, depth_rule, family, imagenet)
    network = describe(net, architecture, depth_rule, classes, image_size, channels, batch_size)
    if weights:
        from ablate.nets.weights import check_weights, weights_text

        network["weights"] = check_weights(weights, architecture, network["classes"], tuple(network["input_shape"]))
    _print_json(network) if as_json else print(show_text(network))
    if weights and not as_json:
        print(weights_text(network["weights"]))


@app.command()
def draw(
    net: Annotated[str, typer.Argument(metavar="[NET]", help="A network, such as WRN-28-10.", show_default=False)] = "",
    figure_1: Annotated[bool, typer.Option("--figure-1", help="Instead of NET, the paper's four kinds of blocks.")] = False,
    out: Annotated[
        Optional[Path], typer.Option("-o", "--out", metavar="PATH", help="An .svg, .png or .pdf, instead of NET.svg.")
    ] = None,
    depth_rule: DepthRule = "convolutions",
    family: FamilyKey = None,
    imagenet: ForImageNet = False,
    classes: Classes = None,
    image_size: ImageSize = None,
    channels: Channels = 3,
) -> None:
    """Draw a network: its skeleton, and one block of each kind enlarged."""
    from ablate.errors import RunError

    if bool(net) == figure_1:
        raise RunError(f"draw: found {'NET and --figure-1' if net else 'neither'}; allowed: NET or --figure-1, one of them")
    from ablate.nets.families import blueprint, task_of
    from ablate.nets.notation import parse_architecture
    from ablate.report.drawing import check_path, write_drawing
    from ablate.report.sheet import figure_1_sheet, network_sheet

    path = out or Path(f"{net or 'figure_1'}.svg")
    check_path(path)
    if net:
        architecture = parse_architecture(net, depth_rule, family, imagenet)
        sheet = network_sheet(net, blueprint(architecture, *task_of(architecture, classes, image_size, channels)))
    else:
        sheet = figure_1_sheet()
    write_drawing(sheet, path)
    _say(str(path))


@app.command()
def evaluate(
    net: Annotated[str, typer.Argument(metavar="NET", help="A network, such as WRN-50-2-bottleneck.", show_default=False)],
    weights: Annotated[Path, WEIGHTS],
    data: Annotated[
        Literal["imagenet", "cifar10", "cifar100", "digits", "image_folder"],
        typer.Option("--data", help="imagenet is read from DIR/val/<class>/*."),
    ],
    data_root: Root = None,
    depth_rule: DepthRule = "convolutions",
    family: FamilyKey = None,
    classes: Annotated[Optional[int], typer.Option("--classes", min=2, max=100_000, help="Instead of the data's.")] = None,
    image_size: Annotated[Optional[int], typer.Option("--image-size", min=4, max=1024, help="Of image_folder.")] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, max=65536)] = 64,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    as_json: Json = False,
) -> None:
    """Measure a network with weights from a file: top-1 and top-5 error on test images."""
    from ablate.data.cache import Location, default_cache, default_root
    from ablate.evaluate import evaluate as measure
    from ablate.evaluate import evaluation_text
    from ablate.nets.notation import parse_architecture

    architecture = parse_architecture(net, depth_rule, family, data == "imagenet")
    location = Location(data_root or default_root(), default_cache())
    scores = measure(architecture, weights, data, location, device, classes, image_size, batch_size)
    _print_json(scores) if as_json else print(evaluation_text(scores))


@app.command()
def schema() -> None:
    """Print the JSON Schema of study files, for editors."""
    from ablate.study.schema import json_schema

    _print_json(json_schema())


def _print_json(value: Any) -> None:
    import orjson

    print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)


def _fail(message: str, code: int = 2) -> NoReturn:
    _say(f"error: {message}")
    sys.exit(code)


def main() -> None:
    """The console script: errors become one line and exit code 2."""
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except AblateError as error:
        _fail(str(error))
    except BrokenPipeError:  # `ablate plan ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename or 'system'}: {error.strerror or error}")
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", 130)
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # type: ignore[attr-defined]
            sys.exit(2)
        if not hasattr(error, "format_message"):
            raise
        _fail(" ".join(error.format_message().split()))  # typer's own usage errors


if __name__ == "__main__":
    main()
