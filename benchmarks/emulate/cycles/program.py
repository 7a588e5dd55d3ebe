# SPDX-License-Identifier: BSD-3-Clause
"""Model the cycles of calls of a linked program."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.emulate import emulator
from benchmarks.emulate.cycles import pipeline
from benchmarks.emulate.cycles.model import Cycles, Interval, Model
from benchmarks.emulate.cycles.thumb import Decoder
from benchmarks.emulate.cycles.trace import Tracer
from firmware_bridge.build.link import elf_segments


class Traced:
    """A linked program on an emulated core, whose calls are traced.

    Parameters
    ----------
    interval
        That of the program's kind; see :class:`benchmarks.emulate.cycles.model.Model`.
    """

    def __init__(self, program: emulator.Program, model: Model, interval: Interval) -> None:
        self.model, self.interval = model, interval
        self.machine = emulator.Machine(program)
        self.tracer = Tracer(self.machine.uc)
        self.decoder = Decoder(pipeline.reader(elf_segments(program.elf)))

    def call(self, function: str, window: NDArray[np.int8], out: NDArray[Any]) -> Cycles:
        """Call a function as :meth:`benchmarks.emulate.emulator.Machine.call` does.

        Raises
        ------
        RuntimeError
            When the trace holds other instructions than were counted.
        """
        self.tracer.start()
        run = self.machine.call(function, window, out)
        events = pipeline.events(self.tracer.trace(), self.decoder, self.model)
        if events[pipeline.INSTRUCTION] != run.instructions:
            raise RuntimeError(
                f"the trace has {events[pipeline.INSTRUCTION]:,} instructions, "
                f"{run.instructions:,} were executed"
            )
        return Cycles.of(self.model.cycles(events), self.interval)
