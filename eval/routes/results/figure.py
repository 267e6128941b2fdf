"""Draws accuracy against route length."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from utils.atomic import atomic_file
from utils.errors import InputError
from utils.outputs import SOFTWARE
from utils.tables import read_table

COLUMNS = ("area", "embedding", "kept_percent", "route_length", "top1_accuracy_percent")
LONGEST_ROUTE = 1_000_000


def check_figure(path: Path, paper_curves: Path | None, embeddings: Path, keep_percent: float) -> dict[str, pd.DataFrame]:
    """Refuses, before the work, a figure that cannot be drawn; returns the published curves of the area, if there is a file of them.

    Raises:
        InputError: matplotlib is missing; the suffix is unknown; as `published_curves`.
    """
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"{path}: a figure is written as .png, .svg or .pdf")
    if find_spec("matplotlib") is None:
        raise InputError("a figure needs matplotlib: pip install -r requirements.txt")
    return published_curves(paper_curves, embeddings, keep_percent) if paper_curves else {}


def draw_accuracy(path: Path, accuracy: dict[str, np.ndarray], paper_curves: dict[str, pd.DataFrame], title: str) -> None:
    """Writes a PNG, SVG or PDF, by the suffix.

    Args:
        accuracy: percentages by route length (L,) of each localizer; `paper` is dashed beside another.
        paper_curves: as `published_curves` returns them, dashed.
    """
    from matplotlib.figure import Figure  # slow to import, and optional

    figure = Figure(figsize=(7, 4.5), dpi=150, layout="constrained")
    axes = figure.subplots()
    for name, values in accuracy.items():
        dashed, color = name == "paper" and len(accuracy) > 1, "0.2" if name == "paper" else None
        axes.plot(np.arange(1, len(values) + 1), values, "--" if dashed else "-", color=color, label=name)
    for name, curve in paper_curves.items():
        axes.plot(curve["route_length"], curve["top1_accuracy_percent"], "--", linewidth=1.2, label=f"published curve: {name}")
    axes.set(xlabel="route length (panoramas)", ylabel="last five places right (%)", ylim=(None, 101))  # shows a line at 100 % uncut
    axes.set_xlim(1, max(2, *map(len, accuracy.values())))
    axes.locator_params(axis="x", integer=True)  # there are no fractions of panoramas
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    with atomic_file(path) as temporary:
        key = "Software" if path.suffix == ".png" else "Creator"
        figure.savefig(temporary, format=path.suffix[1:], metadata={key: SOFTWARE})


def published_curves(path: Path, embeddings: Path, keep_percent: float) -> dict[str, pd.DataFrame]:
    """Reads the published curves of the area whose name the path `embeddings` contains.

    Returns:
        By name of embedding, a table with the columns route_length and top1_accuracy_percent.

    Raises:
        InputError: the file is missing or lacks a column; it has no curve of that area with `keep_percent`.
    """
    cells = read_table(path, "published accuracies")
    cells.take_header()
    cells.require(COLUMNS, f"its first line is {','.join(COLUMNS)}")
    table = pd.DataFrame({
        "area": cells.cells("area"), "embedding": cells.cells("embedding"), "kept_percent": cells.numbers("kept_percent", 0, 100),
        "route_length": cells.whole_numbers("route_length", 1, LONGEST_ROUTE),
        "top1_accuracy_percent": cells.numbers("top1_accuracy_percent", 0, 100),
    })  # fmt: skip
    here = table[np.array([str(area) in str(embeddings) for area in table["area"]], bool) & (table["kept_percent"] == keep_percent)]
    if here.empty:
        areas, kept = (", ".join(map(str, table[column].unique())) for column in ("area", "kept_percent"))
        raise InputError(f"{path}: no curve with {keep_percent:g} % kept of an area that {embeddings} names (areas: {areas}; kept: {kept})")
    return {str(name): curve.sort_values("route_length") for name, curve in here.groupby("embedding", sort=True)}
