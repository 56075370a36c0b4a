/** Goal: an event that is deep, cyclic, large or of another kind gets the documented answer, soon, and quotes no novel. */
import { expect, test } from 'vitest';
import { parseDrainEvent } from '../../schemas/drain-event.ts';
import { OperatingError } from '../../src/core/base/errors.ts';
import { fetchHandler, handler } from '../../src/handler.ts';

function deep(levels: number, key: string): unknown {
  let value: unknown = {};
  for (let level = 0; level < levels; level += 1)
    value = key === 'detail' ? { 'detail-type': 'Scheduled Event', detail: value } : { [key]: value };
  return value;
}

function cyclic(key: string): unknown {
  const event: Record<string, unknown> = { 'detail-type': 'Scheduled Event' };
  event[key] = event;
  return event;
}

const WRONG: readonly (readonly [what: string, event: unknown])[] = [
  ['a text', 'drain'],
  ['a number', 7],
  ['a list', ['gpu1']],
  ['deep details', deep(100_000, 'detail')],
  ['two details', deep(2, 'detail')],
  ['a deep map', deep(100_000, 'engines')],
  ['a detail that is its own', cyclic('detail')],
  ['engines that hold the event', { engines: [cyclic('engines')] }],
  ['a thousand keys', Object.fromEntries(Array.from({ length: 1000 }, (_, key) => [`k${key}`, key]))],
  ['a key of a megabyte', { ['k'.repeat(1 << 20)]: 1 }],
  ['an engine of a megabyte', { engines: ['h'.repeat(1 << 20)] }],
  ['a million engines', { engines: Array(1_000_000).fill('gpu1') }],
  ['a million wrong engines', { engines: Array(1_000_000).fill(7) }],
  ['no engine', { engines: [] }],
  ['an empty engine', { engines: [''] }],
  ['a duration without unit', { keep: '5' }],
  ['a duration that is a number', { keep: 600 }],
  ['a novel for a duration', { keep: '9'.repeat(1 << 20) }],
  ['a concurrency of none', { concurrency: 0 }],
  ['a concurrency of a half', { concurrency: 0.5 }],
  ['a concurrency without end', { concurrency: Infinity }],
  ['a text for a truth', { dry_run: 'yes' }],
  ['no journal', { journal: '' }],
  ['another key', { engine: 'gpu1' }],
  ['a key of every object', JSON.parse('{"__proto__":{"engines":["x"]},"constructor":1}')],
];

test.each(WRONG)('%s is refused', async (_what, event) => {
  const answer = await handler(event);
  expect(answer).toMatchObject({ ok: false, error: { code: 'drain.event' } });
  const text = JSON.stringify(answer);
  expect(text).toContain('keys: engines, keep');
  expect(text.length).toBeLessThan(2_000);
});

test.each([
  ['a body of three megabytes', ' '.repeat(3 << 20)],
  ['half of a map', '{"engines":'],
  ['bytes', new Uint8Array([0, 255, 254])],
  ['a deep list', '['.repeat(500_000)],
])('over HTTP %s is 400', async (_what, body) => {
  const response = await fetchHandler(new Request('http://x/', { method: 'POST', body }));
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ ok: false, error: { code: 'drain.event' } });
});

test('an event of a schedule is read from its detail', () => {
  expect(parseDrainEvent(deep(1, 'detail'))).toMatchObject({ engines: undefined });
  expect(() => parseDrainEvent(deep(2, 'detail'))).toThrow(OperatingError);
});
