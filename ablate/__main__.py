"""The `ablate` command, also as `python -m ablate`."""

import sys

ALLOCATIONS = 100_000  # after which Python looks for cycles; its 700 take a tenth of the time of a plan


def main() -> None:
    """Import the command and run it. A signal during the import ends the process as a later one does."""
    try:  # before anything is imported: Ctrl-C may come in the first millisecond
        import gc
        import signal
        from functools import partial

        from ablate.processes.signals import INTERRUPTED, PREEMPTED, PREEMPTING, end_at_once, handling

        gc.set_threshold(ALLOCATIONS)
        heard = (signal.SIGINT,) if signal.getsignal(signal.SIGINT) != signal.SIG_IGN else ()  # ignored in the background
        stop, interrupt = partial(end_at_once, PREEMPTED), partial(end_at_once, INTERRUPTED, "error: interrupted\n")
        with handling({**dict.fromkeys(PREEMPTING, stop), **dict.fromkeys(heard, interrupt)}):
            from ablate.commands.cli import main as run
        run()
    except (KeyboardInterrupt, Exception) as error:
        if not isinstance(error, KeyboardInterrupt) and "KeyboardInterrupt" not in str(error):  # pydantic wraps it
            raise
        print("error: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
