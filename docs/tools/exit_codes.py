# SPDX-License-Identifier: BSD-3-Clause
"""Write the reference page of exit codes from the enumeration and the error classes."""

from __future__ import annotations

from docs.tools.texts import first_sentence

HEAD = """# Exit codes

`edge` ends with one of these; scripts may rely on them. A refusal prints one line on stderr that
says what was asked, why it cannot be, and what to type instead.

| code | name | meaning | in Python |
| ---: | --- | --- | --- |
"""

WITHOUT_A_CLASS = {
    "DONE": "The request was carried out.",
    "BUG": "A fault of ours; a traceback says where. Please report it.",
}
"""Codes that no error class stands for."""


def page() -> str:
    """The whole page."""
    from edge import cli
    from edge.errors import EdgeError, ExitCode

    kinds = {kind.exit_code: kind for kind in EdgeError.__subclasses__()}
    rows = []
    for code in ExitCode:
        kind = kinds.get(code)
        meaning = WITHOUT_A_CLASS[code.name] if kind is None else first_sentence(kind)
        name = "" if kind is None else f"`edge.errors.{kind.__name__}`"
        rows.append(f"| {int(code)} | `{code.name}` | {meaning} | {name} |")
    rows.append(f"| {cli.INTERRUPTED} | | Ctrl-C; nothing was written. | `KeyboardInterrupt` |")
    return HEAD + "\n".join(rows) + "\n"
