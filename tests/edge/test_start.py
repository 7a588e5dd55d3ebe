# SPDX-License-Identifier: BSD-3-Clause
"""The first moments of the program: Ctrl-C while the commands are still being imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

WAITS = """\
import sys, time
class Waits:
    def find_spec(self, name, *_):
        if name == "edge.cli":
            open("started", "w").close()
            time.sleep(60)
sys.meta_path.insert(0, Waits())
from edge.__main__ import run
run()
"""


def test_ctrl_c_during_the_imports_is_no_traceback(tmp_path: Path) -> None:
    """Nothing has begun: the process ends as by the system, without a word."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    while not (tmp_path / "started").exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (-signal.SIGINT, "")


def test_what_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """A job in the background of a shell does not hear Ctrl-C; it goes on."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "import sys; sys.argv = ['edge', '--version']\n"
        "import atexit; atexit.register(lambda: print(signal.getsignal(signal.SIGINT).name))\n"
        "from edge.__main__ import run; run()\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "SIG_IGN", done.stderr


LISTS = """\
import atexit, sys
atexit.register(lambda: print(sorted({"torch", "executorch", "pandas", "mne"} & set(sys.modules))))
from edge.__main__ import run
run()
"""


def test_what_is_wrong_by_itself_is_refused_before_anything_heavy(tmp_path: Path) -> None:
    """An export of data without a checkpoint took 14 s to say so."""
    done = subprocess.run(
        [sys.executable, "-c", LISTS, "export", "--mode", "none", "--data", "x.npz"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("edge: 'edge export' does not train, and --data 'x.npz' comes")
    assert done.stdout == "[]\n"
