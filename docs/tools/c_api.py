# SPDX-License-Identifier: BSD-3-Clause
"""Write the reference page of the C interface from the headers that a firmware project holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

HEAD = """# C interface

`edge firmware` writes these headers for a model. The names begin with what `--name` says, `edge`
here, and shapes are those of the model, here 22 channels, 1000 samples and 4 classes. Nothing
allocates memory and nothing is global: the caller owns one struct for each decoder, whose size the
compiler knows.
"""

SECTIONS = (
    ("edge.h", "One window at a time"),
    ("edge_stream.h", "Sample by sample"),
    ("edge_live.h", "Between an interrupt and a thread"),
    ("edge_signal.h", "From a converter's counts to samples"),
    ("edge_session.h", "From counts to decisions"),
    ("edge_about.h", "Which model it is"),
)

TYPES = r"(?:int|void|uint32_t|edge_status|const \w+)"
DECLARED = re.compile(rf"^{TYPES} \*?(\w+)\(", re.M)
ITEM = re.compile(
    r"(?P<comment>/\*(?:(?!\*/).)*\*/\n)"
    r"(?P<code>(?:" + TYPES + r"\s[^;{}]*;\n)+)",
    re.S,
)
MACRO = re.compile(r"^#define (?P<name>\w+) (?P<value>.+)$", re.M)
STRUCT = re.compile(r"typedef struct \{.*?\} \w+;", re.S)


def page(folder: Path) -> str:
    """The whole page; ``folder`` is what ``edge firmware`` wrote."""
    sections = [_section(name, title, (folder / name).read_text()) for name, title in SECTIONS]
    return "\n".join([HEAD, *sections])


def _section(name: str, title: str, header: str) -> str:
    lines = [f"## {title}: `{name}`", ""]
    if struct := STRUCT.search(header):
        type_name = struct[0].rpartition("} ")[2].rstrip(";")
        lines += [f"State: `{type_name}`, allocated by the caller.", ""]
    lines += [f"Constants: {_macros(header)}.", ""]
    for comment, code in functions(header):
        lines += ["```c", code, "```", "", *_explained(comment), ""]
    return "\n".join(lines)


def _macros(header: str) -> str:
    names = (m["name"] for m in MACRO.finditer(header))
    return ", ".join(f"`{name}`" for name in names)


def functions(header: str) -> Iterator[tuple[str, str]]:
    """Every documented group of declarations: the comment's text, and the declarations.

    Raises
    ------
    ValueError
        When a function is declared without a comment before it.
    """
    documented = list(ITEM.finditer(header))
    declared = set(DECLARED.findall(header))
    explained = {n for m in documented for n in DECLARED.findall(m["code"])}
    if declared != explained or not declared:
        raise ValueError(f"not documented: {sorted(declared - explained)}")
    for match in documented:
        yield _words(match["comment"]), match["code"].strip()


def _words(comment: str) -> str:
    """A comment without its stars."""
    body = comment.strip().removeprefix("/*").removesuffix("*/")
    return "\n".join(re.sub(r"^ \* ?", "", line).rstrip() for line in body.splitlines()).strip()


def _explained(comment: str) -> Iterator[str]:
    """A comment as Markdown: sentences, then a row for each argument."""
    sentences, rows = [], []
    for line in comment.splitlines():
        argument = re.match(r"^\s{1,4}(\w+)\s{2,}(.*)$", line)
        if argument:
            rows.append(
                [f"`{argument[1]}`" if argument[1] != "returns" else "returns", argument[2]]
            )
        elif rows and line.strip():
            rows[-1][1] += f" {line.strip()}"
        else:
            sentences.append(line.strip())
    yield " ".join(filter(None, sentences))
    if rows:
        yield ""
        yield "| argument | meaning |"
        yield "| --- | --- |"
        yield from (f"| {name} | {words} |" for name, words in rows)
