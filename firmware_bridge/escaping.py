# SPDX-License-Identifier: BSD-3-Clause
"""Text from files is made harmless before it is written into C, Markdown or CMake.

Names of channels, classes and tensors come from recordings, contracts and bundles of strangers. One
function a language turns such text into text that can only be read, never run. All of them are
filters of the templates (:mod:`firmware_bridge.rendering`).
"""

from __future__ import annotations

import re
import unicodedata

from quantize.errors import IncompatibleError

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What may be written as a name; ASCII, because compilers disagree about all else."""

EXPRESSION = re.compile(r"[A-Za-z0-9_ &*()+\-.>]*")
"""An argument of a call: names, numbers, casts and sums; nothing that ends a statement."""


INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, marks that turn the text round, and line breaks."""


def identifier(name: str) -> str:
    """Return ``name`` when it is an ASCII identifier, and raise otherwise.

    Raises
    ------
    IncompatibleError
        When it is not.
    """
    if not IDENTIFIER.fullmatch(name):
        raise IncompatibleError(
            f"{name!r} cannot be written into generated code: it is not a name of letters, digits "
            f"and underscores. The file that it comes from was not written by edge."
        )
    return name


def expression(text: str) -> str:
    """Return ``text`` when it is an argument of a C call without a side effect, raise otherwise.

    Raises
    ------
    IncompatibleError
        When it holds anything but names, numbers, casts and sums.
    """
    if not EXPRESSION.fullmatch(text):
        raise IncompatibleError(f"{text!r} cannot be an argument in generated C.")
    return text


def c_text(text: str) -> str:
    r"""Text for a C comment or between the quotes of a C string literal.

    The result is printable ASCII. It cannot end or begin a comment (``*/`` and ``/*`` get a blank
    between), join lines (a backslash or a line break is written as ``<U+005C>``, ``<U+000A>``),
    make a trigraph (``??`` gets a blank between) or end a string.

    >>> c_text("Cz*\\\n/ system();")
    'Cz*<U+005C><U+000A>/ system();'
    """
    visible = "".join(
        char if " " <= char <= "~" and char not in '\\"' else f"<U+{ord(char):04X}>"
        for char in text
    )
    apart = re.sub(r"\*(?=/)", "* ", visible)
    apart = re.sub(r"/(?=\*)", "/ ", apart)
    return re.sub(r"\?(?=\?)", "? ", apart)


def printable(text: str) -> str:
    """One line without characters that cannot be seen: these are written as ``<U+200B>``."""
    return "".join(
        f"<U+{ord(char):04X}>" if unicodedata.category(char) in INVISIBLE else char for char in text
    )


def markdown(text: str) -> str:
    r"""Text for a paragraph or a table cell of Markdown; no link, HTML, formula or column in it.

    >>> markdown("a|b <i>_c_</i>")
    'a\\|b \\<i\\>\\_c\\_\\</i\\>'
    """
    return re.sub(r"([\\`*_{}\[\]<>#|$~&!@])", r"\\\1", printable(text))


def spreadsheet(text: str) -> str:
    """Text of a cell in a CSV file; a spreadsheet program takes none of it for a formula.

    >>> spreadsheet("=1+1"), spreadsheet("a=1")
    ("'=1+1", 'a=1')
    """
    line = printable(text)
    return f"'{line}" if line.lstrip()[:1] in ("=", "+", "-", "@") else line


def markdown_code(text: str) -> str:
    """Write a code span of Markdown, fenced by more backticks than the text has.

    >>> markdown_code("a`b")
    '``a`b``'
    """
    line = printable(text).replace("|", "<U+007C>")
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    pad = " " if line[:1] in ("`", "") or line[-1:] == "`" else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def cmake_text(text: str) -> str:
    r"""Text for a comment of CMake or between the quotes of a CMake string.

    Line breaks and other invisible characters are written as ``<U+000A>``; what CMake replaces
    (``$``, ``@``, ``;``, backslash and quote) is too.

    >>> cmake_text("a${b}")
    'a<U+0024>{b}'
    """
    return re.sub(r'[\\"$@;]', lambda found: f"<U+{ord(found[0]):04X}>", printable(text))
