"""The notebook runs from its first cell to its last, and finds what it says."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

NOTEBOOK = Path(__file__).parents[2] / "examples" / "first_steps.ipynb"


def test_the_notebook_runs(capsys):
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict = {}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    assert names["answer"].candidates[0].name == "petzold_minuet_g_major"
    assert names["similarities"].max(axis=1).mean() > 0.6
    assert "page 1, system 1" in capsys.readouterr().out


def test_it_is_kept_with_its_output():
    """What a reader of the repository sees: pictures, and the right name."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    printed = "".join("".join(output.get("text", "")) for output in outputs)
    assert "petzold_minuet_g_major" in printed.splitlines()[4]
    assert not any(output["output_type"] == "error" for output in outputs)
