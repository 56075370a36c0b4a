import type { Device } from '../devices/device.ts';
import type { EventSink } from './source.ts';

/** So many ticks in a row without a row are a gap; the ring gives the next sample no dt then. */
const SILENT_TICKS = 3;

/**
 * Tells of devices that do not answer while the others do: a `gap` row that is open while the device is silent, and
 * written again with its end. (A tick that came late, for all devices alike, is the sampler's to tell.)
 */
export class DeviceSilence {
  readonly #devices: readonly Device[];
  readonly #lane: string;
  readonly #onEvent: EventSink;
  readonly #lastRowUs: Float64Array;
  readonly #missedTicks: Int32Array;

  constructor(devices: readonly Device[], lane: string, onEvent: EventSink) {
    this.#devices = devices;
    this.#lane = lane;
    this.#onEvent = onEvent;
    this.#lastRowUs = new Float64Array(devices.length).fill(NaN);
    this.#missedTicks = new Int32Array(devices.length);
  }

  /** A device had a row in this tick. */
  answered(device: number, tsUs: number): void {
    if (this.#missedTicks[device]! >= SILENT_TICKS) this.#tell(device, tsUs);
    this.#missedTicks[device] = 0;
    this.#lastRowUs[device] = tsUs;
  }

  /** A device had no row in this tick. */
  missed(device: number): void {
    this.#missedTicks[device]! += 1;
    if (this.#missedTicks[device] === SILENT_TICKS) this.#tell(device, undefined);
  }

  /** Whether a gap can tell of its silence: it has had a row that one begins at. */
  hasAnswered(device: number): boolean {
    return !Number.isNaN(this.#lastRowUs[device]!);
  }

  #tell(index: number, endUs: number | undefined): void {
    const tsUs = this.#lastRowUs[index]!;
    // A device that never had a row is told of by its blanks.
    if (!this.hasAnswered(index)) return;
    const { node, uuid } = this.#devices[index]!;
    const length = endUs === undefined ? '' : ` for ${((endUs - tsUs) / 1e6).toFixed(3)} s`;
    this.#onEvent({
      tsUs,
      ...(endUs === undefined ? {} : { endUs }),
      node,
      gpu: uuid,
      kind: 'gap',
      subject: this.#lane,
      text: `the device does not answer: no samples of lane ${this.#lane}${length}`,
    });
  }
}
