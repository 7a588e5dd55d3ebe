# SPDX-License-Identifier: BSD-3-Clause
"""``import edge`` alone makes braindecode importable, and leaves everything else as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOADS = "import torch, torchaudio"
"""Whether this machine's torchaudio loads beside its torch, as typed."""


def python(code: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=cwd
    )


def test_braindecode_behind_edge() -> None:
    """The line that users type first; a network computes."""
    done = python(
        "import edge\n"
        "from braindecode.models import AttentionBaseNet\n"
        "import torch\n"
        "net = AttentionBaseNet(n_chans=3, n_times=500, n_outputs=2)\n"
        "print(tuple(net(torch.zeros(1, 3, 500)).shape))\n"
    )
    assert done.stdout == "(1, 2)\n", done.stderr


def test_import_edge_stays_light() -> None:
    """It imports neither torch nor torchaudio nor braindecode."""
    done = python(
        "import sys, edge\n"
        "print([m for m in ('torch', 'torchaudio', 'braindecode', 'numpy') if m in sys.modules])\n"
    )
    assert done.stdout == "[]\n", done.stderr


def test_torchaudio_by_itself_is_not_touched() -> None:
    """Where braindecode does not ask, torchaudio ends as it does without us."""
    bare, behind = python(LOADS), python(f"import edge; {LOADS}")
    assert behind.returncode == bare.returncode
    assert behind.stderr.strip().splitlines()[-1:] == bare.stderr.strip().splitlines()[-1:]


def package(root: Path, library: str) -> None:
    """Write a torchaudio and a braindecode of our own, so that the test needs no wheel."""
    files = {
        "torchaudio/__init__.py": "from . import _extension\nstate = _extension.state\n",
        "torchaudio/_extension/__init__.py": (
            "from .utils import _load_lib\nstate = _load_lib('_torchaudio')\n"
        ),
        "torchaudio/_extension/utils.py": f"def _load_lib(name):\n    {library}\n",
        "braindecode/__init__.py": "import torchaudio\nprint(torchaudio.state)\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_library_that_loads_is_used(tmp_path: Path) -> None:
    """The stand-in is for a library that cannot be loaded, and for nothing else."""
    package(tmp_path, "return 'native'")
    assert python("import edge, braindecode", tmp_path).stdout == "native\n"


def test_a_library_that_does_not(tmp_path: Path) -> None:
    """torchaudio comes up as where its wheel has none; its loader is put back."""
    package(tmp_path, "raise OSError('libc10_cuda.so: cannot open shared object file')")
    done = python(
        "import edge, braindecode\n"
        "from torchaudio._extension import utils\n"
        "try:\n    utils._load_lib('x')\nexcept OSError as error:\n    print(error)\n",
        tmp_path,
    )
    assert done.stdout == "False\nlibc10_cuda.so: cannot open shared object file\n", done.stderr


def test_another_error_is_not_hidden(tmp_path: Path) -> None:
    """What is wrong in another way keeps its own message."""
    package(tmp_path, "raise KeyError('another')")
    done = python("import edge, braindecode", tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("KeyError: 'another'")
