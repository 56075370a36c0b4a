import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { collectingBench } from './collecting.ts';
import { deliveryBench } from './delivery.ts';
import { drainBench, drainFleetBench } from './drain.ts';
import { encoderBench } from './encoder.ts';
import { engineBench } from './engine.ts';
import { exporterBench } from './exporter/exporter.ts';
import { jsonOf, tableOf, type Bench, type Measurement } from './measurement.ts';
import { nativeBench } from './native.ts';
import { ownershipBench } from './ownership.ts';
import { pipelineBench } from './pipeline.ts';
import { reportsBench } from './reports.ts';
import { ringBench } from './ring.ts';
import { serveBench } from './serve.ts';
import { startUpBench } from './start-up.ts';
import { syncBench } from './sync.ts';
import { yearBench } from './year.ts';

/** `npm run bench [-- --json FILE] [-- --only NAME]`: every figure beside its baseline from the same run. */
const BENCHES: readonly Bench[] = [
  encoderBench,
  ringBench,
  ownershipBench,
  deliveryBench,
  startUpBench,
  syncBench,
  yearBench,
  drainBench,
  drainFleetBench,
  nativeBench,
  engineBench,
  pipelineBench,
  collectingBench,
  exporterBench,
  reportsBench,
  serveBench,
];

/** The processes that are measured run the built code, as users do. */
function build(): void {
  const script = "const { buildIfStale } = await import('./scripts/build.js'); await buildIfStale();";
  const { status } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('the build failed');
}

function chosen(names: readonly string[]): readonly Bench[] {
  const unknown = names.filter((name) => !BENCHES.some((bench) => bench.name === name));
  if (unknown.length > 0) {
    throw new Error(
      `no bench ${unknown.join(', ')}; there are ${BENCHES.map(({ name }) => name).join(', ')}`,
    );
  }
  return names.length === 0 ? BENCHES : BENCHES.filter(({ name }) => names.includes(name));
}

const { values: flags } = parseArgs({
  options: { json: { type: 'string' }, only: { type: 'string', multiple: true, default: [] } },
});
const benches = chosen(flags.only);
build();
const load = loadavg()[0]!;
process.stderr.write(
  `node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown CPU'}, load ${load.toFixed(1)}\n`,
);
if (load > cpus().length) {
  process.stderr.write(
    'this machine is busy: absolute figures, above all those of waiting, are worth little; ratios hold\n',
  );
}
const measurements: Measurement[] = [];
for (const bench of benches) {
  process.stderr.write(`${bench.name}: ${bench.about}\n`);
  measurements.push(...(await bench.measure()));
}
console.log(tableOf(measurements));
if (flags.json !== undefined) writeFileSync(flags.json, jsonOf(measurements));
