import { clockTime, formatSpan } from './format-quantity.ts';
import { lastsUntilUs } from '../../figures/job/facts.ts';
import type { JobEvent } from '../../figures/job/figures.ts';

/** The gravest first, then how many more there are. Blanks are told of where their gauge is, for all devices at once. */
export function eventsText(events: readonly JobEvent[]): string {
  const told = events.filter(({ kind }) => kind !== 'blank_begin' && kind !== 'blank_end');
  const grave = told.sort((a, b) => graveness(b) - graveness(a));
  const first = grave[0];
  if (first === undefined) return '';
  const rest = grave.length - 1;
  return `${eventText(first)}${rest === 0 ? '' : `, ${rest} more`}`;
}

function graveness({ kind }: JobEvent): number {
  return ['throttle', 'ecc', 'health', 'xid'].indexOf(kind);
}

/** `thermal throttle 14 min from 07:25:22`, `XID 79 at 09:30:00`. */
export function eventText(event: JobEvent): string {
  const untilUs = lastsUntilUs(event);
  const when = clockTime(event.tsUs);
  const span =
    untilUs === Infinity
      ? ` since ${when}`
      : untilUs > event.tsUs
        ? ` ${formatSpan(untilUs - event.tsUs)} from ${when}`
        : ` at ${when}`;
  return `${eventName(event)}${span}`;
}

const EVENT_NAMES: Readonly<Record<string, string>> = {
  ecc: 'ECC error',
  remap: 'row remapped',
  blank_begin: 'no values of',
  blank_end: 'values again of',
};

function eventName({ kind, code, subject }: JobEvent): string {
  switch (kind) {
    case 'xid':
      return `XID ${code ?? ''}`.trim();
    case 'throttle':
      return /thermal|power/.exec(subject) === null
        ? 'throttle'
        : `${/thermal|power/.exec(subject)![0]} throttle`;
    case 'blank_begin':
    case 'blank_end':
      return `${EVENT_NAMES[kind]!} ${subject}`;
    default:
      return EVENT_NAMES[kind] ?? kind.replaceAll('_', ' ');
  }
}
