/**
 * The sampling half of the collector in a process of its own: worker, source and ring on the fake library by the real
 * clock, the ring emptied once a second. Prints what it took. Arguments: INTERVAL_MS SECONDS
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startSampler } from '../../src/sampler/sampler.ts';
import { buildFake } from '../helpers/fakes.ts';
import { FORTY_FIELDS } from '../helpers/lanes.ts';

const SETTLE_SECONDS = 2;
const [intervalMs = 1000, seconds = 10] = process.argv.slice(2).map(Number);
const order = { name: 'bench', intervalMs, isContinuous: true, fieldIds: FORTY_FIELDS, capacityTicks: 1024 };
const sampler = await startSampler(
  { name: 'dcgm', node: 'bench', library: buildFake('dcgm') },
  [order],
  { kind: 'real' },
  {
    onEvent: () => undefined,
    onMissed: () => undefined,
    onJournalFailed: () => undefined,
  },
);
const ring = sampler.rings[0]!;

async function drainFor(times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) {
    await sleep(1000);
    ring.release(ring.peek(Infinity, ({ from, to }) => to - from).to);
  }
}

await drainFor(SETTLE_SECONDS);
const before = process.cpuUsage();
const rowsBefore = ring.sampledRows;
const fromMs = performance.now();
await drainFor(seconds);
const { user, system } = process.cpuUsage(before);
const wallUs = (performance.now() - fromMs) * 1000;
const ticks = (ring.sampledRows - rowsBefore) / sampler.devices.length;
console.log(
  JSON.stringify({
    coreShare: (user + system) / wallUs,
    ticks,
    seconds: wallUs / 1e6,
    rssBytes: process.memoryUsage.rss(),
  }),
);
sampler.control.stop();
await sampler.ended;
