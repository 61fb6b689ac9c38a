"""The command that continuous integration reads from the README."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_readme_has_one_test_command_that_a_shell_can_read():
    script = (ROOT / ".ci" / "run").read_text()
    (reader,) = re.findall(r"test_command=\$\((.*)\)  #", script)
    command = subprocess.run(["bash", "-c", reader], cwd=ROOT, capture_output=True, text=True).stdout
    assert command.splitlines() == ["    pip install -e '.[dev]' && pytest"]
    assert subprocess.run(["bash", "-n", "-c", command]).returncode == 0
    assert subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT).returncode == 0
