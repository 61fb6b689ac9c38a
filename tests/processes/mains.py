"""What children run in these tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

from ablate.processes.child import Parent


def echo(*arguments: str) -> None:
    """Says its arguments and its module search path, and then does as it is told."""
    parent = Parent()
    parent.send("event", arguments, sys.path)
    while True:
        match parent.receive():
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(3)
            case "fork":
                process = subprocess.Popen(["sleep", "300"])
                parent.send("event", process.pid)
            case "hang":
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
                parent.send("event", os.getpid())
                threading.Event().wait()
            case "stopping":
                parent.send("event", parent.asks_to_stop())
            case "ask":
                parent.send("event", parent.ask_to_stop())
            case other:
                print("printed, and in nobody's way")
                parent.send("event", other)
