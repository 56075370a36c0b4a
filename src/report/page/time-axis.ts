import type { JobFigures } from '../../figures/job/figures.ts';
import { eventText } from '../text/event-text.ts';
import { deviceName } from '../text/device-name.ts';
import { calendarDate, clockTime } from '../text/format-quantity.ts';
import { markup, type Safe } from './html.ts';

/** In units of the picture, which is as wide as there is room. */
export const CHART = { width: 960, left: 52, right: 8, top: 8, bottom: 20 } as const;

/** What is drawn behind every chart of a job. Epoch µs. */
export interface Marks {
  readonly fromUs: number;
  readonly toUs: number;
  /** Time in which a device was not seen. */
  readonly gaps: readonly { readonly fromUs: number; readonly toUs: number; readonly text: string }[];
  readonly events: readonly { readonly atUs: number; readonly text: string }[];
}

const S = 1e6;
/** Between two ticks of an axis. */
const TICKS_US: readonly number[] = [
  ...[1, 2, 5, 10, 20, 30].map((seconds) => seconds * S),
  ...[1, 2, 5, 10, 20, 30].map((minutes) => minutes * 60 * S),
  ...[1, 2, 4, 6, 12].map((hours) => hours * 3600 * S),
  ...[1, 2, 5, 7, 14, 28].map((days) => days * 86_400 * S),
];
const TICKS_MAX = 8;
/** Half of what the text of a tick takes. */
const END_WIDTH = 18;
/** More would be a wall. */
const MARKS_MAX = 200;

export function marksOf({ startUs, endUs, devices, nodeEvents, gaps = [] }: JobFigures): Marks {
  const byGpu = new Map(devices.map((device) => [device.gpu, device]));
  const nameOf = (gpu: string): string => {
    const device = byGpu.get(gpu);
    return device === undefined ? gpu : deviceName(device);
  };
  const own = devices.flatMap((device) =>
    device.events.map((event) => ({ atUs: event.tsUs, text: `${deviceName(device)}: ${eventText(event)}` })),
  );
  const ofNodes = nodeEvents.map((event) => ({ atUs: event.tsUs, text: `${event.node}: ${event.text}` }));
  return {
    fromUs: startUs,
    toUs: Math.max(endUs, startUs + 1),
    gaps: gaps
      .slice(0, MARKS_MAX)
      .map(({ gpu, fromUs, toUs }) => ({ fromUs, toUs, text: `${nameOf(gpu)} was not seen` })),
    events: [...own, ...ofNodes].filter(({ atUs }) => atUs >= startUs && atUs <= endUs).slice(0, MARKS_MAX),
  };
}

/** @returns where, and what stands there: UTC */
export function timeTicks(
  { fromUs, toUs }: Pick<Marks, 'fromUs' | 'toUs'>,
  x: (us: number) => number,
): { readonly at: number; readonly text: string }[] {
  const spanUs = toUs - fromUs;
  const everyUs = TICKS_US.find((us) => spanUs / us <= TICKS_MAX) ?? TICKS_US.at(-1)!;
  const first = Math.ceil(fromUs / everyUs) * everyUs;
  const count = Math.max(0, Math.floor((toUs - first) / everyUs) + 1);
  return Array.from({ length: count }, (_, index) => first + index * everyUs).map((us) => ({
    at: x(us),
    text:
      everyUs >= 86_400 * S
        ? calendarDate(us).slice(5)
        : everyUs < 60 * S
          ? clockTime(us)
          : clockTime(us).slice(0, 5),
  }));
}

/** A time near the right end would be cut off if it stood in the middle of its tick. */
export function anchorAt(x: number): 'middle' | 'end' {
  return x > CHART.width - CHART.right - END_WIDTH ? 'end' : 'middle';
}

/** Gaps as hatched time, events as lines that say what they are. */
export function markMarks(
  { gaps, events }: Marks,
  x: (us: number) => number,
  { top, height, hatch }: { readonly top: number; readonly height: number; readonly hatch: string },
): Safe {
  const round = (value: number): number => Math.round(value * 10) / 10;
  return markup`${gaps.map(
    ({ fromUs, toUs, text }) =>
      markup`<rect
        class="gap"
        fill="url(#${hatch})"
        x="${round(x(fromUs))}"
        y="${top}"
        width="${round(Math.max(1, x(toUs) - x(fromUs)))}"
        height="${height}"
        ><title>${text}</title></rect
      >`,
  )}${events.map(
    ({ atUs, text }) =>
      markup`<line class="event" x1="${round(x(atUs))}" x2="${round(x(atUs))}" y1="${top}" y2="${top + height}"
        ><title>${clockTime(atUs)} ${text}</title></line
      >`,
  )}`;
}
