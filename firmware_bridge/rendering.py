# SPDX-License-Identifier: BSD-3-Clause
"""Every file that firmware consists of is rendered here, from ``templates/`` by Jinja.

A template's language follows from its name, and with it what may be interpolated. In C and CMake
that is a whole number, an identifier, or :data:`Code`; anything else has to pass a filter first
(``c_text``, ``cmake_text``), or rendering raises. In Markdown all other text is escaped by itself.
So a template that forgets to escape does not render, whatever it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from firmware_bridge import escaping
from firmware_bridge.plan.source import indented
from quantize.errors import IncompatibleError

TEMPLATES = Path(__file__).parent / "templates"

Code = Markup
"""Text that is code already, made by our own functions or by a filter; it is written as it is."""


def _plain(value: object) -> Markup:
    """A value of a template whose language has no escaping of its own: C and CMake.

    Raises
    ------
    IncompatibleError
        For text that is no identifier and has not passed a filter.
    """
    if isinstance(value, Markup):
        return value
    if isinstance(value, jinja2.Undefined):
        return Markup(str(value))  # raises, and says which name
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return Markup(str(int(value)))
    if isinstance(value, str):
        return Markup(escaping.identifier(value))
    raise IncompatibleError(f"{value!r} cannot be written into generated code.")


def _markdown(value: object) -> Markup:
    """A value of a Markdown template: text is escaped, but for identifiers and :data:`Code`."""
    text = str(value)
    if isinstance(value, Markup) or escaping.IDENTIFIER.fullmatch(text):
        return Markup(text)
    return Markup(escaping.markdown(text))


LANGUAGES: Mapping[str, Callable[[object], Markup]] = MappingProxyType(
    dict.fromkeys((".c", ".cc", ".h", ".ino", ".cmake", ".txt", ".yml", ".properties"), _plain)
    | {".md": _markdown}
)
"""What happens to an interpolated value, by the suffix of the file that is written."""


def _filter(escape: Callable[[str], str]) -> Callable[[str], Markup]:
    return lambda text: Markup(escape(str(text)))


@cache
def _environment(suffix: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,  # what _plain and _markdown made is left as it is
        finalize=LANGUAGES[suffix],
    )
    for escape in (escaping.c_text, escaping.cmake_text, escaping.markdown_code):
        environment.filters[escape.__name__] = _filter(escape)
    environment.filters["thousands"] = lambda number: Markup(f"{number:,}")
    environment.filters["indented"] = lambda text: Code(indented(text))
    return environment


def render(template: str, **values: Any) -> str:
    """Render a file from ``templates/``; a value that it lacks is an error.

    Parameters
    ----------
    template
        Its path in ``templates/`` without ``.j2``: ``c/main.c``.

    Raises
    ------
    IncompatibleError
        For text in the place of an identifier, see :mod:`firmware_bridge.escaping`.
    """
    environment = _environment(Path(template).suffix)
    return environment.get_template(f"{template}.j2").render(**values)
