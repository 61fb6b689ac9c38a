"""`ablate status --watch`: the state of a study, shown again and again in a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ablate.commands.options import with_flags
from ablate.commands.status_text import is_over, status_text

LEAST_SECONDS = 2.0  # between two looks
SHARE = 5  # a look takes at most one part in so many of the time: many records may lie on a slow disk


def watch_status(look: Callable[[], tuple[dict[str, Any], str]], console: Console | None = None) -> None:
    """Show a status until nothing is left to train, or until Ctrl-C.

    Args:
        look: Returns the status, and a sentence on where it is from; "" for none.
        console: Where it is shown; None: standard output.
    """
    with Live(console=console or Console(highlight=False), auto_refresh=False) as live:
        try:
            while True:
                begun = time.monotonic()
                status, told = look()
                lines = "\n".join(filter(None, [told, with_flags(status_text(status, live=True))]))
                live.update(Text(lines, no_wrap=True, overflow="ellipsis"), refresh=True)
                if is_over(status):
                    return
                time.sleep(max(LEAST_SECONDS, (SHARE - 1) * (time.monotonic() - begun)))
        except KeyboardInterrupt:
            return
