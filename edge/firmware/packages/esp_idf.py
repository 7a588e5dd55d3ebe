# SPDX-License-Identifier: BSD-3-Clause
"""Provide the package ``esp-idf``: a component of ESP-IDF, with its manifest and an example."""

from __future__ import annotations

from edge.firmware.packages.base import Parts

EXAMPLE = "examples/replay"


def arrange(parts: Parts) -> dict[str, bytes]:
    """Return sources, headers, the component's description, and the example."""
    return {
        **parts.library("src", "include"),
        **parts.replay(f"{EXAMPLE}/main"),
        "CMakeLists.txt": parts.render("esp_idf.txt"),
        "idf_component.yml": parts.render("esp_idf_component.yml"),
        f"{EXAMPLE}/CMakeLists.txt": parts.render("esp_idf_example.txt"),
        f"{EXAMPLE}/main/CMakeLists.txt": parts.render("esp_idf_example_main.txt"),
        f"{EXAMPLE}/main/idf_component.yml": parts.render("esp_idf_example.yml"),
        f"{EXAMPLE}/main/main.c": parts.render("esp_idf_main.c"),
    }
