import { parseDurationMs } from '../../../schemas/duration.ts';
import { messageOf, OperatingError } from '../../core/base/errors.ts';
import { instanceSlicesOf } from '../../core/devices/mig-slices.ts';
import { HORIZON_WEEKS_MAX } from '../../core/forecast/backtest.ts';
import type { WhatIfQuestion } from '../right-size/what-if.ts';
import type { WindowFlags } from './report-window.ts';

/** What reports for planners are asked for: by flags of the command line, by parameters of an address. */

/** How far they, and the page for planners, look back where nobody says. */
export const LOOKS_BACK = { forecast: '52w', reliability: '90d', rightSize: '4w', plan: '4w' } as const;

/** The same in µs. */
export function looksBackUs(report: keyof typeof LOOKS_BACK): number {
  return parseDurationMs(LOOKS_BACK[report]) * 1000;
}

/** The window with another length than the usual one, where none is asked for. */
export function lookingBack(window: WindowFlags, since: string): WindowFlags {
  return window.since === undefined && window.from === undefined ? { ...window, since } : window;
}

export const HORIZON_EXPECTED = `expected 1w to ${HORIZON_WEEKS_MAX}w`;

/** Weeks; undefined of anything else than `HORIZON_EXPECTED`. */
export function readHorizonWeeks(text: string): number | undefined {
  const weeks = Number(/^(\d{1,2})w$/.exec(text)?.[1] ?? 0);
  return weeks < 1 || weeks > HORIZON_WEEKS_MAX ? undefined : weeks;
}

const WHAT_IF_EXPECTED =
  'Expected a change such as mig=1g.24gb:7 (profile, and how many on a GPU) or idle-limit=30m.';

/** A change, or why it is none. */
export function readWhatIf(text: string): WhatIfQuestion | { readonly why: string } {
  const [, profile, count] = /^mig=([^:]+):([1-7])$/.exec(text) ?? [];
  if (profile !== undefined && instanceSlicesOf(profile) !== undefined)
    return { of: 'mig', profile, count: Number(count) };
  const [, limit] = /^idle-limit=(.+)$/.exec(text) ?? [];
  if (limit === undefined) return { why: WHAT_IF_EXPECTED };
  try {
    return { of: 'idle_limit', limitUs: parseDurationMs(limit) * 1000 };
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    return { why: `${messageOf(thrown)}. ${WHAT_IF_EXPECTED}` };
  }
}
