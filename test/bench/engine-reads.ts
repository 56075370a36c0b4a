/**
 * One side of the engine bench, in a process of its own: our source on a host engine of the fake library under a virtual
 * clock. Prints the CPU microseconds of a second of 8 GPUs x 40 fields at 100 ms. Arguments: ROUTE SECONDS
 */
import { openDcgmSource } from '../../src/source/dcgm/dcgm.ts';
import { Ring } from '../../src/core/ring/ring.ts';
import { energyColumnOf } from '../../src/core/fields/lane.ts';
import { loadFake } from '../helpers/fakes.ts';
import { FORTY_FIELDS, laneOf } from '../helpers/lanes.ts';

const WARM_UP_SECONDS = 120;
const INTERVAL_MS = 100;
const [route = 'poll', secondsText = '60'] = process.argv.slice(2);
const fake = loadFake('dcgm');
const lane = laneOf(0, 'bench', INTERVAL_MS, FORTY_FIELDS);
let nowUs = 1_800_000_000_000_000;
fake.set('clock_us', nowUs);
const source = openDcgmSource({
  node: 'bench',
  lanes: [lane],
  library: fake.path,
  engine: 'unix:///run/engine',
  flushIntervalMs: route === 'pull' ? 15_000 : 5_000,
  openedUs: nowUs,
  onEvent: () => undefined,
});
const ring = new Ring({
  capacityTicks: 1024,
  deviceCount: source.devices.length,
  columnCount: lane.fields.length,
  intervalUs: INTERVAL_MS * 1000,
  energyColumn: energyColumnOf(lane),
});

function play(seconds: number): void {
  const endUs = nowUs + seconds * 1_000_000;
  while (nowUs < endUs) {
    nowUs += Math.round((source.callIntervalMs?.(lane) ?? INTERVAL_MS) * 1000);
    fake.set('clock_us', nowUs);
    ring.reserve();
    source.sample(lane, ring, nowUs);
    if (ring.isReserved) ring.commit();
    ring.release(ring.peek(Infinity, ({ from, to }) => to - from).to);
  }
}

play(WARM_UP_SECONDS);
const fromUs = nowUs;
const rowsBefore = ring.sampledRows;
const historyBefore = fake.get('multiple_calls');
const before = process.cpuUsage();
play(Number(secondsText));
const { user, system } = process.cpuUsage(before);
const seconds = (nowUs - fromUs) / 1e6;
console.log(
  JSON.stringify({
    usPerSecond: (user + system) / seconds,
    rowsPerSecond: (ring.sampledRows - rowsBefore) / seconds,
    historyCallsPerSecond: (fake.get('multiple_calls') - historyBefore) / seconds,
    about: source.describe?.(),
  }),
);
source.close();
