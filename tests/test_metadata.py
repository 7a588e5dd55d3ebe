# SPDX-License-Identifier: BSD-3-Clause
"""What a stranger needs before any code: licence, citation, policies, pinned versions, CI."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from ruamel.yaml import YAML

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONSTRAINTS = ROOT / "constraints.txt"
CHECK = shutil.which("check-jsonschema", path=str(Path(sys.executable).parent))
HOOKS = ROOT / ".pre-commit-config.yaml"
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


def yaml(path: Path) -> object:
    """The plain values of a YAML file."""
    return YAML(typ="safe", pure=True).load(path.read_text())


def pins() -> dict[str, Version]:
    """What constraints.txt pins, by canonical name."""
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]
    requirements = [Requirement(line) for line in lines]
    names = [canonicalize_name(one.name) for one in requirements]
    assert names == sorted(names)
    exact = [re.fullmatch(r"==([\w.]+)", str(one.specifier)) for one in requirements]
    return {n: Version(e[1]) for n, e in zip(names, exact, strict=True) if e is not None}


def declared() -> list[Requirement]:
    """Every requirement of pyproject.toml, of all extras, that names another project."""
    texts = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
    found = [Requirement(text) for text in texts]
    return [one for one in found if one.name != PROJECT["name"]]


@pytest.mark.parametrize("requirement", declared(), ids=lambda one: one.name)
def test_every_requirement_admits_its_pin(requirement: Requirement) -> None:
    """The version that the suite has passed with lies in the range that pip may choose from."""
    pinned = pins().get(canonicalize_name(requirement.name))
    assert pinned is not None, (
        f"{requirement.name} has no pin: run the suite, type make constraints"
    )
    assert requirement.specifier.contains(pinned, prereleases=True)


def test_pins_are_exact() -> None:
    """Every line is ``name==version``."""
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]
    assert len(pins()) == len(lines)


def test_set_up_installs_the_pins() -> None:
    """setup.sh gives pip the constraints."""
    assert "--constraint constraints.txt" in (ROOT / "setup.sh").read_text()


def test_licence_is_stated_once_and_everywhere_the_same() -> None:
    """pyproject, LICENSE, NOTICE, the zoo and the citation name one licence and one holder."""
    holder = "the eeg-edge authors"
    assert PROJECT["license"] == "BSD-3-Clause"
    assert PROJECT["authors"] == [{"name": holder}]
    for name in PROJECT["license-files"]:
        assert holder in (ROOT / name).read_text(), name
    assert set(PROJECT["license-files"]) == {"LICENSE", "NOTICE", "edge/zoo/LICENSE"}
    assert "Redistribution and use in source and binary forms" in (ROOT / "LICENSE").read_text()
    assert "BSD-3-Clause" in (ROOT / "edge/zoo/LICENSE").read_text()
    # PEP 639: a licence expression and a licence classifier exclude each other.
    assert not [c for c in PROJECT["classifiers"] if c.startswith("License ::")]


def test_notice_names_every_firmware_engine() -> None:
    """Each engine of ``edge firmware`` has its paragraph on what its output contains."""
    engines = [path.stem for path in (ROOT / "edge").rglob("engines/[a-z]*.py")]
    assert engines
    notice = (ROOT / "NOTICE").read_text()
    for name in engines:
        assert f"--engine {name}`" in notice, name


def test_citation_is_valid_and_of_this_version() -> None:
    """CITATION.cff has this version, and cites the network's paper and braindecode."""
    citation = yaml(ROOT / "CITATION.cff")
    assert isinstance(citation, dict)
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    text = (ROOT / "CITATION.cff").read_text()
    assert "arXiv:2310.11198" in text
    assert "10.5281/zenodo.17699192" in text


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.citation-file-format", ROOT / "CITATION.cff"),
        ("vendor.github-workflows", WORKFLOW),
    ],
    ids=["citation", "workflow"],
)
def test_file_follows_its_schema(schema: str, file: Path) -> None:
    """The published JSON Schemas, which check-jsonschema brings with it."""
    assert CHECK is not None
    done = subprocess.run(
        [CHECK, "--builtin-schema", schema, file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_workflow_runs_what_ci_runs() -> None:
    """The forge's workflow calls .ci/run and knows no other way to test."""
    document = yaml(WORKFLOW)
    assert isinstance(document, dict)
    (job,) = document["jobs"].values()
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert runs[-1] == "bash .ci/run"


def test_hooks_call_what_make_check_calls() -> None:
    """Every hook is local and runs a program of the virtual environment that Makefile runs too."""
    document = yaml(HOOKS)
    assert isinstance(document, dict)
    (repo,) = document["repos"]
    assert repo["repo"] == "local"
    makefile = (ROOT / "Makefile").read_text()
    for hook in repo["hooks"]:
        program = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert f"$(BIN)/{program}" in makefile, program


def test_changelog_has_this_version_or_what_is_to_come() -> None:
    """Keep a Changelog: newest first, and the version of pyproject.toml is mentioned."""
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(r"^## \[Unreleased\]$", text, re.M)
    assert PROJECT["version"] in text
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.M)) <= kinds


def test_security_policy_says_how_to_report() -> None:
    """What is defended, what is not, and the way to us."""
    text = (ROOT / "SECURITY.md").read_text()
    for heading in ("How to report", "Defended today", "Not defended today"):
        assert heading in text


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "NOTICE"])
def test_paths_that_a_page_names_are_there(page: str) -> None:
    """Files and folders in backquotes and in links, as far as they are written in full."""
    text = (ROOT / page).read_text()
    roots = ("benchmarks/", "docs/", "edge/", "firmware_bridge/", "quantize/", "tests/", ".ci/")
    named = re.findall(r"`([^`\s]+)`|\]\(([^)\s#]+)\)", text)
    paths = {path for pair in named for path in pair if path.startswith(roots)}
    files = {path for path in paths if not re.search("[A-Z]{4}|[*{]", path)}
    assert [path for path in sorted(files) if not (ROOT / path).exists()] == []
