# SPDX-License-Identifier: BSD-3-Clause
"""Compile a decoder to WebAssembly and lay it out as an npm package without a dependency.

The package holds two modules, with and without SIMD128, an ES module that loads either in a browser
or in Node, and its types. The modules import nothing: the C engine, windowed and streamed, with the
signal chain before it, and the memory of one decoder.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.build import toolchain
from firmware_bridge.build.link import FREESTANDING
from firmware_bridge.emit.generate import Firmware
from firmware_bridge.rendering import TEMPLATES, render
from firmware_bridge.signal.chain import SignalChain
from firmware_bridge.stream.generate import StreamFirmware

MODULES: Mapping[str, tuple[str, ...]] = {
    "decoder.wasm": (),
    "decoder-simd.wasm": ("-msimd128",),
}
"""Files and what tells clang apart: with SIMD128 it vectorizes the plain loops."""
OPTIONS = ("-O2", "-fno-unroll-loops", "-std=c99", "-mbulk-memory", "-fno-sanitize=undefined")
"""Unrolled loops are 10 KB more and no faster without SIMD128."""
STACK_BYTES = 65_536
LIMIT_BYTES = 60 * 1024
"""Both modules and the script together stay below this with the shipped networks."""


@dataclass(frozen=True)
class Parts:
    """What a package is compiled from; streaming form and signal chain where there are any."""

    windowed: Firmware
    stream: StreamFirmware | None = None
    chain: SignalChain | None = None

    @property
    def sources(self) -> dict[str, str]:
        """All sources by file name, with what exports them."""
        name = self.windowed.name
        exports = render(
            "wasm/exports.c",
            name=name,
            upper=name.upper(),
            has_stream=self.stream is not None,
            n_inputs=0 if self.chain is None else self.chain.n_inputs,
        )
        others = [part.files for part in (self.stream, self.chain) if part is not None]
        files = dict(self.windowed.files)
        for part in others:
            files |= part
        return {**files, "exports.c": exports}


def package(parts: Parts, name: str, version: str) -> dict[str, bytes]:
    """Return the files of an npm package by name.

    Parameters
    ----------
    name, version
        Of the package, as ``package.json`` states them.

    Raises
    ------
    MissingToolError
        When pip's zig is not installed.
    CompilerError
        When it fails.
    """
    files = {file: module(parts, flags) for file, flags in MODULES.items()}
    for file in ("index.js", "index.d.ts"):
        files[file] = (TEMPLATES / "wasm" / file).read_bytes()
    document = {
        "name": name,
        "version": version,
        "type": "module",
        "main": "index.js",
        "types": "index.d.ts",
        "files": sorted(files),
        "license": "BSD-3-Clause",
        "sideEffects": False,
    }
    files["package.json"] = (json.dumps(document, indent=2) + "\n").encode()
    return files


def module(parts: Parts, flags: tuple[str, ...] = ()) -> bytes:
    """Compile one module, the same bytes whenever the sources are the same."""
    sources = parts.sources
    arguments: list[str | Path] = ["-target", "wasm32-freestanding", *flags, *OPTIONS]
    arguments += ["-I", FREESTANDING, "-s", "-Wl,--no-entry", "-Wl,--gc-sections"]
    arguments += [f"-Wl,-z,stack-size={STACK_BYTES}"]
    arguments += sorted(file for file in sources if file.endswith(".c"))
    with tempfile.TemporaryDirectory(prefix="edge-wasm-") as place:
        folder = toolchain.write(sources, Path(place))
        toolchain.compile_c(toolchain.zig("cc"), [*arguments, "-o", "decoder.wasm"], cwd=folder)
        return (folder / "decoder.wasm").read_bytes()
