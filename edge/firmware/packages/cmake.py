# SPDX-License-Identifier: BSD-3-Clause
"""Provide the package ``cmake``: a library for ``add_subdirectory`` or ``find_package``.

Its target is ``NAME::NAME`` either way, so that two models live in one project.
"""

from __future__ import annotations

from edge.firmware.packages.base import Parts


def arrange(parts: Parts) -> dict[str, bytes]:
    """Return sources, headers, the build with its installation, and the example."""
    return {
        **parts.library("src", "include"),
        **parts.replay("examples/replay"),
        "CMakeLists.txt": parts.render("cmake.txt"),
        "cmake/config.cmake.in": parts.render("cmake_config.txt"),
        "device.cmake": parts.files["device.cmake"],
        "examples/replay/main.c": parts.render("cmake_main.c"),
    }
