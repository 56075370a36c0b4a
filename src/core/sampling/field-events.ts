import type { Device } from '../devices/device.ts';
import { risenReasons, type ClockReason } from '../fields/clock-reasons.ts';
import { THROTTLE_FIELD_ID, XID_FIELD_ID } from '../fields/well-known.ts';
import type { EventSink } from './source.ts';
import type { ExtraField } from './watch-plan.ts';

/** Counters whose every rise is an event. Volatile ECC counts restart with the driver; a fall is no event. */
const STEP_FIELDS: ReadonlyMap<number, readonly ['ecc' | 'remap', string]> = new Map([
  [310, ['ecc', 'corrected memory errors since the driver was loaded']],
  [311, ['ecc', 'uncorrected memory errors since the driver was loaded']],
  [391, ['remap', 'pages retired for uncorrected errors']],
  [393, ['remap', 'rows remapped for uncorrected errors']],
  [394, ['remap', 'rows remapped for corrected errors']],
  [395, ['remap', 'a row could not be remapped']],
  [396, ['remap', 'a row remapping waits for a reset']],
]);

/** Fields that a source reads beside those of the lanes, since events are made of them. */
export const EVENT_FIELDS: readonly ExtraField[] = [
  { fieldId: THROTTLE_FIELD_ID, intervalMs: 1_000 },
  { fieldId: XID_FIELD_ID, intervalMs: 1_000 },
  ...[...STEP_FIELDS.keys()].map((fieldId) => ({ fieldId, intervalMs: 10_000 })),
];

/** Turns readings of the event fields into XIDs, throttle edges, ECC and remap steps. */
export class FieldEvents {
  readonly #onEvent: EventSink;
  readonly #last = new Map<string, number>();
  /** By device and code: an XID of an instance and one of its compute instance may have one time. */
  readonly #lastXidUs = new Map<string, number>();
  readonly #throttledSinceUs = new Map<string, number>();

  constructor(onEvent: EventSink) {
    this.#onEvent = onEvent;
  }

  /** @param value as DCGM delivers it; never a blank. */
  observe(device: Device, fieldId: number, tsUs: number, value: number): void {
    const key = `${device.uuid} ${fieldId}`;
    const before = this.#last.get(key);
    this.#last.set(key, value);
    if (fieldId === XID_FIELD_ID) this.xid(device, tsUs, value);
    else if (fieldId === THROTTLE_FIELD_ID) this.#throttle(device, tsUs, before ?? 0, value);
    else if (before !== undefined && value > before) this.#step(device, fieldId, tsUs, value, before);
  }

  xid(device: Device, tsUs: number, code: number): void {
    const key = `${device.uuid} ${code}`;
    // Of the same stamp it is the same one. An older stamp is of a clock that was set back.
    if (code === 0 || tsUs === this.#lastXidUs.get(key)) return;
    this.#lastXidUs.set(key, tsUs);
    const instance = device.gpuInstanceId === undefined ? '' : `, instance ${device.gpuInstanceId}`;
    this.#onEvent({
      tsUs,
      node: device.node,
      gpu: device.uuid,
      kind: 'xid',
      code,
      subject: `xid_${code}`,
      text: `XID ${code} on GPU ${device.index}${instance}`,
    });
  }

  /** An edge up opens a row, the edge down writes the same row again with its end. */
  #throttle(device: Device, tsUs: number, before: number, mask: number): void {
    for (const reason of risenReasons(before, mask)) {
      this.#throttledSinceUs.set(`${device.uuid} ${reason.name}`, tsUs);
      this.#tellThrottle(device, reason, tsUs);
    }
    for (const reason of risenReasons(mask, before)) {
      const key = `${device.uuid} ${reason.name}`;
      this.#tellThrottle(device, reason, this.#throttledSinceUs.get(key) ?? tsUs, tsUs);
      this.#throttledSinceUs.delete(key);
    }
  }

  #tellThrottle(device: Device, { bit, event }: ClockReason, sinceUs: number, endUs?: number): void {
    if (event === undefined) return;
    this.#onEvent({
      tsUs: sinceUs,
      ...(endUs === undefined ? {} : { endUs }),
      node: device.node,
      gpu: device.uuid,
      kind: 'throttle',
      code: bit,
      subject: event,
      text: `clocks held down: ${event.replaceAll('_', ' ')}`,
    });
  }

  #step(device: Device, fieldId: number, tsUs: number, value: number, before: number): void {
    const step = STEP_FIELDS.get(fieldId);
    if (step === undefined) return;
    const [kind, text] = step;
    const rise = value - before;
    this.#onEvent({
      tsUs,
      node: device.node,
      gpu: device.uuid,
      kind,
      code: rise,
      subject: `field_${fieldId}`,
      text: `${text}: +${rise}, now ${value}`,
    });
  }
}
