import type { Device } from '../devices/device.ts';
import type { Field } from '../fields/field.ts';
import { sampleState, SAMPLE_STATE_TEXT } from './sample-state.ts';
import type { SampleState } from './sample-state.ts';
import type { EventSink } from './source.ts';

/** Per series: what it was, what it is becoming, and since when. */
interface Standing {
  /** As the last event told it; a series starts out as having values. */
  told: SampleState;
  seen: SampleState;
  seenSinceUs: number;
}

/**
 * Turns readings without a number into `blank_begin` and `blank_end` events, one pair per device, field and spell. A
 * single blank makes no event: the first profiling value after a watch is one by nature. A missing sample is a gap and
 * none of this.
 */
export class BlankWatch {
  readonly #devices: readonly Device[];
  readonly #onEvent: EventSink;
  /** By device × 65,536 + field id: a text would be made anew for every sample. */
  readonly #standings = new Map<number, Standing>();
  /** Profiling fields are blank by request up to here: that is a pause, told by its own event. */
  #pausedUntilUs = -Infinity;

  constructor(devices: readonly Device[], onEvent: EventSink) {
    this.#devices = devices;
    this.#onEvent = onEvent;
  }

  /** Takes no note of profiling blanks with stamps up to `untilUs`. */
  excuseProfiling(untilUs: number): void {
    this.#pausedUntilUs = untilUs;
  }

  /** Whether profiling is blank by request at that time. */
  isPausedAt(tsUs: number): boolean {
    return tsUs <= this.#pausedUntilUs;
  }

  note(device: number, field: Field, state: SampleState, tsUs: number): void {
    if (state === sampleState.missing || (field.isProfiling && this.isPausedAt(tsUs))) return;
    const key = device * 0x1_0000 + field.id;
    const standing = this.#standings.get(key);
    if (standing === undefined) {
      this.#standings.set(key, { told: sampleState.value, seen: state, seenSinceUs: tsUs });
      return;
    }
    if (standing.seen !== state) {
      standing.seen = state;
      standing.seenSinceUs = tsUs;
      if (state === sampleState.value && standing.told !== sampleState.value)
        this.#end(device, field, standing, tsUs);
    } else if (state !== standing.told) {
      if (standing.told !== sampleState.value) this.#end(device, field, standing, standing.seenSinceUs);
      this.#begin(device, field, standing);
    }
  }

  #begin(device: number, field: Field, standing: Standing): void {
    standing.told = standing.seen;
    this.#tell('blank_begin', device, field, standing.seen, standing.seenSinceUs);
  }

  #end(device: number, field: Field, standing: Standing, tsUs: number): void {
    const was = standing.told;
    standing.told = sampleState.value;
    this.#tell('blank_end', device, field, was, tsUs);
  }

  #tell(
    kind: 'blank_begin' | 'blank_end',
    index: number,
    field: Field,
    state: SampleState,
    tsUs: number,
  ): void {
    const device = this.#devices[index]!;
    const reason = SAMPLE_STATE_TEXT[state] ?? 'blank';
    this.#onEvent({
      tsUs,
      node: device.node,
      gpu: device.uuid,
      kind,
      code: state,
      subject: field.column,
      text: kind === 'blank_begin' ? `${field.column}: ${reason}` : `${field.column}: no longer ${reason}`,
    });
  }
}
