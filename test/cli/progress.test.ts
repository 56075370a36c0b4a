import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startMaybeBriefStep, startPassingStep, startStep, whileShown } from '../../src/cli/progress.ts';

const { isTTY } = process.stderr;
let said: string;
beforeEach(() => {
  said = '';
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  process.stderr.isTTY = isTTY;
});

test('nothing is said of a step that ends within two seconds', () => {
  for (const end of ['done', 'fail'] as const) {
    const step = startMaybeBriefStep('asking squeue');
    vi.advanceTimersByTime(1_900);
    step.update('squeue: 3 rows read');
    step[end]('over');
  }
  vi.advanceTimersByTime(10_000);
  expect(said).toBe('');
});

test('a longer one tells its end, with the seconds since its beginning', () => {
  const step = startMaybeBriefStep('asking squeue');
  vi.advanceTimersByTime(61_500);
  step.update('squeue: 3 rows read');
  step.done('squeue read');
  expect(said).toMatch(/✓ squeue read +61\.5 s\n/);
});

test('words of any length and seconds of any number do not touch', () => {
  for (const length of [10, 75, 76, 77, 200]) {
    for (const seconds of [3, 99, 1234, 123_456]) {
      said = '';
      const step = startStep('x', performance.now() - seconds * 1000);
      step.done('w'.repeat(length), '12 k/s');
      expect(said).toMatch(/w +[\d.]+ s {3}12 k\/s\n$/);
    }
  }
});

test('a step that passes is shown on a terminal from the third second on, and gone at its end', () => {
  process.stderr.isTTY = true;
  Object.assign(process.stderr, { cursorTo: () => true, clearLine: () => true, moveCursor: () => true });
  const step = startPassingStep('asking');
  step.update('asking, 1 answer so far');
  vi.advanceTimersByTime(1_900);
  expect(said).toBe('');
  vi.advanceTimersByTime(200);
  expect(said).toContain('asking, 1 answer so far');
  step.end();
  const atEnd = said.length;
  vi.advanceTimersByTime(10_000);
  expect(said.length).toBe(atEnd);
});

test('a step that passes says nothing into a pipe', () => {
  process.stderr.isTTY = false;
  const step = startPassingStep('asking');
  vi.advanceTimersByTime(10_000);
  step.update('asking still');
  step.end();
  expect(said).toBe('');
});

test('work is shown as long as it goes on, and what it gives or throws comes through', async () => {
  process.stderr.isTTY = true;
  Object.assign(process.stderr, { cursorTo: () => true, clearLine: () => true, moveCursor: () => true });
  for (const end of ['given', 'thrown']) {
    said = '';
    const work = Promise.withResolvers<string>();
    const shown = whileShown('asking dcgm', async (update) => {
      update('asking dcgm still');
      return await work.promise;
    });
    vi.advanceTimersByTime(2_100);
    expect(said).toContain('asking dcgm still');
    if (end === 'given') work.resolve(end);
    else work.reject(new Error(end));
    await (end === 'given' ? expect(shown).resolves.toBe(end) : expect(shown).rejects.toThrow(end));
    const atEnd = said.length;
    vi.advanceTimersByTime(10_000);
    expect(said.length).toBe(atEnd);
  }
});
