# SPDX-License-Identifier: BSD-3-Clause
"""Draw the figures of the documentation: the pipeline, and who imports whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from docs.tools import svg
from docs.tools.pages import DOCS
from docs.tools.svg import Box

PACKAGES = ("benchmarks", "edge", "firmware_bridge", "quantize")
"""From the one that may import all others to the one that imports none."""


def every() -> dict[Path, str]:
    """Every figure by its file."""
    folder = DOCS / "figures"
    return {folder / "pipeline.svg": pipeline(), folder / "imports.svg": imports()}


def pipeline() -> str:
    """From a checkpoint to a bundle and what can be done with it."""
    top, middle = 30, 104
    checkpoint = Box(
        10, top, 150, 62, ("checkpoint", "braindecode, float32", "a file or a live model")
    )
    recording = Box(10, 168, 150, 62, ("recording", "EDF, BDF, FIF, .npz, …", "or simulated"))
    lowered = Box(200, top, 150, 62, ("lower", "an equal network,", "12 times cheaper"))
    contract = Box(
        200, 168, 150, 62, ("signal contract", "reference, causal filter,", "scaling, window")
    )
    quantized = Box(
        390, middle - 10, 150, 72, ("quantize", "one integer graph,", "one reference"), "key"
    )
    files = [
        Box(580, 12 + 62 * row, 130, 50, lines)
        for row, lines in enumerate(
            (
                ("ExecuTorch", ".pte"),
                ("TFLite", ".tflite"),
                ("ONNX", ".onnx"),
                ("C99", "no runtime, no heap"),
            )
        )
    ]
    bundle = Box(
        750,
        middle - 22,
        170,
        92,
        ("bundle", "every file was run and", "compared on windows", "never seen before"),
        "key",
    )
    uses = Box(
        200,
        272,
        720,
        44,
        ("edge firmware   ·   edge stream   ·   edge bench   ·   edge report   ·   edge verify",),
    )
    arrows = [
        svg.across(checkpoint, lowered),
        svg.across(recording, contract),
        svg.across(lowered, quantized),
        svg.across(contract, quantized),
        *(svg.across(quantized, file) for file in files),
        *(svg.across(file, bundle) for file in files),
        svg.down(bundle, Box(bundle.x, uses.y, bundle.width, uses.height, ())),
    ]
    boxes = [checkpoint, recording, lowered, contract, quantized, *files, bundle, uses]
    title = "From a checkpoint and a recording to a bundle of files for every runtime"
    return svg.drawing(930, 326, title, [*arrows, *(box.drawn() for box in boxes)])


def folder_of(module: str) -> str:
    """The folder of a module, ``edge.lower`` say; the package for files that lie in no folder."""
    package, _, rest = module.partition(".")
    first, _, below = rest.partition(".")
    return f"{package}.{first}" if below or _is_folder(package, first) else package


def _is_folder(package: str, name: str) -> bool:
    return bool(name) and (DOCS.parent / package / name).is_dir()


def imports_of_folders() -> dict[str, set[str]]:
    """Which folder of our packages imports which, read from the sources; type hints left out."""
    import grimp

    graph = grimp.build_graph(
        *PACKAGES,
        include_external_packages=False,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )
    found: dict[str, set[str]] = {folder_of(module): set() for module in graph.modules}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            if folder_of(imported) != folder_of(module):
                found[folder_of(module)].add(folder_of(imported))
    return found


BOX_WIDTH, BOX_HEIGHT = 108.0, 30.0
GAP_X, GAP_Y = 14.0, 34.0
MARGIN = 16.0


def imports() -> str:
    """The folders of the four packages; an arrow points to what is imported.

    Inside a package only arrows are drawn that do not follow from others. Between packages one
    arrow says that all above may import all below.
    """
    found = imports_of_folders()
    width = 1010.0
    parts: list[str] = []
    y = 8.0
    for package in PACKAGES:
        rows = _rows(package, found)
        height = 30 + len(rows) * (BOX_HEIGHT + GAP_Y) - GAP_Y + MARGIN
        parts.append(
            f'<rect class="band" x="6" y="{y:g}" width="{width - 12:g}" height="{height:g}"/>'
        )
        parts.append(svg.text(18, y + 20, package, "bold mono", "start"))
        boxes = _placed(rows, y + 30, width)
        parts += [svg.down(boxes[a], boxes[b]) for a, b in _arrows(package, found, boxes)]
        parts += [box.drawn() for box in boxes.values()]
        y += height + 30
        if package != PACKAGES[-1]:
            above, below = (Box(width / 2, y - 30 + d, 0, 0, ()) for d in (0, 30))
            parts += [
                svg.down(above, below),
                svg.text(width / 2 + 12, y - 11, "imports", "small", "start"),
            ]
    return svg.drawing(width, y - 22, "Which folder imports which", parts)


def _within(package: str, found: Mapping[str, set[str]]) -> Any:
    """The import graph of one package; folders that import each other are one node."""
    import networkx as nx

    graph = nx.DiGraph()
    own = sorted(name for name in found if name.partition(".")[0] == package and "." in name)
    graph.add_nodes_from(own)
    graph.add_edges_from((a, b) for a in own for b in sorted(found[a]) if b in own)
    condensed = nx.condensation(graph)
    return nx.relabel_nodes(
        condensed, {n: tuple(sorted(condensed.nodes[n]["members"])) for n in condensed}
    )


def _rows(package: str, found: Mapping[str, set[str]]) -> list[list[tuple[str, ...]]]:
    """Folders in rows, each above all that it imports; near to what it imports."""
    import networkx as nx

    graph = _within(package, found)
    rank: dict[tuple[str, ...], int] = {}
    for node in reversed(list(nx.lexicographical_topological_sort(graph))):
        rank[node] = 1 + max((rank[below] for below in graph.successors(node)), default=-1)
    rows: dict[int, list[tuple[str, ...]]] = defaultdict(list)
    for node in sorted(rank):
        rows[rank[node]].append(node)
    place: dict[tuple[str, ...], float] = {}
    for level in sorted(rows):
        rows[level].sort(key=lambda node: (_mean(place[b] for b in graph.successors(node)), node))
        place |= {node: (i + 0.5) / len(rows[level]) for i, node in enumerate(rows[level])}
    return [rows[level] for level in sorted(rows, reverse=True)]


def _mean(values: Iterable[float]) -> float:
    every = list(values)
    return sum(every) / len(every) if every else 0.5


def _placed(
    rows: Sequence[Sequence[tuple[str, ...]]], y: float, width: float
) -> dict[tuple[str, ...], Box]:
    boxes = {}
    for number, row in enumerate(rows):
        names = [", ".join(name.partition(".")[2] for name in node) for node in row]
        widths = [max(BOX_WIDTH, 7.6 * len(name) + 18) for name in names]
        gap = min(60.0, (width - 60 - sum(widths)) / max(len(row), 1))
        x = (width - sum(widths) - gap * (len(row) - 1)) / 2
        for node, name, wide in zip(row, names, widths, strict=True):
            top = y + number * (BOX_HEIGHT + GAP_Y)
            boxes[node] = Box(x, top, wide, BOX_HEIGHT, (name,))
            x += wide + gap
    return boxes


def _arrows(
    package: str, found: Mapping[str, set[str]], boxes: Mapping[tuple[str, ...], Box]
) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Imports that do not follow from others."""
    import networkx as nx

    reduced = nx.transitive_reduction(_within(package, found))
    return sorted((a, b) for a, b in reduced.edges if a in boxes and b in boxes)
