# SPDX-License-Identifier: BSD-3-Clause
"""Run on a device: check artifacts against golden vectors there, then time them.

    python3 runner.pyz plan.json           everything
    python3 runner.pyz fresh FILE TARGET THREADS
                                           load one artifact in this process, run it once
    python3 runner.pyz count plan.json     check, and infer between markers that an emulator counts

It is sent as one file with :mod:`benchmarks.measure.protocol` and
:mod:`benchmarks.measure.machine` (see :mod:`benchmarks.devices.parcel`) and needs Python 3.9 and
what runs an artifact: ai-edge-litert or tflite-runtime, onnxruntime, executorch; the C engine
needs nothing. So it imports nothing else of ours, and shapes windows
itself as :mod:`quantize.graph.layouts` does. Every line of stdout is one JSON object. It ends
when its caller does: when stdin closes, or when nothing has come from there for a while.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import machine, protocol

SILENCE_S = 60.0
"""The caller sends a line more often than that."""

COUNTED = (1, 1, 11)
"""Inferences between markers: to warm up, and two numbers whose difference is ten of them."""


@dataclass(frozen=True)
class Loaded:
    """An artifact that is ready to run.

    ``encode`` takes a window (n_chans, n_times) in float32, ``decode`` gives its logits as a list.
    ``again`` infers what ``invoke`` was last given without handing it over anew, where a runtime
    has such a call.
    """

    encode: Callable[[Any], Any]
    invoke: Callable[[Any], Any]
    decode: Callable[[Any], Sequence[float]]
    again: Callable[[], Any] | None = None


def tflite(file: str, threads: int) -> Loaded:
    """Load a file in LiteRT, or in tflite-runtime if that is what is installed."""
    import numpy as np

    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tflite_runtime.interpreter import Interpreter
    interpreter = Interpreter(model_path=file, num_threads=threads)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def encode(window: Any) -> Any:
        samples = np.ascontiguousarray(window.T)[None, None]
        if source["dtype"] is np.float32:
            return samples
        scale, zero_point = source["quantization"]
        steps = np.rint(samples / np.float32(scale)) + zero_point
        return np.clip(steps, -128, 127).astype(np.int8)

    def invoke(samples: Any) -> Any:
        interpreter.set_tensor(source["index"], samples)
        interpreter.invoke()
        return interpreter.get_tensor(target["index"])

    def decode(stored: Any) -> Sequence[float]:
        if target["dtype"] is np.float32:
            return [float(value) for value in stored[0]]
        scale, zero_point = target["quantization"]
        return [scale * (int(value) - zero_point) for value in stored[0]]

    return Loaded(encode, invoke, decode, interpreter.invoke)


def onnx(file: str, threads: int) -> Loaded:
    """Load a file in ONNX Runtime's CPU kernels, set up as in :mod:`edge.targets.onnx.target`."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return Loaded(
        lambda window: {name: np.ascontiguousarray(window)[None, :, None]},
        lambda feed: session.run(None, feed),
        lambda outputs: [float(value) for value in outputs[0][0]],
    )


def executorch(file: str, threads: int) -> Loaded:
    """Load a program in ExecuTorch's own runtime, and keep what it does not keep alive."""
    import numpy as np
    import torch
    from executorch.extension.pybindings import _portable_lib
    from executorch.runtime import Runtime

    _portable_lib._unsafe_reset_threadpool(threads)
    data = Path(file).read_bytes()
    program = Runtime.get().load_program(data)
    method = program.load_method("forward")
    kept = (data, program)
    return Loaded(
        lambda window: [torch.from_numpy(np.ascontiguousarray(window)[None, :, None])],
        lambda inputs: method.execute(inputs) if kept else None,
        lambda outputs: [float(value) for value in outputs[0][0]],
    )


LOADERS: dict[str, Callable[[str, int], Loaded]] = {
    "tflite": tflite,
    "onnx": onnx,
    "executorch": executorch,
}


def say(**line: Any) -> None:
    """Print a line for the caller."""
    print(json.dumps(line), flush=True)


def end_with_caller() -> None:
    """Watch stdin from a thread, and end this process with the caller."""
    last = [time.monotonic()]

    def listen() -> None:
        while sys.stdin.readline():
            last[0] = time.monotonic()
        os._exit(1)

    def watch() -> None:
        while time.monotonic() - last[0] < SILENCE_S:
            time.sleep(SILENCE_S / 10)
        os._exit(1)

    for target in (listen, watch):
        threading.Thread(target=target, daemon=True).start()


def distances(
    got: Sequence[Sequence[float]], golden: Sequence[Sequence[float]], step: float | None
) -> dict[str, float]:
    """Return how far logits lie from the golden ones, in quantization steps or relative."""
    pairs = [(a, b) for row, ref in zip(got, golden) for a, b in zip(row, ref)]
    apart = [abs(a - b) for a, b in pairs]
    if step is None:
        return {"max_relative_error": max(apart) / max(abs(b) for _, b in pairs)}
    steps = [round(difference / step) for difference in apart]
    near = sum(difference <= 1 for difference in steps)
    return {"max_steps": max(steps), "within_one_step": near / len(steps)}


