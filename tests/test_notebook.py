"""The notebook of studies/ runs from its first cell to its last, and is kept without outputs."""

from __future__ import annotations

from pathlib import Path

import ablate

NOTEBOOK = Path(ablate.__file__).parents[1] / "studies" / "from_python.ipynb"


def test_the_notebook_runs(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in cells for output in cell.outputs]
    texts = "".join(output.get("text", "") for output in shown)
    pages = "".join(output.data.get("text/html", "") for output in shown if "data" in output)
    assert "4 trained, 12 epochs" in texts and "recorded; logits differ by at most" in texts
    assert "has the lowest test error" in pages and "data:image/png;base64" in pages
    assert sum("image/png" in output.data for output in shown if "data" in output) == 3
    assert len(list((tmp_path / "exports").rglob("*.onnx"))) == 2
