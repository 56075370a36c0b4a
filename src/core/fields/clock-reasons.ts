/** A reason for which clocks are held down: a bit of the field `THROTTLE_FIELD_ID`. */
export interface ClockReason {
  readonly bit: number;
  /** As dcgm-exporter calls it. */
  readonly name: string;
  /** As `gpu_events` calls it; absent where the user wants it so: an idle GPU, clocks that were set. */
  readonly event?: string;
}

const CLOCK_REASONS: readonly ClockReason[] = [
  { bit: 0x1, name: 'gpu_idle' },
  { bit: 0x2, name: 'clocks_setting' },
  { bit: 0x4, name: 'power_cap', event: 'sw_power_cap' },
  { bit: 0x8, name: 'hw_slowdown', event: 'hw_slowdown' },
  { bit: 0x10, name: 'sync_boost', event: 'sync_boost' },
  { bit: 0x20, name: 'sw_thermal', event: 'sw_thermal_slowdown' },
  { bit: 0x40, name: 'hw_thermal', event: 'hw_thermal_slowdown' },
  { bit: 0x80, name: 'hw_power_brake', event: 'hw_power_brake_slowdown' },
  { bit: 0x100, name: 'display_clocks' },
];

export function reasonsIn(mask: number): ClockReason[] {
  return CLOCK_REASONS.filter(({ bit }) => (mask & bit) !== 0);
}

/** What one reading names and the one before it did not. */
export function risenReasons(before: number, mask: number): ClockReason[] {
  return reasonsIn(mask & ~before);
}
