# SPDX-License-Identifier: BSD-3-Clause
"""Provide the package ``zephyr``: a module of Zephyr, with Kconfig and a sample.

It was not built against Zephyr itself here: Kconfig is parsed by Kconfiglib, and CMake and the
sample run against a stand-in of the few functions that they call.
"""

from __future__ import annotations

from edge.firmware.packages.base import Parts

SAMPLE = "samples/replay"


def arrange(parts: Parts) -> dict[str, bytes]:
    """Return sources, headers, the module's description, and the sample."""
    return {
        **parts.library("src", "include"),
        **parts.replay(f"{SAMPLE}/src"),
        "zephyr/module.yml": parts.render("zephyr_module.yml"),
        "zephyr/Kconfig": parts.render("zephyr_kconfig.txt"),
        "zephyr/CMakeLists.txt": parts.render("zephyr.txt"),
        f"{SAMPLE}/CMakeLists.txt": parts.render("zephyr_sample.txt"),
        f"{SAMPLE}/prj.conf": parts.render("zephyr_prj.txt"),
        f"{SAMPLE}/sample.yaml": parts.render("zephyr_sample.yml"),
        f"{SAMPLE}/src/main.c": parts.render("zephyr_main.c"),
    }
