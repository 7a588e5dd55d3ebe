# SPDX-License-Identifier: BSD-3-Clause
"""The documentation: followed as written, built without a warning, generated parts up to date."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs.tools import generate, walk
from docs.tools.pages import DOCS, README, Step, every_page, steps
from tests import forked
from tests.conftest import EXPORT, ROOT, SAID, Edge, Once

STARTS_WITH = "<!-- walk: starts with edge-eca-int8 -->"


def followed(step: Step) -> bool:
    """Whether a test does what a block says, and does not only parse it."""
    runs = step.language in ("console", "python") or bool(step.file)
    return runs and not step.order.startswith("reads")


PAGES = [page for page in every_page() if any(map(followed, steps(page.read_text())))]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_is_right(page: Path, tmp_path: Path, eca_bundle: Path, server: forked.Server) -> None:
    """Every file is written, every command run, every output is what the page shows."""
    text = page.read_text()
    exported = walk.Done((eca_bundle.parent / SAID).read_text(), eca_bundle)
    shell = walk.Shell(tmp_path, edge=server.program(), known={EXPORT: exported})
    if STARTS_WITH in text:
        shutil.copytree(eca_bundle, shell.here / eca_bundle.name)
    walk.check(text, shell)


def test_most_pages_are_followed() -> None:
    """Tutorials and how-to pages, except what needs a headset."""
    kinds = [page for page in every_page() if page.parent.name in ("tutorials", "how-to")]
    left = {page.stem for page in kinds if page not in PAGES}
    assert left == {"index", "stream-live"}


def test_every_command_that_is_shown_is_parsed() -> None:
    """Also those that no test can run: our command line takes them as they are typed."""
    lines = [c.line for page in every_page() for s in steps(page.read_text()) for c in s.commands]
    ours = [line for line in lines if line.startswith("edge ")]
    assert len(ours) > 20
    for line in ours:
        walk.refuse_unparsable(re.split(r" [|>&]|;", line)[0])


WRONG = {
    "output": "```console\n$ echo one\ntwo\n```\n",
    "missing output": "```console\n$ echo one; echo two\none\n```\n",
    "status": "```console\n$ false\n```\n",
    "program": "```python\nassert 1 == 2\n```\n",
    "option": "<!-- walk: reads -->\n```console\n$ edge verify bundle --loud\n```\n",
    "command": "<!-- walk: reads -->\n```console\n$ edge publish bundle\n```\n",
    "exit status": "```console\n$ (exit 3)\n$ echo $?\n4\n```\n",
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_page_is_noticed(what: str, tmp_path: Path) -> None:
    """Whatever a page says that is not so."""
    with pytest.raises(walk.WrongPageError):
        walk.check(WRONG[what], walk.Shell(tmp_path))


def test_a_right_page_is_followed(tmp_path: Path) -> None:
    """Files, folders, numbers that differ, shortened outputs; an update writes the real ones."""
    page = (
        "```toml file=a/b.toml\nx = 1\n```\n\n```console\n$ cd a && cat b.toml\nx = 2\n"
        "$ seq 3\n1\n...\n$ (exit 3)\n$ echo $?\n3\n```\n"
    )
    walk.check(page, walk.Shell(tmp_path / "checked"))
    after = walk.updated(page, walk.Shell(tmp_path / "updated"))
    assert after == page.replace("x = 2", "x = 1")


@pytest.mark.slow
def test_builds_without_a_warning(tmp_path: Path) -> None:
    """Sphinx with warnings as errors: unknown links and headings, pages in no table of contents."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS)]
    done = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "architecture.html").exists()


@pytest.fixture(scope="module")
def firmware(edge: Edge, once: Once, eca_bundle: Path) -> Path:
    """What ``edge firmware`` writes for the shipped model."""

    def make(folder: Path) -> None:
        options = ("--device", "nrf52840", "--uv-per-count", "0.0223517")
        done = edge("firmware", eca_bundle, *options, "--out", folder / "project")
        assert done.returncode == 0, done.stderr

    return once("docs-firmware", make) / "project"


@pytest.mark.slow
def test_generated_pages_are_up_to_date(firmware: Path) -> None:
    """``make docs`` writes them."""
    old = [str(path.relative_to(ROOT)) for path in generate.stale(firmware)]
    assert not old, f"Type: make docs  (out of date: {', '.join(old)})"


def test_readme_is_short() -> None:
    """What it is, the set-up, three recipes, what runs where, links; the rest is documentation."""
    assert len(README.read_text().splitlines()) <= 150


def test_links_of_the_readme_lead_somewhere() -> None:
    """Sphinx does not see the README; its links are files of the repository."""
    text = README.read_text()
    targets = [t.partition("#")[0] for t in re.findall(r"\]\(([^)]+)\)", text)]
    assert len(targets) > 15
    for target in targets:
        assert not target.startswith("http"), target
        assert (ROOT / target).exists(), target


def test_make_targets_exist() -> None:
    """Everything that a page has typed as ``make TARGET``."""
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for page in every_page():
        for target in re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", page.read_text(), re.M):
            assert {*target} - {""} <= known, page
