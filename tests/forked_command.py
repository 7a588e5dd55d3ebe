# SPDX-License-Identifier: BSD-3-Clause
"""Be ``edge`` for a shell: hand arguments and descriptors to the process that forks, and wait.

python -S -E tests/forked_command.py ADDRESS ARGUMENTS...
"""

import json
import os
import socket
import sys
from pathlib import Path

with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    request = {"arguments": sys.argv[2:], "cwd": str(Path.cwd()), "variables": dict(os.environ)}
    socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
    connection.shutdown(socket.SHUT_WR)
    answers = connection.makefile().readlines()  # the process, then its exit status and cost
code = int(answers[1].split()[0]) if len(answers) > 1 else 1
sys.exit(code if code >= 0 else 128 - code)