def complaint(found: dict[str, float], allowed: dict[str, float]) -> str:
    """Say why logits are not close enough; empty if they are."""
    for key in ("max_relative_error", "max_steps"):
        if key in found and not found[key] <= allowed[key]:
            return f"{key} {found[key]:.3g}, {allowed[key]:.3g} is allowed"
    if "within_one_step" in found and found["within_one_step"] < allowed["within_one_step"]:
        return f"within_one_step {found['within_one_step']:.3f}"
    return ""


def open_library(entrant: dict[str, Any], threads: int) -> tuple[Loaded, Any]:
    """Check an artifact that a runtime of this process runs; return it and a window."""
    import numpy as np

    loaded = LOADERS[entrant["target"]](entrant["file"], threads)
    windows = np.load("windows.npy")
    golden = np.load(entrant["golden"]).tolist()
    got = [loaded.decode(loaded.invoke(loaded.encode(window))) for window in windows]
    found = distances(got, golden, entrant["step"])
    say(name=entrant["name"], check=found, problem=complaint(found, entrant["allowed"]))
    return loaded, loaded.encode(windows[0])


def open_engine(entrant: dict[str, Any]) -> protocol.Block:
    """Check the C engine, a process of its own; return a function that runs a block of calls."""
    engine = subprocess.Popen(
        [f"./{entrant['file']}", "windows.bin", "logits.bin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stdin, stdout = engine.stdin, engine.stdout
    assert stdin is not None
    assert stdout is not None
    first = stdout.readline().split()
    if len(first) != 4:
        raise OSError(f"the engine ended with {engine.wait()}")
    found = {"max_steps": float(first[1]), "within_one_step": 1.0}
    say(name=entrant["name"], check=found, problem=complaint(found, entrant["allowed"]))
    say(name=entrant["name"], fresh={"resident_bytes": 1024 * int(first[3])})

    def block(count: int) -> list[float]:
        stdin.write(f"{count}\n")
        stdin.flush()
        return [int(value) / 1000 for value in stdout.readline().split()]

    return block


def open_all(plan: dict[str, Any]) -> dict[str, protocol.Block]:
    """Open everything that can run here, and name what cannot."""
    blocks = {}
    for entrant in plan["entrants"]:
        try:
            if entrant["target"] == "c":
                blocks[entrant["name"]] = open_engine(entrant)
            else:
                loaded, window = open_library(entrant, plan["threads"])
                blocks[entrant["name"]] = protocol.timed(partial(loaded.invoke, window))
        except (ImportError, OSError) as error:  # noqa: PERF203
            say(name=entrant["name"], absent=str(error))
    return blocks


def measure(plan: dict[str, Any]) -> None:
    """Check, time, and load anew, all of it interleaved."""
    end_with_caller()
    say(around=machine.machine())
    blocks = open_all(plan)
    settings = protocol.Protocol(**plan["protocol"])
    sent = 0

    def advance(rounds: Sequence[protocol.Samples]) -> None:
        nonlocal sent
        say(round={n: [round(v, 3) for v in values] for n, values in rounds[sent].items()})
        sent += 1

    if blocks:
        protocol.interleave_blocks(blocks, settings, advance)
    present = [e for e in plan["entrants"] if e["name"] in blocks]
    for _ in range(settings.processes):
        for entrant in present:
            if entrant["target"] == "c":
                say(name=entrant["name"], fresh={"load_us": blocks[entrant["name"]](0)[0]})
                continue
            what = [entrant["file"], entrant["target"], str(plan["threads"])]
            arguments = [sys.executable, sys.argv[0], "fresh", *what]
            done = subprocess.run(
                arguments, capture_output=True, check=True, stdin=subprocess.DEVNULL
            )
            say(name=entrant["name"], fresh=json.loads(done.stdout.splitlines()[-1]))
    say(done=True)


def fresh(file: str, target: str, threads: int) -> None:
    """Measure the time to load, and what is resident after one window."""
    import numpy as np

    load = LOADERS[target]
    load(file, threads)
    start = time.perf_counter()
    loaded = load(file, threads)
    took = time.perf_counter() - start
    loaded.invoke(loaded.encode(np.load("windows.npy")[0]))
    say(load_us=1e6 * took, resident_bytes=machine.resident_bytes())


def count(plan: dict[str, Any]) -> None:
    """Check each artifact, then infer between markers with the window in its tensor already."""
    import ctypes

    markers = ctypes.CDLL("./markers.so")
    for entrant in plan["entrants"]:
        loaded, window = open_library(entrant, plan["threads"])
        loaded.invoke(window)
        again = loaded.again or partial(loaded.invoke, window)
        gc.collect()
        gc.disable()
        for calls in COUNTED:
            markers.begin()
            for _ in range(calls):
                again()
            markers.end()
        gc.enable()


def main(arguments: list[str]) -> None:
    """Run on the device; the entry point."""
    if arguments[0] == "fresh":
        fresh(arguments[1], arguments[2], int(arguments[3]))
    elif arguments[0] == "count":
        count(json.loads(Path(arguments[1]).read_text()))
    else:
        measure(json.loads(Path(arguments[0]).read_text()))


if __name__ == "__main__":
    main(sys.argv[1:])
