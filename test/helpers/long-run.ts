/**
 * A day of ticks at virtual speed on the fake libdcgm, in a process of its own: what it holds, hour by hour, as JSON.
 * Arguments: embedded | engine
 */
import { readdirSync, readFileSync } from 'node:fs';
import { Ring } from '../../src/core/ring/ring.ts';
import { openDcgmSource } from '../../src/source/dcgm/dcgm.ts';
import { loadFake } from './fakes.ts';
import { FORTY_FIELDS, laneOf } from './lanes.ts';

const HOURS = 24;
const HOUR_US = 3_600_000_000;
const DEATHS = 20;
const isEngine = process.argv[2] === 'engine';
const fake = loadFake('dcgm');
const lane = laneOf(0, 'profiling', 1000, FORTY_FIELDS);
const startUs = 1_800_000_000_000_000;
fake.set('clock_us', startUs);
fake.set('store_delay_us', 3000);
const events = new Map<string, number>();
const source = openDcgmSource({
  node: 'n1',
  lanes: [lane],
  library: fake.path,
  openedUs: startUs,
  onEvent: ({ kind }) => events.set(kind, (events.get(kind) ?? 0) + 1),
  ...(isEngine ? { engine: 'unix:///run/engine' } : {}),
});
const ring = new Ring({
  capacityTicks: 600,
  deviceCount: source.devices.length,
  columnCount: lane.fields.length,
  intervalUs: 1_000_000,
  energyColumn: -1,
});
const rssByHour: number[] = [];
const status = (): string => readFileSync('/proc/self/status', 'utf8');
const threads = (): number => Number(/Threads:\s+(\d+)/.exec(status())?.[1]);
const descriptors = (): number => readdirSync('/proc/self/fd').length;
let nowUs = startUs;
let threadsAtFirst = 0;
let descriptorsAtFirst = 0;
for (let hour = 0; hour < HOURS; hour += 1) {
  const endUs = startUs + (hour + 1) * HOUR_US;
  // A minute without an engine in each of the first 20 hours.
  const deathUs = isEngine && hour < DEATHS ? endUs - HOUR_US / 2 : Infinity;
  while (nowUs < endUs) {
    nowUs += Math.round((source.callIntervalMs?.(lane) ?? lane.intervalMs) * 1000);
    fake.set('clock_us', nowUs);
    const isDead = nowUs >= deathUs && nowUs < deathUs + 60_000_000;
    if (isDead === (fake.get('engine_alive') === 1)) fake.set('engine_alive', isDead ? 0 : 1);
    ring.reserve();
    source.sample(lane, ring, nowUs);
    if (ring.isReserved) ring.commit();
    if (ring.heldTicks > 300) ring.release(ring.peek(Infinity, ({ from, to }) => to - from).to);
  }
  rssByHour.push(Number(/VmRSS:\s+(\d+)/.exec(status())?.[1]) * 1024);
  if (hour === 0) [threadsAtFirst, descriptorsAtFirst] = [threads(), descriptors()];
}
process.stdout.write(
  JSON.stringify({
    rssByHour,
    threads: [threadsAtFirst, threads()],
    descriptors: [descriptorsAtFirst, descriptors()],
    rows: ring.sampledRows,
    events: Object.fromEntries(events),
  }),
);
source.close();
