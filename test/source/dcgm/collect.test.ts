/** The whole way on the fakes: `gpuledger collect` from libdcgm, embedded and over a host engine, into a real QuestDB. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { openQuestDb } from '../../../src/questdb/http.ts';
import { waitForVisible } from '../../../src/questdb/visible.ts';
import { buildFake } from '../../helpers/fakes.ts';
import { ROOT, runToEnd } from '../../helpers/run-process.ts';
import { truthDouble } from '../../helpers/truth.ts';

const SECONDS = 6;

it.each([
  ['embedded', [], 8],
  ['engine', ['-r', 'unix:///run/engine'], 8],
  ['mig', [], 10],
])('writes what the devices did, with dt and energy (%s)', async (name, flags, devices) => {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-collect-'));
  const config = join(directory, 'gpuledger.yaml');
  const lane = `dcgm_${name}`;
  writeFileSync(
    config,
    `node: n1\nlanes:\n  - { name: ${lane}, schedule: continuous, interval: 100ms, fields: ['1002', '155', '156'] }\n`,
  );
  const args = [
    'collect',
    '--for',
    `${SECONDS}s`,
    '--config',
    config,
    '--state-dir',
    directory,
    '--json',
    ...flags,
  ];
  const { exitCode, stdout, stderr } = await runToEnd(
    process.execPath,
    [`${ROOT}bin/gpuledger.js`, ...args],
    {
      env: {
        QDB_CLIENT_CONF: inject('questdbConf'),
        GPULEDGER_DCGM_LIBRARY: buildFake('dcgm'),
        ...(name === 'mig' ? { GPULEDGER_FAKE: 'mig=8' } : {}),
      },
    },
  );
  expect({ exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ exitCode: 0, stderr: '' });
  const account = JSON.parse(stdout) as {
    devices: number;
    lanes: { sampledRows: number; acknowledgedRows: number }[];
  };
  expect(account.devices).toBe(devices);
  const written = account.lanes[0]!.acknowledgedRows;
  const db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 10_000 });
  try {
    await waitForVisible(db, `gpu_${lane}`);
    const { rows } = await db.exec(
      `SELECT gpu, cast(ts AS long), dt_us, sm_active_ratio, power_watts, energy_rise_joules, energy_rise_dt_us FROM gpu_${lane} ORDER BY gpu, ts`,
    );
    expect(rows).toHaveLength(written);
    const first = rows.filter(([gpu]) => gpu === 'GPU-00000002-fade-4000-8000-000000000002').slice(1);
    // Late ticks are left out: on a busy machine most may be.
    expect(first.length).toBeGreaterThan(SECONDS);
    // Around a late tick of a busy machine the engine has no baseline for a profiling value, and a rise speaks for another time.
    const known = first.filter(([, , , sm, , rise]) => sm !== null && rise !== null);
    expect(known.length).toBeGreaterThan(SECONDS);
    for (const [, ts, , sm, power, rise, riseDtUs] of known) {
      const offMs = Math.round(Math.abs(Number(sm) - truthDouble(1002, 2, Number(ts))) * 1000);
      expect(Math.min(offMs, 1000 - offMs)).toBeLessThanOrEqual(50);
      expect(power).toBe(502);
      expect(Math.abs(Number(rise) - (500 * Number(riseDtUs)) / 1e6)).toBeLessThan(5);
    }
  } finally {
    await db.close();
  }
});
