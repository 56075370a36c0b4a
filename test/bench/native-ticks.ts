/**
 * One side of the native bench, in a process of its own: our embedded route on the fake library under a virtual clock.
 * Prints the CPU microseconds of a tick. Arguments: TICKS READ_BURN_US UPDATE_BURN_US
 */
import { openDcgmSource } from '../../src/source/dcgm/dcgm.ts';
import { Ring } from '../../src/core/ring/ring.ts';
import { loadFake } from '../helpers/fakes.ts';
import { FORTY_FIELDS, laneOf } from '../helpers/lanes.ts';

const WARM_UP_TICKS = 2_000;
const [ticks = 0, readBurnUs = 0, updateBurnUs = 0] = process.argv.slice(2).map(Number);
const fake = loadFake('dcgm');
const lane = laneOf(0, 'bench', 100, FORTY_FIELDS);
let nowUs = 1_800_000_000_000_000;
fake.set('clock_us', nowUs);
const source = openDcgmSource({
  node: 'bench',
  lanes: [lane],
  library: fake.path,
  openedUs: nowUs,
  onEvent: () => undefined,
});
const ring = new Ring({
  capacityTicks: 1024,
  deviceCount: source.devices.length,
  columnCount: lane.fields.length,
  intervalUs: 100_000,
  energyColumn: 13,
});

function play(count: number): void {
  for (let n = 0; n < count; n += 1) {
    nowUs += 100_000;
    fake.set('clock_us', nowUs);
    ring.reserve();
    source.sample(lane, ring, nowUs);
    ring.commit();
    if (ring.heldTicks === ring.shape.capacityTicks)
      ring.release(ring.peek(Infinity, ({ from, to }) => to - from).to);
  }
}

play(WARM_UP_TICKS);
fake.set('burn_us', readBurnUs);
fake.set('burn_update_us', updateBurnUs);
const before = process.cpuUsage();
const calls = fake.get('calls');
play(ticks);
const { user, system } = process.cpuUsage(before);
console.log(
  JSON.stringify({
    usPerTick: (user + system) / ticks,
    callsPerTick: (fake.get('calls') - calls) / ticks,
    sampledRows: ring.sampledRows,
  }),
);
source.close();
