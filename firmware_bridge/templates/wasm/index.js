// SPDX-License-Identifier: BSD-3-Clause
// An int8 EEG decoder in WebAssembly: windows or a stream of frames in, logits out. No dependency.

/** The smallest module that uses SIMD128; an engine without it calls it invalid. */
const SIMD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
  253, 98, 11,
]);

/** Whether this engine has SIMD128. */
export const hasSimd = () => WebAssembly.validate(SIMD);

/** The bytes of a file beside this one, in a browser and in Node. */
async function beside(name) {
  const url = new URL(name, import.meta.url);
  if (url.protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return readFile(url);
  }
  const answer = await fetch(url);
  if (!answer.ok) {
    throw new Error(`${url} could not be loaded: ${answer.status} ${answer.statusText}`);
  }
  return answer.arrayBuffer();
}

/** Load a decoder of its own; `simd` chooses the module, which this engine decides without it. */
export async function load({ simd = hasSimd(), bytes } = {}) {
  const module = bytes ?? (await beside(simd ? "decoder-simd.wasm" : "decoder.wasm"));
  const { instance } = await WebAssembly.instantiate(module, {});
  return new Decoder(instance.exports);
}

class Decoder {
  #wasm;
  #window;
  #logits;
  #frame;
  #counts;

  constructor(wasm) {
    this.#wasm = wasm;
    this.nTimes = wasm.n_times();
    this.nChans = wasm.n_chans();
    this.nOutputs = wasm.n_outputs();
    this.hop = wasm.hop ? wasm.hop() : null;
    this.nInputs = wasm.n_inputs ? wasm.n_inputs() : null;
    this.input = { scale: wasm.input_scale(), zeroPoint: wasm.input_zero_point() };
    this.output = { scale: wasm.output_scale(), zeroPoint: wasm.output_zero_point() };
    const { buffer } = wasm.memory;
    this.#window = new Int8Array(buffer, wasm.window_at(), this.nTimes * this.nChans);
    this.#logits = new Int16Array(buffer, wasm.logits_at(), this.nOutputs);
    this.#frame = new Int8Array(buffer, wasm.frame_at(), this.nChans);
    this.#counts = wasm.n_inputs ? new Int32Array(buffer, wasm.counts_at(), this.nInputs) : null;
    wasm.reset();
  }

  /** Logits (nOutputs) of a window (nTimes, nChans) of int8, a sample's channels together. */
  infer(window) {
    fill(this.#window, window, "a window");
    this.#wasm.infer();
    return this.#logits.slice();
  }

  /** Forget the signal, wherever it breaks off. */
  reset() {
    this.#wasm.reset();
  }

  /** Take a frame (nChans) of int8; logits where a decision is due, else null. */
  push(frame) {
    if (this.hop === null) {
      throw new Error("This network cannot be streamed: call infer with whole windows.");
    }
    fill(this.#frame, frame, "a frame");
    return this.#wasm.push() ? this.#logits.slice() : null;
  }

  /** Take the counts (nInputs) of a converter, through the signal chain, as push does. */
  take(counts) {
    if (this.#counts === null) {
      throw new Error("This decoder has no signal chain: call push with scaled frames.");
    }
    fill(this.#counts, counts, "a frame of counts");
    this.#wasm.filter();
    return this.hop !== null && this.#wasm.push() ? this.#logits.slice() : null;
  }

  /** Logits as numbers. */
  values(logits) {
    return Array.from(logits, (one) => this.output.scale * (one - this.output.zeroPoint));
  }
}

function fill(memory, given, what) {
  if (given.length !== memory.length) {
    throw new RangeError(`${what} has ${memory.length} values, but got ${given.length}`);
  }
  memory.set(given);
}
