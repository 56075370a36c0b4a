import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { buildFake } from '../helpers/fakes.ts';
import { interleave, type Bench, type Measurement } from './measurement.ts';
import { buildYardstick } from './native.ts';

/**
 * A host engine read at 100 ms, 8 GPUs x 40 fields, beside a C program that polls the same, with a fake that burns what
 * libdcgm 4.6.0 was measured to cost: 0.9 ms a read of newest values, 0.26 ms a request for kept samples of a series, 0.4 µs
 * each of these.
 */
const BURN = 'burn_us=260,burn_latest_us=640,burn_series_us=260,burn_record_ns=400';
/** A pass of the engine in four comes late by up to three intervals. */
const JITTER = 'jitter_us=300000';
const SECONDS = 60;
const ROUNDS = 3;
const RATIO_GOAL = 3;

interface Ours {
  readonly usPerSecond: number;
}

const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

async function beside(name: string, route: 'poll' | 'pull', knobs: string): Promise<Measurement> {
  const library = buildFake('dcgm');
  const yardstick = buildYardstick();
  const env = { ...process.env, GPULEDGER_FAKE: knobs };
  const { value, baseline } = await interleave(
    ROUNDS,
    () => {
      const args = [pathOf('engine-reads.ts'), route, String(SECONDS)];
      return (JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', env })) as Ours)
        .usPerSecond;
    },
    () =>
      10 *
      Number(execFileSync(yardstick, [library, String(10 * SECONDS), 'poll'], { encoding: 'utf8', env })),
  );
  const goal = { text: `≤ ${RATIO_GOAL} x C`, isMet: value <= RATIO_GOAL * baseline };
  return { name, value, unit: 'µs CPU/s', baseline, goal };
}

export const engineBench: Bench = {
  name: 'engine',
  about: 'a host engine read at 100 ms, beside a C program that polls the same (fake libdcgm)',
  async measure() {
    return [
      await beside('engine.poll', 'poll', BURN),
      await beside('engine.poll_jitter', 'poll', `${BURN},${JITTER}`),
      await beside('engine.pull_jitter', 'pull', `${BURN},${JITTER}`),
    ];
  },
};
