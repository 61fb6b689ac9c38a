"""The options that commands share, the parsing of their texts, and printing: data to stdout, messages to stderr."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import typer

from ablate.errors import RunError, allowed, describe, printable
from ablate.registry import Registry

if TYPE_CHECKING:
    from ablate.nets.architecture import Architecture
    from ablate.nets.architecture import DepthRule as DepthRuleName
    from ablate.report.document import Document


def parse_path(text: str | Path) -> Path:
    """A path of the command line.

    Args:
        text: Must not be empty, as that of a shell variable that is not set: it would mean the current directory.

    Raises:
        typer.BadParameter: The text is empty.
    """
    if not str(text):
        raise typer.BadParameter("found ''; allowed: a path")
    return Path(text)


StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="A study file (YAML).", show_default=False)]
Studies = Annotated[list[Path], typer.Argument(metavar="STUDY...", help="Study files (YAML).", show_default=False)]
Set = Annotated[
    Optional[list[str]], typer.Option("-s", "--set", metavar="KEY=VALUE", help="Override a key: recipe.epochs=30.")
]
Scale = Annotated[str, typer.Option("--scale", metavar="NAME", help="A scale of the study, such as small.")]
Runs = Annotated[Path, typer.Option("--runs", parser=parse_path, metavar="DIR", help="The directory of records.")]
Out = Annotated[Path, typer.Option("--out", parser=parse_path, metavar="DIR", help="The directory of reports.")]
Root = Annotated[
    Optional[Path], typer.Option("--data-root", parser=parse_path, metavar="DIR", help="The directory of images.")
]
Images = Annotated[
    Optional[list[str]], typer.Option("--images", metavar="[NAME=]DIR", help="Class folders in place of a data set.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
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
RUNS, OUT = Path("runs"), Path("reports")
MAX_GPUS = 1_000_000  # limit of a simulated run


def print_json(value: Any) -> None:
    """Print a value as indented JSON to stdout.

    Args:
        value: Plain values.
    """
    import orjson

    try:
        print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
    except orjson.JSONEncodeError:  # a file name that is not valid Unicode
        print(json.dumps(value, indent=2))


def print_text(text: str) -> None:
    """Print the text of a command to stdout, on a terminal with its Markdown tables drawn.

    Args:
        text: Its tables are Markdown.
    """
    if sys.stdout.isatty():
        from rich.console import Console

        from ablate.report.writers import terminal

        terminal.print_text(text, Console(highlight=False), "with --json")
    else:
        print(text)


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
    """Print a report to stdout: in brief on a terminal, else whole, as Markdown.

    Args:
        document: The report.
    """
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


def say(*texts: str) -> None:
    """Print messages to stderr, with parameter names written as flags; see with_flags().

    On a terminal long lines are broken between words.

    Args:
        texts: The messages.
    """
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else sys.maxsize
    for line in (printable(line) for text in texts for line in with_flags(text).split("\n")):
        folded = textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        print(folded if len(line) > width else line, file=sys.stderr)


def with_flags(text: str) -> str:
    """A message of the library with flags for the parameters that it names: `slots_per_gpu` becomes --slots-per-gpu.

    Args:
        text: The message; parameters are in backquotes.
    """
    return re.sub("`([a-z]+(?:_[a-z]+)*)`", lambda found: f"--{found[1].replace('_', '-')}", text)


def one_of(table: Registry[Any], suits: Callable[[Any], bool] = lambda entry: True) -> dict[str, Any]:
    """The arguments of typer.Option for an option that takes a name of a table.

    Args:
        table: The table. Its names are the choices, which the help and the shell completion also show.
        suits: Whether an entry is a choice.
    """

    def names() -> list[str]:
        return [name for name, entry in table.items() if suits(entry)]

    def parse(text: str) -> str:
        if text not in names():
            raise typer.BadParameter(f"found '{text}'; {allowed(text, names())}")
        return text

    shown = [name for name, entry in table.built_in.items() if suits(entry)]
    return {"parser": parse, "metavar": f"[{'|'.join(shown)}]" if len(shown) < 5 else "NAME", "autocompletion": names}


def read_network(
    net: str, rule: DepthRuleName, family: str | None, imagenet: bool, arguments: Optional[list[str]], args: str
) -> Architecture:
    """The network of a name, or of "module:callable" with its arguments. Its module is looked for here first.

    Args:
        net: Such as "WRN-28-10" or "mynet:build".
        rule: How the name counts depth.
        family: The family of the name; None: any.
        imagenet: Whether a name that two families share means ImageNet's.
        arguments: Of the callable, each as "KEY=VALUE" with a YAML value.
        args: Of the callable, as a YAML or JSON mapping; "" for none.

    Raises:
        AblateError: The network cannot be built, or an argument is not of this form.
    """
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
