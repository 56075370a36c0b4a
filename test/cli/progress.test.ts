import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startMaybeBriefStep } from '../../src/cli/progress.ts';

let said: string;
beforeEach(() => {
  said = '';
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
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
