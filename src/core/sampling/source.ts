import type { Device } from '../devices/device.ts';
import type { Field } from '../fields/field.ts';
import type { GpuEvent } from './event.ts';
import type { TickWriter } from '../ring/ring.ts';

/** Where samples come from. */
export type SourceName = 'dcgm' | 'nvml' | 'synthetic' | 'recording';

/** What a source has to know of a lane in order to sample it. */
export interface SampledLane {
  /** Position of the lane in the collector's list; stable for the life of the source. */
  readonly index: number;
  readonly name: string;
  readonly intervalMs: number;
  readonly fields: readonly Field[];
}

/**
 * Reads devices. Lives in the sampling worker, is called from one thread only, and may block.
 *
 * `sample` writes one tick of one lane: for every device that answered, `tick.setRow(device, tsUs)` and then values in
 * base units (NaN for a blank) with `tick.set(device, fieldIndex, value)`. A device that did not answer is not set: its
 * row stays absent, which is a gap and not a zero.
 */
export interface Source {
  readonly name: SourceName;
  readonly devices: readonly Device[];
  /** @param nowUs epoch microseconds of this tick: the real clock, or the virtual one. */
  sample(lane: SampledLane, tick: TickWriter, nowUs: number): void;
  /** How often `sample` wants to be called for a lane, where that is not the lane's interval (polling an engine). */
  callIntervalMs?(lane: SampledLane): number;
  /** Called once per lane at the end: hands over the ticks that were held back to be joined, as far as they are whole. */
  finish?(lane: SampledLane, tick: TickWriter): void;
  /** One line for people: library, engine, route. */
  describe?(): string;
  close(): void;
}

/** Receives what is not a sample: XIDs, blanks that begin or end, engine restarts. Called on the sampling thread. */
export type EventSink = (event: GpuEvent) => void;
