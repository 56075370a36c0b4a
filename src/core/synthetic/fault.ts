import type { EventKind } from '../sampling/event.ts';
import type { Fault, Plan } from './plan.ts';
import { REASON } from './reading.ts';

type FaultOf<K extends Fault['kind']> = Extract<Fault, { kind: K }>;

/** What is wrong with one device, by kind; times are µs since the beginning of the plan's cycle. */
export interface DeviceFaults {
  readonly absences: readonly FaultOf<'absent'>[];
  readonly blanks: readonly FaultOf<'blank'>[];
  readonly throttles: readonly FaultOf<'throttle'>[];
  readonly xids: readonly FaultOf<'xid'>[];
  readonly eccs: readonly FaultOf<'ecc'>[];
}

/** Faults by device; undefined for a healthy one. */
export function faultsByDevice(plan: Plan, deviceCount: number): readonly (DeviceFaults | undefined)[] {
  const byDevice = Map.groupBy(plan.faults, (fault) => fault.device);
  return Array.from({ length: deviceCount }, (_, device) => {
    const own = byDevice.get(device);
    if (own === undefined) return undefined;
    const of = <K extends Fault['kind']>(kind: K): readonly FaultOf<K>[] =>
      own.filter((fault): fault is FaultOf<K> => fault.kind === kind);
    return {
      absences: of('absent'),
      blanks: of('blank'),
      throttles: of('throttle'),
      xids: of('xid'),
      eccs: of('ecc'),
    };
  });
}

export function isAbsent(faults: DeviceFaults, withinUs: number): boolean {
  for (const absence of faults.absences)
    if (absence.fromUs < withinUs && withinUs <= absence.toUs) return true;
  return false;
}

function isBlank(faults: DeviceFaults, fieldId: number, withinUs: number): boolean {
  for (const blank of faults.blanks) {
    if (blank.fieldId === fieldId && blank.fromUs < withinUs && withinUs <= blank.toUs) return true;
  }
  return false;
}

/** Time of the newest reset of the device's counters, or NaN. */
export function lastResetUs(faults: DeviceFaults, withinUs: number): number {
  let resetUs = NaN;
  for (const absence of faults.absences)
    if (absence.isReset && absence.toUs < withinUs) resetUs = absence.toUs;
  return resetUs;
}

/** How long the driver keeps telling the number of an XID. */
const XID_SHOWN_US = 60_000_000;

/** False where `faultyValue` gives the sound value back at every time. */
export function mayTouch(faults: DeviceFaults, fieldId: number): boolean {
  return [230, 310, 312, 241, 1422].includes(fieldId) || faults.blanks.some((one) => one.fieldId === fieldId);
}

/** What a field shows on this device when a sound one would show `sound`. */
export function faultyValue(faults: DeviceFaults, fieldId: number, withinUs: number, sound: number): number {
  if (Number.isNaN(sound) || isBlank(faults, fieldId, withinUs)) return NaN;
  switch (fieldId) {
    case 230:
      for (const xid of faults.xids)
        if (xid.atUs < withinUs && withinUs <= xid.atUs + XID_SHOWN_US) return xid.code;
      return sound;
    case 310: // corrected single-bit errors since the driver was loaded, and ever
    case 312: {
      const resetUs = fieldId === 310 ? lastResetUs(faults, withinUs) : NaN;
      let count = sound;
      for (const ecc of faults.eccs) if (ecc.atUs < withinUs && !(ecc.atUs < resetUs)) count += 1;
      return count;
    }
    case 241: // time lost to heat
    case 1422: {
      let us = 0;
      for (const hot of faults.throttles) us += Math.max(0, Math.min(withinUs, hot.toUs) - hot.fromUs);
      return sound + us * 1e-6;
    }
    default:
      return sound;
  }
}

/** An event of the plan; times are µs since the beginning of the cycle. */
export interface PlannedEvent {
  readonly device: number;
  /** When it becomes known: the begin, or for a closed span its end. */
  readonly knownUs: number;
  readonly tsUs: number;
  readonly endUs?: number;
  readonly kind: EventKind;
  readonly code?: number;
  readonly subject: string;
  readonly text: string;
}

/** @param columnOf name of a field's column */
export function eventsOf(
  faults: readonly Fault[],
  columnOf: (fieldId: number) => string,
): readonly PlannedEvent[] {
  const events = faults.flatMap((fault) => eventsOfFault(fault, columnOf));
  return events.filter((event) => Number.isFinite(event.knownUs)).sort((a, b) => a.knownUs - b.knownUs);
}

function eventsOfFault(fault: Fault, columnOf: (fieldId: number) => string): PlannedEvent[] {
  const { device } = fault;
  switch (fault.kind) {
    case 'xid': {
      const at = { device, knownUs: fault.atUs, tsUs: fault.atUs };
      return [{ ...at, kind: 'xid', code: fault.code, subject: `xid_${fault.code}`, text: fault.text }];
    }
    case 'ecc': {
      const text = 'One single-bit memory error was corrected.';
      return [
        { device, knownUs: fault.atUs, tsUs: fault.atUs, kind: 'ecc', code: 1, subject: columnOf(312), text },
      ];
    }
    case 'blank': {
      const at = { device, code: fault.fieldId, subject: columnOf(fault.fieldId) };
      return [
        { ...at, knownUs: fault.fromUs, tsUs: fault.fromUs, kind: 'blank_begin', text: fault.text },
        {
          ...at,
          knownUs: fault.toUs,
          tsUs: fault.toUs,
          kind: 'blank_end',
          text: 'The field has values again.',
        },
      ];
    }
    case 'throttle': {
      const text = 'Clocks are held down because the GPU is too hot (software thermal slowdown).';
      return span(fault, {
        device,
        kind: 'throttle',
        code: REASON.swThermal,
        subject: 'sw_thermal_slowdown',
        text,
      });
    }
    case 'absent':
      return span(fault, { device, kind: 'gap', subject: 'device', text: 'The device did not answer.' });
  }
}

function span(
  fault: { readonly fromUs: number; readonly toUs: number },
  what: Omit<PlannedEvent, 'knownUs' | 'tsUs' | 'endUs'>,
): PlannedEvent[] {
  return [
    { ...what, knownUs: fault.fromUs, tsUs: fault.fromUs },
    { ...what, knownUs: fault.toUs, tsUs: fault.fromUs, endUs: fault.toUs },
  ];
}
