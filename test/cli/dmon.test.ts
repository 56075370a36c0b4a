/** `gpuledger dmon` as a process of its own, and what it draws on a terminal. */
import { describe, expect, it } from 'vitest';
import { createLiveTable, createPlainLines } from '../../src/cli/dmon-view.ts';
import type { Device } from '../../src/core/devices/device.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import { buildFake } from '../helpers/fakes.ts';
import { ROOT, runToEnd } from '../helpers/run-process.ts';

const env = { GPULEDGER_DCGM_LIBRARY: buildFake('dcgm') };
const runCommand = (
  args: readonly string[],
  options: { env: Record<string, string> },
): ReturnType<typeof runToEnd> => runToEnd(process.execPath, [`${ROOT}bin/gpuledger.js`, ...args], options);
const device: Device = { uuid: 'GPU-a', node: 'n1', index: 0, model: 'H200', memoryBytes: 1 };
const fields = ['1002', '155', '252', '156'].map((name) => findField(name)!);
const T0 = Date.UTC(2026, 10, 21, 9, 2, 11) * 1000;

describe('gpuledger dmon', () => {
  it.each([[[]], [['-r', 'unix:///run/engine']]])(
    'prints plain lines in a pipe and ends after -c rows (%j)',
    async (engine) => {
      const args = ['dmon', '-e', '1002,power_watts', '-d', '100', '-c', '4', '-i', 'g:0,3', ...engine];
      const { exitCode, stdout, stderr } = await runCommand(args, { env });
      expect(stderr).toBe('');
      expect(exitCode).toBe(0);
      const rows = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
      expect(rows).toHaveLength(8);
      expect(rows.filter((row) => row.includes('GPU-00000003'))).toHaveLength(4);
      expect(rows.at(-1)).toMatch(/^ {2}20\d\d-\d\d-\d\dT[\d:.]+Z {2}GPU-\S+ +0\.\d{4} +50[03]$/);
      expect(stdout).toMatch(/^# DCGM 4\.6\.0 .*\n# time +device +sm_active_ratio +power_watts\n/);
    },
  );

  it('prints no more rows than it was asked for, though several ticks come at once', async () => {
    const args = ['dmon', '-e', 'power_watts', '-d', '10', '-c', '3', '-i', 'g:0'];
    const { exitCode, stdout } = await runCommand(args, { env });
    expect(exitCode).toBe(0);
    expect(stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'))).toHaveLength(3);
  });

  it.each([
    [['-e', '1002,powr'], 'did you mean: power_watts'],
    [['-e', '1'], 'field "1": it is a string'],
    [['-d', '1'], '-d "1": expected a duration of 10ms to 1h'],
    [['-c', '0'], '-c "0": expected a whole number above 0'],
  ])('refuses %j', async (args, text) => {
    const { exitCode, stderr } = await runCommand(['dmon', ...args], { env });
    expect(exitCode).toBe(64);
    expect(stderr).toContain(text);
  });

  it('refuses profiling fields faster than the hardware has them', async () => {
    const { exitCode, stderr } = await runCommand(['dmon', '-d', '50'], { env });
    expect(exitCode).toBe(78);
    expect(stderr).toContain('interval 50ms is below 100 ms, the floor of the profiling hardware');
  });
});

describe('views of dmon', () => {
  const row = (n: number, sm: number): Parameters<ReturnType<typeof createPlainLines>>[0][number] => ({
    device,
    tsUs: T0 + n * 1e6,
    values: [sm, 512.4, 2 ** 31, 1_000_000],
  });

  it('draws a table over itself, with how each value went', () => {
    const view = createLiveTable(fields, [device], 'DCGM');
    const first = view([row(0, 0.1)]);
    expect(first).toBe(
      'DCGM · 09:02:11.0 UTC\n' +
        '       sm_active                    power                    fb_used                     energy\n' +
        'gpu 0       10 %                 ▁  512 W                 █    2 GiB                 █  1000000                 █\n',
    );
    const second = view([row(1, 0.5), row(2, NaN)]);
    expect(second.startsWith('\u001b[3A\u001b[JDCGM · 09:02:13.0 UTC\n')).toBe(true);
    expect(second).toContain('gpu 0          -               ▁▅ ');
  });

  it('prints "-" for no value, and the header again now and then', () => {
    const view = createPlainLines(fields, [device], 'DCGM');
    const text = view(Array.from({ length: 41 }, (_, n) => row(n, n === 0 ? NaN : 0.25)));
    const lines = text.split('\n');
    expect(lines[2]).toBe(
      '  2026-11-21T09:02:11.000Z  GPU-a                -       512.40     2147483648        1000000',
    );
    expect(lines.filter((line) => line.startsWith('# time'))).toHaveLength(2);
  });
});
