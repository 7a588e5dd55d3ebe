# SPDX-License-Identifier: BSD-3-Clause
"""Put the commit into what hatchling builds, and let its time be the time of every file.

Building one commit twice gives the same bytes, whoever builds it and when. A wheel that is built
from a source distribution takes over the commit that stands in that.
"""

from __future__ import annotations

import os
import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface[Any]):
    """Called by hatchling before and after it builds."""

    PLUGIN_NAME = "custom"
    temporary: str | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the commit and have it included; not where the tree is linked to."""
        root = Path(self.root)
        if version == "editable":
            return
        commit = runpy.run_path(str(root / "edge" / "patches" / "commit.py"))
        try:
            text, seconds = commit["for_build"](root)
        except commit["UnknownCommitError"] as error:
            self.app.display_warning(f"eeg-edge: the commit is unknown: {error}")
            return
        os.environ.setdefault("SOURCE_DATE_EPOCH", seconds)
        descriptor, self.temporary = tempfile.mkstemp()
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(self.temporary).chmod(0o644)
        build_data["force_include"][self.temporary] = commit["FILE"]

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove it."""
        if self.temporary is not None:
            Path(self.temporary).unlink()
