# SPDX-License-Identifier: BSD-3-Clause
"""How Sphinx builds the documentation; ``make docs`` calls it with warnings as errors."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the API's docstrings are read here

project = "eeg-edge"
author = "the eeg-edge authors"
project_copyright = author
version = release = installed("eeg-edge")

extensions = [
    "myst_parser",  # pages are Markdown, so that they read well where the sources are read, too
    "sphinx.ext.autodoc",  # the Python API, from its docstrings
    "sphinx.ext.napoleon",  # which are written as numpydoc
]
exclude_patterns = ["tools"]
myst_heading_anchors = 4  # links to headings are checked
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_google_docstring = False

html_theme = "furo"
html_title = "eeg-edge"
html_copy_source = False
html_show_sphinx = False
