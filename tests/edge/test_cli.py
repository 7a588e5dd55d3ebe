# SPDX-License-Identifier: BSD-3-Clause
"""The command line's manners: completion, colours, JSON, help."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest

from edge import registry
from edge.cli import commands
from tests.conftest import Edge


def completions(edge: Edge, words: str, shell: str = "bash") -> list[str]:
    """What a shell is offered behind ``words``."""
    environment = {
        "_EDGE_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = edge(env=environment)
    assert done.returncode == 0, done.stderr
    return [word for line in done.stdout.splitlines() if (word := line.partition(",")[2])]


def test_completion(edge: Edge) -> None:
    """Commands, options, modes and lists of targets."""
    assert completions(edge, "edge ") == sorted(commands())
    assert completions(edge, "edge export --full") == ["--full-int8"]
    assert completions(edge, "edge export --mode e") == ["eca", "eegnet", "encnet"]
    targets = [f"tflite,{name}" for name in registry.names(registry.TARGETS)]
    assert completions(edge, "edge export --targets tflite,") == targets
    assert completions(edge, "edge train --holdout ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(edge: Edge, shell: str) -> None:
    """The script that the README has evaluated."""
    done = edge(env={"_EDGE_COMPLETE": f"{shell}_source"})
    assert done.returncode == 0
    assert "_EDGE_COMPLETE" in done.stdout


def on_terminal(folder: Path, *arguments: str, **environment: str) -> str:
    """What a command prints when both streams are a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", *arguments],
        cwd=folder, stdout=theirs, stderr=theirs, close_fds=True,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"} | environment,
    )  # fmt: skip
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux's way of saying that the other end is closed
            break
        if not part:
            break
        text += part
    assert process.wait() == 0, text
    return text.decode()


def test_terminal(tmp_path: Path) -> None:
    """A bar and colours, which ``NO_COLOR`` (no-color.org) takes away."""
    colours = [f"\x1b[{code}m" for code in (*range(30, 38), *range(90, 98))]

    def coloured(text: str) -> bool:
        return any(colour in text for colour in colours) or "\x1b[38;" in text

    arguments = (
        *("export", "--mode", "none", "--held-out", "96"),
        *("--out", "b", "--targets", "tflite"),
    )
    text = on_terminal(tmp_path, *arguments)
    assert coloured(text)
    assert not coloured(on_terminal(tmp_path, *arguments, NO_COLOR="1"))
    assert "loading PyTorch and ExecuTorch" in text
    assert "1/4" in text
    assert "export 1/4" not in text  # a bar on a terminal, lines on a pipe


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_has_json(command: str) -> None:
    """``--json`` and ``-v`` are everywhere, in the commands of a group too."""
    named = commands()[command]
    for one in named.commands.values() if isinstance(named, click.Group) else [named]:
        options = {option for parameter in one.params for option in parameter.opts}
        assert {"--json", "--verbose"} <= options, one.name


def test_json_is_one_document(edge: Edge, eca_bundle: Path, tmp_path: Path) -> None:
    """And nothing else on stdout; errors go to stderr as ever."""
    export = ("export", "--mode", "none", "--held-out", "96", "--targets", "tflite", "--json")
    done = edge(*export, cwd=tmp_path)
    assert json.loads(done.stdout)["model"]["mode"] == "none"
    done = edge("verify", tmp_path, "--json")
    assert (done.returncode, done.stdout) == (2, "")
