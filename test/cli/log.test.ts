import { afterEach, expect, it, vi } from 'vitest';
import { createLog } from '../../src/cli/log.ts';
import type { Notice } from '../../src/core/base/notice.ts';

const NOTICE: Notice = {
  level: 'warn',
  code: 'lane.late',
  sentence: 'lane fast: 3 ticks missed',
  lane: 'fast',
  device: 'GPU-1',
  data: { ticks: 3 },
};

afterEach(() => {
  vi.restoreAllMocks();
});

function printed(format: 'human' | 'json', level: Notice['level']): string {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  createLog(format, level)(NOTICE);
  return written.mock.calls.map(([text]) => String(text)).join('');
}

it('prints a line of JSON with the keys that machines rely on, in their order', () => {
  const line = printed('json', 'info');
  expect(line.replace(/"time":"[^"]+"/, '"time":"T"')).toBe(
    '{"time":"T","level":"warn","event":"lane.late","text":"lane fast: 3 ticks missed","lane":"fast","device":"GPU-1","ticks":3}\n',
  );
});

it('prints time, level and sentence for people', () => {
  expect(printed('human', 'warn')).toMatch(/^\d\d:\d\d:\d\d .*warn.* lane fast: 3 ticks missed\n$/);
});

it('prints nothing below its level', () => {
  expect(printed('json', 'error')).toBe('');
});
