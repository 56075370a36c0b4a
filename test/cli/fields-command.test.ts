import { describe, expect, test } from 'vitest';
import { runCommand } from '../helpers/run-process.ts';

async function fields(...args: string[]): Promise<string[]> {
  const { exitCode, stdout, stderr } = await runCommand(['fields', ...args]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout.trimEnd().split('\n');
}

describe('gpuledger fields', () => {
  test('finds by a part of any name', async () => {
    expect(await fields('sm_util')).toEqual([
      'id    name                    column           unit   kind',
      '1002  DCGM_FI_PROF_SM_ACTIVE  sm_active_ratio  ratio  gauge',
    ]);
  });

  test('finds by a pattern over the whole name', async () => {
    const lines = await fields('dcgm_fi_prof_pipe_fp??_active');
    expect(lines.slice(1).map((line) => line.split(' ')[0])).toEqual(['1006', '1007', '1008']);
  });

  test('finds by id, exactly', async () => {
    expect((await fields('100')).slice(1).map((line) => line.split(/ +/)[2])).toEqual(['sm_clock_hertz']);
    expect(await fields('1603')).toEqual(await fields('100'));
  });

  test('says why a field has no column', async () => {
    const lines = await fields('DCGM_FI_DRIVER_VERSION');
    expect(lines[1]).toMatch(/^1 +DCGM_FI_DRIVER_VERSION +\(no column: string\)/);
  });

  test.each([
    ['sm_actve', '  did you mean: sm_active_ratio'],
    ['nosuchfield', '  all fields: gpuledger fields --all\n'],
    ['(((', '  all fields: gpuledger fields --all\n'],
    ['99999', '  all fields: gpuledger fields --all\n'],
  ])('ends with 64 where nothing matches %j, and names the nearest', async (pattern, hint) => {
    for (const flags of [[], ['--json']]) {
      const { exitCode, stdout, stderr } = await runCommand(['fields', pattern, ...flags]);
      expect([exitCode, stdout]).toEqual([64, '']);
      expect(stderr).toContain(`error: no field matches "${pattern}"\n${hint}`);
    }
  });

  test('lists those chosen by hand, or all', async () => {
    const lines = await fields();
    expect(lines.at(-1)).toMatch(/^\d+ of 644 fields; the others: --all, or a pattern$/);
    expect(lines.length).toBeGreaterThan(80);
    expect(await fields('--all')).toHaveLength(645);
  });

  test('gives every name as JSON', async () => {
    const text = (await fields('dcgm_total_energy', '--json')).join('\n');
    expect(JSON.parse(text)).toEqual([
      expect.objectContaining({
        id: 156,
        column: 'energy_joules',
        scale: 0.001,
        kind: 'counter',
        canBeColumn: true,
        baseUnitId: 1611,
        aliases: ['dcgm_total_energy_consumption', 'DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL'],
      }),
    ]);
  });
});
