"""The `ablate` command, also as `python -m ablate`."""

import gc
import sys

from ablate.processes.signals import PREEMPTING, handling, preempted

ALLOCATIONS = 100_000  # after which Python looks for cycles; its 700 take a tenth of the time of a plan


def main() -> None:
    """Import the command and run it. A signal during the import ends the process as a later one does."""
    gc.set_threshold(ALLOCATIONS)
    try:
        with handling(dict.fromkeys(PREEMPTING, preempted)):
            from ablate.commands.cli import main as run
        run()
    except (KeyboardInterrupt, Exception) as error:
        if not isinstance(error, KeyboardInterrupt) and "KeyboardInterrupt" not in str(error):  # pydantic wraps it
            raise
        print("error: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
