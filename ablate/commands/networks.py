"""show, draw, evaluate, schema: the commands on a network, and the schema of study files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import typer

from ablate.commands.options import Json, Root, one_of, parse_path, print_json, print_text, say
from ablate.data.data_sets import DATA_SETS
from ablate.errors import RunError, describe
from ablate.study.tasks import CLASSIFICATION

if TYPE_CHECKING:
    from ablate.nets.architecture import Architecture
    from ablate.nets.architecture import DepthRule as DepthRuleName

DepthRule = Annotated[
    Literal["convolutions", "nominal"],
    typer.Option("--depth-rule", metavar="RULE", help="convolutions (default) or nominal.", show_default=False),
]
FamilyKey = Annotated[Optional[str], typer.Option("--family", metavar="NAME", help="The family, if two have the name.")]
ForImageNet = Annotated[bool, typer.Option("--imagenet", help="Read NET as a network for ImageNet.")]
Classes = Annotated[
    Optional[int], typer.Option("--classes", min=2, max=100_000, metavar="N", help="Classes: 10, or 1000 for ImageNet.")
]
ImageSize = Annotated[
    Optional[int],
    typer.Option("--image-size", min=4, max=1024, metavar="PIXELS", help="Pixels a side: 32, or 224 for ImageNet."),
]
Argument = Annotated[
    Optional[list[str]], typer.Option("-a", "--arg", metavar="KEY=VALUE", help="An argument of your function: depth=3.")
]
Arguments = Annotated[str, typer.Option("--args", metavar="MAPPING", help="Several: '{depth: 3, norm: batch}'.")]
Channels = Annotated[int, typer.Option("--channels", min=1, max=16, metavar="N", help="Channels of an image.")]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, max=65536, metavar="N", help="Images per step.")]
WEIGHTS = typer.Option("--weights", parser=parse_path, metavar="FILE", help="A state_dict, safetensors or .t7 file.")


def show(
    net: Annotated[str, typer.Argument(metavar="NET", help="WRN-40-2, or module:callable; none: list all.")] = "",
    argument: Argument = None,
    args: Arguments = "",
    depth_rule: DepthRule = "convolutions",
    family: FamilyKey = None,
    imagenet: ForImageNet = False,
    classes: Classes = None,
    image_size: ImageSize = None,
    channels: Channels = 3,
    batch_size: BatchSize = 128,
    weights: Annotated[Optional[Path], WEIGHTS] = None,
    as_json: Json = False,
) -> None:
    """Show a network: layers, counts, memory."""
    from ablate.commands.network_text import families_text, network_text, weights_text
    from ablate.nets.describe import describe_families

    if not net:
        listed = describe_families()
        print_json(listed) if as_json else print_text(families_text(listed))
        return
    architecture = _read_network(net, depth_rule, family, imagenet, argument, args)
    network = _describe(net, architecture, depth_rule, classes, image_size, channels, batch_size)
    if weights:
        from ablate.nets.weights import check_weights

        network["weights"] = check_weights(weights, architecture, network["classes"], tuple(network["input_shape"]))
    print_json(network) if as_json else print_text(network_text(network))
    if weights and not as_json:
        print(weights_text(network["weights"]))


def draw(
    net: Annotated[str, typer.Argument(metavar="NET", help="WRN-28-10, or module:callable.", show_default=False)] = "",
    figure_1: Annotated[bool, typer.Option("--figure-1", help="The paper's figure 1, instead of NET.")] = False,
    out: Annotated[
        Optional[Path], typer.Option("-o", "--out", parser=parse_path, metavar="PATH", help="An .svg, .png or .pdf file.")
    ] = None,
    argument: Argument = None,
    args: Arguments = "",
    depth_rule: DepthRule = "convolutions",
    family: FamilyKey = None,
    imagenet: ForImageNet = False,
    classes: Classes = None,
    image_size: ImageSize = None,
    channels: Channels = 3,
) -> None:
    """Draw a network and its blocks."""
    if bool(net) == figure_1:
        raise RunError("draw: give a network or --figure-1" + (", not both" if net else ""))
    from ablate.nets.families import blueprint, task_of
    from ablate.report.figures.network import check_path, write_drawing
    from ablate.report.network_diagram import figure_1_diagram, network_diagram

    path = out or Path(f"{net.replace(':', '.') or 'figure_1'}.svg")
    check_path(path)
    if net:
        architecture = _read_network(net, depth_rule, family, imagenet, argument, args)
        diagram = network_diagram(net, blueprint(architecture, *task_of(architecture, classes, image_size, channels)))
    else:
        diagram = figure_1_diagram()
    write_drawing(diagram, path)
    say(str(path))


def evaluate(
    net: Annotated[str, typer.Argument(metavar="NET", help="WRN-50-2-bottleneck, or module:callable.", show_default=False)],
    weights: Annotated[Path, WEIGHTS],
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="The data set, such as imagenet.",
            **one_of(DATA_SETS, lambda entry: entry.channels is not None and entry.task == CLASSIFICATION),
        ),
    ],
    data_root: Root = None,
    argument: Argument = None,
    args: Arguments = "",
    depth_rule: DepthRule = "convolutions",
    family: FamilyKey = None,
    classes: Annotated[
        Optional[int], typer.Option("--classes", min=2, max=100_000, metavar="N", help="Classes, if not those of the data.")
    ] = None,
    image_size: Annotated[
        Optional[int],
        typer.Option("--image-size", min=4, max=1024, metavar="PIXELS", help="Pixels a side of an image_folder."),
    ] = None,
    batch_size: BatchSize = 64,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu or cuda.")] = "auto",
    as_json: Json = False,
) -> None:
    """Measure the test error of a network with given weights."""
    from ablate.commands.network_text import evaluation_text
    from ablate.data.location import find_location
    from ablate.schedule.slots import find_slots
    from ablate.train.evaluate import evaluate as measure

    architecture = _read_network(net, depth_rule, family, DATA_SETS[data].imagenet_names, argument, args)
    location = find_location(data_root)
    found = find_slots(device, 1, say=say)[0].device
    scores = measure(architecture, weights, data, location, found, classes, image_size, batch_size)
    print_json(scores) if as_json else print(evaluation_text(scores))


def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the keys as Markdown, for readers.")] = False,
) -> None:
    """Print the JSON Schema of study files, for editors."""
    from ablate.study.json_schema import json_schema
    from ablate.study.reference import reference

    print(reference(), end="") if markdown else print_json(json_schema())


def _describe(
    name: str,
    architecture: Architecture,
    rule: DepthRuleName,
    classes: int | None,
    image_size: int | None,
    channels: int,
    batch_size: int,
) -> dict[str, Any]:
    """A network in the plain values that are printed; `name` is as the user wrote it, for its other meanings."""
    from ablate.nets.describe import describe_network
    from ablate.nets.families import count_network, task_of
    from ablate.nets.notation import other_meanings
    from ablate.study.costs import memory_choices
    from ablate.study.recipe import Recipe

    classes, shape = task_of(architecture, classes, image_size, channels)
    recipe = Recipe.named("wrn_cifar", batch_size=batch_size)
    return {
        **describe_network(architecture, rule, classes, shape),
        "also": other_meanings(name, architecture.family),
        "batch_size": batch_size,
        "training_memory": memory_choices(count_network(architecture, classes, shape), recipe),
    }


def _read_network(
    net: str, rule: DepthRuleName, family: str | None, imagenet: bool, arguments: Optional[list[str]], args: str
) -> Architecture:
    """The network of a name, or of "module:callable" with its arguments. Its module is looked for here first."""
    from ablate.nets.notation import own_architecture, parse_architecture
    from ablate.own_code import REFERENCE
    from ablate.study.document import read_text

    if not REFERENCE.fullmatch(net):
        if arguments or args:
            raise RunError(f"--args: '{net}' has none; allowed for module:callable")
        return parse_architecture(net, rule, family, imagenet)
    given = read_text(args, "--args").value if args else {}
    if not isinstance(given, dict):
        raise RunError(f"--args: found {describe(given)}; allowed: a mapping such as {{depth: 3}}")
    for assignment in arguments or ():
        key, equals, text = assignment.partition("=")
        if not equals or not text or not key.isidentifier():
            raise RunError(f"--arg: found '{assignment}'; allowed: KEY=VALUE, such as depth=3")
        given[key] = read_text(text, f"--arg {key}").value
    return own_architecture(net, given, (Path.cwd(),))
