import { expect, test } from 'vitest';
import { OperatingError } from '../../src/core/base/errors.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import type { Taken } from '../../src/idle-watch/channel.ts';
import { createDelivery, MESSAGES_PER_LOOK_MAX } from '../../src/idle-watch/deliver.ts';

const ERROR = new OperatingError('the webhook at HOST came 500', {
  code: 'idle_watch.webhook',
  exit: 'temporary',
});
const FAILED: Taken = { kind: 'failed', error: ERROR };
const REFUSED: Taken = { kind: 'refused', error: ERROR };
const TOLD: Taken = { kind: 'told' };
const MINUTE_MS = 60_000;

/** A receiver that answers as it is told to, and a clock that somebody moves. */
function receiver() {
  const notices: Notice[] = [];
  const sent: string[] = [];
  const clock = { ms: 0 };
  const answers = { of: (_text: string): Taken => TOLD };
  const channel = {
    send: (message: { readonly text: string }) => {
      sent.push(message.text);
      return Promise.resolve(answers.of(message.text));
    },
    close: () => Promise.resolve(),
  };
  const delivery = createDelivery(
    channel,
    (notice) => notices.push(notice),
    () => clock.ms,
  );
  const waiting = new Set<string>();
  const look = async (signal = new AbortController().signal): Promise<void> => {
    const messages = [...waiting].map((text) => ({
      message: { text, json: '' },
      onTaken: () => {
        waiting.delete(text);
      },
    }));
    await delivery.deliver(messages, signal);
  };
  const warnings = (): string[] =>
    notices.filter(({ level }) => level === 'warn').map(({ sentence }) => sentence);
  return { answers, clock, sent, waiting, look, warnings };
}

test('a receiver that fails is told of once, tried less and less often, and gets all once it is back', async () => {
  const { answers, clock, sent, waiting, look, warnings } = receiver();
  answers.of = () => FAILED;
  for (const text of ['a', 'b', 'c']) waiting.add(text);
  for (let minute = 0; minute < 24 * 60; minute += 1) {
    clock.ms = minute * MINUTE_MS;
    await look();
  }
  // One message a try; between two tries half an hour at most, at least half of that.
  expect(sent.length).toBeGreaterThanOrEqual(48);
  expect(sent.length).toBeLessThan(110);
  expect(new Set(sent)).toEqual(new Set(['a']));
  expect(warnings()).toEqual([
    'the webhook at HOST came 500: messages about idle jobs wait and are tried again',
  ]);
  answers.of = () => TOLD;
  clock.ms += 30 * MINUTE_MS;
  await look();
  expect([waiting.size, sent.slice(-3)]).toEqual([0, ['a', 'b', 'c']]);
  // It may fail again, which is news.
  answers.of = () => FAILED;
  waiting.add('d');
  await look();
  expect(warnings()).toHaveLength(2);
});

test("a message that is refused stands in nobody's way", async () => {
  const { answers, sent, waiting, look, warnings } = receiver();
  answers.of = (text) => (text === 'b' ? REFUSED : TOLD);
  for (const text of ['a', 'b', 'c']) waiting.add(text);
  await look();
  expect([sent, waiting.size]).toEqual([['a', 'b', 'c'], 0]);
  expect(warnings()).toEqual(['the webhook at HOST came 500: it is left out, and the next one comes']);
});

test('of very many messages some go at each look', async () => {
  const { sent, waiting, look } = receiver();
  for (let n = 0; n < 2 * MESSAGES_PER_LOOK_MAX + 1; n += 1) waiting.add(String(n));
  await look();
  expect(sent).toHaveLength(MESSAGES_PER_LOOK_MAX);
  await look();
  await look();
  expect([sent.length, waiting.size]).toEqual([2 * MESSAGES_PER_LOOK_MAX + 1, 0]);
});

test('a stop is no fault, and what was not taken waits', async () => {
  const { answers, sent, waiting, look, warnings } = receiver();
  const stop = new AbortController();
  answers.of = () => {
    stop.abort();
    return FAILED;
  };
  waiting.add('a').add('b');
  await look(stop.signal);
  expect([sent, waiting.size, warnings()]).toEqual([['a'], 2, []]);
});
