import { expect, it } from 'vitest';
import { noticeOfEvent } from '../../src/collector/sampling.ts';
import type { GpuEvent } from '../../src/core/sampling/event.ts';

it.each([
  ['pause_refused', 'warn'],
  ['route_changed', 'info'],
  ['gap', 'debug'],
] as const)('an event %s is logged at level %s', (kind, level) => {
  const event: GpuEvent = { tsUs: 1, node: 'n1', kind, subject: 'profiling', text: 'why' };
  expect(noticeOfEvent(event)).toEqual({ level, code: 'source.event', sentence: 'why', events: [event] });
});
