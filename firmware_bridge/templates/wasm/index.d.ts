// SPDX-License-Identifier: BSD-3-Clause
/** `real = scale * (stored - zeroPoint)` */
export interface Quantization {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** An int8 EEG decoder with memory of its own. */
export interface Decoder {
  readonly nTimes: number;
  readonly nChans: number;
  readonly nOutputs: number;
  /** Frames from one decision to the next; null where the network cannot be streamed. */
  readonly hop: number | null;
  /** Values of a frame of counts; null where there is no signal chain. */
  readonly nInputs: number | null;
  readonly input: Quantization;
  readonly output: Quantization;
  /** Logits (nOutputs) of a window (nTimes, nChans), a sample's channels together. */
  infer(window: ArrayLike<number>): Int16Array;
  /** Take a frame (nChans) of int8; logits where a decision is due, else null. */
  push(frame: ArrayLike<number>): Int16Array | null;
  /** Take the counts (nInputs) of a converter, through the signal chain, as push does. */
  take(counts: ArrayLike<number>): Int16Array | null;
  /** Forget the signal, wherever it breaks off. */
  reset(): void;
  /** Logits as numbers. */
  values(logits: ArrayLike<number>): number[];
}

/** Whether this engine has SIMD128. */
export function hasSimd(): boolean;

/** Load a decoder; `simd` chooses the module, which this engine decides without it. */
export function load(options?: { simd?: boolean; bytes?: BufferSource }): Promise<Decoder>;
