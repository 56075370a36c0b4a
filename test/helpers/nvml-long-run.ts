/** A day of ticks at virtual speed on the fake libnvidia-ml, in a process of its own: what it holds, hour by hour, as JSON. */
import { readdirSync, readFileSync } from 'node:fs';
import { Ring } from '../../src/core/ring/ring.ts';
import { openNvmlSource } from '../../src/source/nvml/nvml.ts';
import { loadFake } from './fakes.ts';
import { FORTY_FIELDS, laneOf } from './lanes.ts';

const HOURS = 24;
const TICKS_AN_HOUR = 3600;
const RELOADS = 20;
const AWAY_TICKS = 60;
const fake = loadFake('nvml');
const lane = laneOf(0, 'profiling', 1000, FORTY_FIELDS);
let nowUs = 1_800_000_000_000_000;
fake.set('clock_us', nowUs);
const events = new Map<string, number>();
const source = openNvmlSource(
  {
    node: 'n1',
    lanes: [lane],
    library: fake.path,
    openedUs: nowUs,
    kernelLog: '/dev/null',
    onEvent: ({ kind }) => events.set(kind, (events.get(kind) ?? 0) + 1),
  },
  () => fake.get('clock_us') / 1000,
);
const ring = new Ring({
  capacityTicks: 600,
  deviceCount: source.devices.length,
  columnCount: lane.fields.length,
  intervalUs: 1_000_000,
  energyColumn: -1,
});
const status = (): string => readFileSync('/proc/self/status', 'utf8');
const threads = (): number => Number(/Threads:\s+(\d+)/.exec(status())?.[1]);
const descriptors = (): number => readdirSync('/proc/self/fd').length;
const rssByHour: number[] = [];
const atFirst = { threads: 0, descriptors: 0 };
for (let hour = 0; hour < HOURS; hour += 1) {
  for (let n = 0; n < TICKS_AN_HOUR; n += 1) {
    nowUs += 1_000_000;
    fake.set('clock_us', nowUs);
    // The driver is reloaded in each of the first hours, and is away for a minute.
    if (hour < RELOADS && n === TICKS_AN_HOUR / 2) {
      fake.set('lose_handles', 1);
      fake.set('init_fails', 9);
    }
    if (n === TICKS_AN_HOUR / 2 + AWAY_TICKS) fake.set('init_fails', 0);
    ring.reserve();
    source.sample(lane, ring, nowUs);
    if (ring.isReserved) ring.commit();
    if (ring.heldTicks > 300) ring.release(ring.peek(Infinity, ({ from, to }) => to - from).to);
  }
  rssByHour.push(Number(/VmRSS:\s+(\d+)/.exec(status())?.[1]) * 1024);
  if (hour === 0) Object.assign(atFirst, { threads: threads(), descriptors: descriptors() });
}
const atLast = { threads: threads(), descriptors: descriptors() };
const { sampledRows } = ring;
source.close();
const left = ['gpm_samples', 'event_sets', 'inits', 'early_shutdowns'].map((name) => fake.get(name));
process.stdout.write(
  JSON.stringify({ rssByHour, atFirst, atLast, left, rows: sampledRows, events: Object.fromEntries(events) }),
);
