"""The `ablate` command: the list of its commands, and the exit codes of errors. Only __main__ imports it.

Exit codes:
- 0: success.
- 2: usage, study or data error.
- 3: trials failed, diverged, had another result in `verify`, or were left out by `merge`.
- 75: stopped by SIGTERM or SIGUSR1.
- 130: stopped by Ctrl-C.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from copy import copy
from typing import Annotated, NoReturn

import typer

from ablate import __version__
from ablate.commands import networks, records, trials
from ablate.commands.options import say
from ablate.errors import AblateError
from ablate.processes.signals import PREEMPTING, handling, preempted

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Ablation studies and architecture search for image classifiers.",
)
COMMANDS = (
    trials.run, trials.search, trials.report, trials.plan, trials.status,
    networks.show, networks.draw, networks.evaluate, networks.schema,
    records.trace, records.verify, records.adopt, records.export, records.merge, records.import_,
    records.clean, records.archive,
)  # fmt: skip
for command in COMMANDS:
    app.command(command.__name__.rstrip("_"))(command)


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
    """Define the options of `ablate` before the command."""


def _app_for(words: Sequence[str]) -> typer.Typer:
    """The application, with one command alone if the first word names it: typer makes all before it reads a word."""
    asked = [one for one in app.registered_commands if one.name in words[:1]]
    if not asked:
        return app
    alone = copy(app)
    alone.registered_commands = asked
    return alone


def _fail(message: str, code: int = 2) -> NoReturn:
    say(f"error: {message}")
    sys.exit(code)


def _without_name() -> str:
    """What an error of the system is of that names no file: the current directory, if that was removed."""
    try:
        os.getcwd()
    except OSError:
        return "the current directory"
    return "system"


def main() -> None:
    """Run the console script. An expected error becomes one line on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # escape characters that the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    try:
        with handling(dict.fromkeys(PREEMPTING, preempted)):
            sys.exit(_app_for(sys.argv[1:])(standalone_mode=False) or 0)
    except AblateError as error:
        _fail(str(error))
    except BrokenPipeError:  # `ablate plan ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename or _without_name()}: {error.strerror or error}")
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", 130)
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # type: ignore[attr-defined]
            sys.exit(2)
        if not hasattr(error, "format_message"):
            raise
        _fail(" ".join(error.format_message().split()))  # typer's own usage errors
