import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildFake } from '../helpers/fakes.ts';
import { interleave, type Bench, type Measurement } from './measurement.ts';

/**
 * Our ticks beside those of a C program that makes the same calls and decodes the same values, 8 GPUs x 40 fields: with
 * fakes that cost nothing, and with fakes that burn what libdcgm 4.6.0 was measured to cost.
 */
const FREE_TICKS = 20_000;
const BURNING_TICKS = 400;
const ROUNDS = 3;
/** Per call, and per dcgmUpdateAllFields on top: together 2.7 ms an update and 0.65 ms a read, as measured. */
const READ_BURN_US = 650;
const UPDATE_BURN_US = 2_050;
const EXTRA_GOAL_US = 150;
const RATIO_GOAL = 1.2;
const PROCESS_SECONDS = 15;
const SHARE_GOALS: readonly (readonly [intervalMs: number, most: number])[] = [
  [1000, 0.003],
  [100, 0.015],
];

const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

export function buildYardstick(): string {
  const source = pathOf('../fakes/bench-dcgm.c');
  const output = pathOf('../../build/fakes/bench-dcgm');
  if ((statSync(output, { throwIfNoEntry: false })?.mtimeMs ?? 0) < statSync(source).mtimeMs) {
    execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', output, source, '-ldl'], {
      stdio: 'inherit',
    });
  }
  return output;
}

interface Ours {
  readonly usPerTick: number;
  readonly callsPerTick: number;
}

function runOurs(ticks: number, readUs: number, updateUs: number): Ours {
  const text = execFileSync(
    process.execPath,
    [pathOf('native-ticks.ts'), ...[ticks, readUs, updateUs].map(String)],
    { encoding: 'utf8' },
  );
  return JSON.parse(text) as Ours;
}

async function ticksBeside(
  name: string,
  ticks: number,
  [readUs, updateUs]: readonly [number, number],
  goalOf: (value: number, baseline: number) => NonNullable<Measurement['goal']>,
): Promise<Measurement> {
  const library = buildFake('dcgm');
  const yardstick = buildYardstick();
  const { value, baseline } = await interleave(
    ROUNDS,
    () => runOurs(ticks, readUs, updateUs).usPerTick,
    () =>
      Number(
        execFileSync(yardstick, [library, ...[ticks, readUs, updateUs].map(String)], { encoding: 'utf8' }),
      ),
  );
  return { name, value, unit: 'µs CPU/tick', baseline, goal: goalOf(value, baseline) };
}

/** CPU of the whole sampling process, as share of a core, beside what the library itself burns in it. */
function processShare(intervalMs: number, most: number, callsPerTick: number): Measurement {
  const env = { ...process.env, GPULEDGER_FAKE: `burn_us=${READ_BURN_US},burn_update_us=${UPDATE_BURN_US}` };
  const text = execFileSync(
    process.execPath,
    [pathOf('native-process.ts'), String(intervalMs), String(PROCESS_SECONDS)],
    { env, encoding: 'utf8' },
  );
  const { coreShare, ticks, seconds } = JSON.parse(text) as {
    coreShare: number;
    ticks: number;
    seconds: number;
  };
  const ownShare = ((ticks / seconds) * (callsPerTick * READ_BURN_US + UPDATE_BURN_US)) / 1e6;
  const over = coreShare - ownShare;
  const goal = {
    text: `≤ ${(most * 100).toFixed(1)} % over the library's own (${(over * 100).toFixed(2)} %)`,
    isMet: over <= most,
  };
  return {
    name: `native.process_${1000 / intervalMs}hz`,
    value: coreShare * 100,
    unit: '% of a core',
    baseline: ownShare * 100,
    goal,
  };
}

export const nativeBench: Bench = {
  name: 'native',
  about:
    'a tick of 8 GPUs x 40 fields through koffi, beside a C program that makes the same calls (fake libdcgm)',
  async measure() {
    const free = await ticksBeside('native.tick_free', FREE_TICKS, [0, 0], (value, baseline) => ({
      text: `≤ C + ${EXTRA_GOAL_US} µs`,
      isMet: value <= baseline + EXTRA_GOAL_US,
    }));
    const burning = await ticksBeside(
      'native.tick_burning',
      BURNING_TICKS,
      [READ_BURN_US, UPDATE_BURN_US],
      (value, baseline) => ({
        text: `≤ ${RATIO_GOAL} x C`,
        isMet: value <= RATIO_GOAL * baseline,
      }),
    );
    const { callsPerTick } = runOurs(2_000, 0, 0);
    const shares = SHARE_GOALS.map(([intervalMs, most]) => processShare(intervalMs, most, callsPerTick));
    return [free, burning, ...shares];
  },
};
