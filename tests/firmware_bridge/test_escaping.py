# SPDX-License-Identifier: BSD-3-Clause
"""Text of strangers is written into C, Markdown and CMake only through an escaping function."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import escaping, rendering
from firmware_bridge.plan.source import (
    KEYWORDS,
    TAKEN,
    call,
    comment_lines,
    float_literal,
    identifier,
    refuse_ambiguous,
)
from firmware_bridge.rendering import Code
from quantize.errors import IncompatibleError
from quantize.graph.qgraph import QGraph, Tensor
from tests.conftest import ROOT

hostile = st.text(st.sampled_from(list('*/\\"?\n\r$@;`|<>[]{}_ aé\u202e\u2028\0')), max_size=12)
anything = st.one_of(hostile, st.text())

EXAMPLES = {
    "Cz*\\\n/ int system(const char *);": "Cz*<U+005C><U+000A>/ int system(const char *);",
    "*/ int x; /*": "* / int x; / *",
    "/*/": "/ * /",
    "??/": "? ?/",
    "????": "? ? ? ?",
    'say "%n"': "say <U+0022>%n<U+0022>",
    "é\u202e": "<U+00E9><U+202E>",
    "C3": "C3",
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_c_text_examples(text: str) -> None:
    """What cannot be written is visible in what is."""
    assert escaping.c_text(text) == EXAMPLES[text]


@given(anything)
def test_c_text_can_only_be_read(text: str) -> None:
    """Printable ASCII that ends no comment and no string, joins no lines and makes no trigraph."""
    made = escaping.c_text(text)
    assert all(" " <= char <= "~" for char in made)
    assert not re.search(r'\*/|/\*|\\|\?\?|"', made)


@given(anything)
def test_comment_lines_stay_a_comment(text: str) -> None:
    """Also when they are wrapped: each line begins with a star and a blank."""
    lines = comment_lines(text)
    assert all(line.startswith(" *  ") for line in lines)
    assert "*/" not in "\n".join(lines)


@given(anything)
def test_markdown_is_one_line_of_text(text: str) -> None:
    """Every character that Markdown, HTML or TeX would act on has a backslash before it."""
    made = escaping.markdown(text)
    assert len(made.splitlines()) <= 1
    plain = re.sub(r"\\[\\`*_{}\[\]<>#|$~&!@]", "", made)
    plain = re.sub(r"<U\+[0-9A-F]{4,6}>", "", plain)
    assert not re.search(r"[\\`*_{}\[\]<>#|$~&!@]", plain)


@given(anything)
def test_markdown_code_keeps_its_fence(text: str) -> None:
    """Nothing within is as long as the fence, so nothing within ends it."""
    made = escaping.markdown_code(text)
    fence = re.match("`+", made)
    assert fence is not None
    inside = made[len(fence[0]) : -len(fence[0])]
    runs = re.findall("`+", inside)
    assert made.endswith(fence[0])
    assert fence[0] not in runs
    assert "|" not in made
    assert len(made.splitlines()) == 1


@given(anything)
def test_cmake_text_replaces_nothing(text: str) -> None:
    """No variable, list, quote or line break."""
    assert not re.search(r'[\\"$@;\r\n]', escaping.cmake_text(text))


@given(st.one_of(anything, st.sampled_from(["int8_t", "NULL", "EDGE_LAYER", "edge_dense", "m"])))
def test_identifiers_are_names(text: str) -> None:
    """Whatever a tensor is called, its name in C is a free lower-case word of ASCII."""
    word = identifier(text)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", word)
    assert word not in KEYWORDS | TAKEN
    assert not word.startswith("edge_")
    assert word not in ("int8_t", "size_t", "uint32_t")


def test_two_tensors_of_one_name_are_refused() -> None:
    """``a.b`` and ``a_b`` would be one variable."""
    tensors = tuple(Tensor(name, (1, 1, 4, 2), None) for name in ("a.b", "a_b"))
    with pytest.raises(IncompatibleError) as caught:
        refuse_ambiguous(QGraph("a.b", "a.b", tensors, (), {}))
    assert str(caught.value) == (
        "Tensors 'a.b' and 'a_b' have the same name in C, 'a_b'. Rename one of them and export "
        "again."
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_numbers_that_are_none_are_refused(value: float) -> None:
    """``nanf`` would be a name, and ``inff`` as well."""
    with pytest.raises(IncompatibleError) as caught:
        float_literal(value)
    assert str(caught.value) == f"The graph holds {value}, which is no float32 that C can write."


@pytest.mark.parametrize("text", ["1); system(0", "x, y", '"x"', "x/*", "a[0]", "x\\", "{"])
def test_calls_take_expressions_alone(text: str) -> None:
    """Nothing that ends an argument, a statement or a comment."""
    with pytest.raises(IncompatibleError):
        call("edge_dense", "x", text)


def _render(language: str, template: str, **values: object) -> str:
    return rendering._environment(language).from_string(template).render(**values)


@pytest.mark.parametrize("language", [".c", ".h", ".cc", ".cmake", ".txt"])
@pytest.mark.parametrize("value", ["Cz */", "a b", "", "é", 1.5, True, None, ("a",)])
def test_what_has_passed_no_filter_does_not_render(language: str, value: object) -> None:
    """In C and CMake, but for whole numbers and identifiers."""
    with pytest.raises(IncompatibleError):
        _render(language, "/* {{ value }} */", value=value)


def test_filters_and_code_render() -> None:
    """And nothing becomes HTML on the way."""
    template = "{{ text | c_text }} {{ code }} {{ n }} {{ name }}"
    made = _render(".c", template, text="<&>*/", code=Code("a->b[0] & c"), n=-3, name="my_name")
    assert made == "<&>* / a->b[0] & c -3 my_name"


def test_markdown_escapes_by_itself() -> None:
    """A template need not think of it."""
    assert _render(".md", "{{ a }} {{ b }}", a="[x](y)", b="my_name") == r"\[x\](y) my_name"


def test_missing_values_are_errors() -> None:
    """A template says what it lacks."""
    with pytest.raises(jinja2.UndefinedError, match="'nothing' is undefined"):
        _render(".c", "{{ nothing }}")


def test_every_template_has_a_language() -> None:
    """By the suffix of the file that it becomes; so none renders without rules."""
    templates = sorted(rendering.TEMPLATES.rglob("*.j2"))
    assert len(templates) > 20
    assert {Path(path.stem).suffix for path in templates} <= rendering.LANGUAGES.keys()


def test_no_template_escapes_from_its_rules() -> None:
    """``safe`` would, and nothing but our own Python makes :data:`Code`."""
    for path in rendering.TEMPLATES.rglob("*.j2"):
        assert not re.search(r"\bsafe\b|autoescape", path.read_text()), path


def test_there_is_no_second_template_system() -> None:
    """No ``str.format`` in the package: its templates are files, rendered by one function."""
    for path in (ROOT / "firmware_bridge").rglob("*.py"):
        calls = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        ]
        names = {node.func.attr for node in calls if isinstance(node.func, ast.Attribute)}
        assert "format" not in names, path
        assert "Environment" not in names or path.name == "rendering.py", path
