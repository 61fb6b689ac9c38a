"""The notebook of studies/ runs from its first cell to its last, and is kept without outputs.

Its workers are forks of its kernel, which has torch imported.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import ablate

NOTEBOOK = Path(ablate.__file__).parents[1] / "studies" / "from_python.ipynb"
FORKED = """\
import forked
from ablate.processes import parent
parent.subprocess = forked.in_place_of_subprocess([])
"""


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    notebook.cells.insert(0, nbformat.v4.new_code_cell(FORKED))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in cells for output in cell.outputs]
    texts = "".join(output.get("text", "") for output in shown)
    pages = "".join(output.data.get("text/html", "") for output in shown if "data" in output)
    assert "4 trained, 12 epochs" in texts and "recorded; logits differ by at most" in texts
    assert "has the lowest test error" in pages and "data:image/png;base64" in pages
    assert sum("image/png" in output.data for output in shown if "data" in output) == 3
    assert len(list((tmp_path / "exports").rglob("*.onnx"))) == 2
