import { expect } from 'vitest';
import type { Notice } from '../../src/core/base/notice.ts';
import type { Device } from '../../src/core/devices/device.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import { energyColumnOf, type Lane } from '../../src/core/fields/lane.ts';
import { BATCH_BYTES_MAX } from '../../src/core/fields/limits.ts';
import type { JobFact, JobInput, JobRecord } from '../../src/core/jobs/job-fact.ts';
import { Ownership } from '../../src/core/jobs/ownership.ts';
import { Ring } from '../../src/core/ring/ring.ts';
import { createEncoder } from '../../src/core/wire/encode.ts';
import type { Interval } from '../../src/core/jobs/interval.ts';
import { relabelStored } from '../../src/job-map/late-facts.ts';
import { createLateWork } from '../../src/job-map/late-work.ts';
import { openOwnership, type OwnershipSession } from '../../src/job-map/session.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { createSmallTables, type SmallTables } from '../../src/questdb/rows/small-tables.ts';
import { allTables, createTableSql } from '../../schemas/tables.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { DAY, HOUR, type Fleet, type FleetDevice, type FleetLane } from './draw/fleet.ts';

/** The way of a fleet into a store: ring, ownership session, labels, encoder, and the re-label of what was told late. */

const laneOf = (name: string, intervalMs: number, ids: readonly number[]): Lane => ({
  name,
  table: `gpu_${name}`,
  schedule: 'continuous',
  intervalMs,
  fields: ids.map((id) => findField(String(id))!),
  capacityTicks: 600,
});

/** The lanes of today's configuration. */
export const FLEET_LANES: readonly Lane[] = [
  laneOf('main', 10_000, [1002, 1004, 1005, 1001, 203, 155, 156, 252, 1006, 1007, 1008]),
  laneOf('slow', 30_000, [1002, 252]),
];

/** And those that collectors once had. */
const ALL_LANES: readonly Lane[] = [...FLEET_LANES, laneOf('early', 20_000, [1002])];

/** Nothing ages out by itself; minutes are in partitions of a day, so that days of them can. */
const RETENTION = { raw: '', rollup1m: '5000 DAYS', rollup1h: '', rollup1d: '' };

/** Flushes are an hour of samples: facts that were told in it label all of it. */
const FLUSH_US = HOUR;
/** When the late facts are taken in, after the last sample. */
const LATER_US = [0, 20 * HOUR, 5 * DAY, 30 * DAY];

/** So many of the fleets are stored while their rollups are there, and follow; the others before, which takes much less time. */
const FOLLOWED_MAX = 3;

/** Brings the fleets into an empty store: their samples, and everything that was told of them, then and later. */
export async function loadFleets(db: QuestDb, fleets: readonly Fleet[]): Promise<readonly Notice[]> {
  const notices: Notice[] = [];
  for (const table of allTables(ALL_LANES, RETENTION)) await db.exec(createTableSql(table));
  await loadSome(db, fleets.slice(0, -FOLLOWED_MAX), notices);
  await applySchema(db, ALL_LANES, RETENTION);
  await loadSome(db, fleets.slice(-FOLLOWED_MAX), notices);
  await waitForRollups(db, ALL_LANES, Math.max(...fleets.map(({ toUs }) => toUs)) + 2 * DAY, {
    timeoutMs: 600_000,
  });
  for (const table of ['gpu_ownership', 'gpu_owner_sets', 'jobs', 'gpu_inventory'])
    await waitForVisible(db, table);
  return notices;
}

async function loadSome(db: QuestDb, fleets: readonly Fleet[], notices: Notice[]): Promise<void> {
  const small = createSmallTables(db);
  const loaded: Told[] = [];
  for (const fleet of fleets) {
    await writeFixed(small, fleet);
    const told = tellerOf(fleet);
    await sendSamples(db, fleet, told);
    loaded.push(told);
  }
  const tables = ALL_LANES.map(({ table }) => table);
  for (const laterUs of LATER_US) {
    for (const table of tables) await waitForVisible(db, table);
    for (const told of loaded) await takeInLate(db, small, told, { tables, laterUs, notices });
  }
}

/** What a collector does when it hears of facts after their samples were stored: by its memory, else from the store. */
async function takeInLate(
  db: QuestDb,
  small: SmallTables,
  { fleet, session, read, takeRows }: Told,
  { tables, laterUs, notices }: { tables: readonly string[]; laterUs: number; notices: Notice[] },
): Promise<void> {
  const nowUs = fleet.toUs + laterUs;
  const tell = (notice: Notice): void => {
    notices.push(notice);
  };
  read(nowUs);
  // Sets first, so that stored ownership says that the sets of its owners are stored.
  expect(await small.writeOwnerSets(session.takeOwnerSets())).toBe(true);
  expect(await small.writeOwnership(takeRows())).toBe(true);
  const corrected: Interval[] = [];
  const late = createLateWork({
    ...{ db, tables, session, areRowsLast: false, tell },
    storeSets: (sets) => small.writeOwnerSets(sets),
    onDone: (done) => corrected.push(...done.corrected),
  });
  expect((await relabelStored(session, db, tables, tell)).isDone).toBe(true);
  expect(await late.finish()).toBe(true);
  expect(await small.writeOwnership(corrected)).toBe(true);
  session.acknowledge(nowUs);
}

/** What does not depend on when it is told: devices, and what the scheduler knows of jobs. */
async function writeFixed(small: SmallTables, fleet: Fleet): Promise<void> {
  const rows = fleet.sightings.map(({ device, tsUs }) => ({
    tsUs,
    device: deviceOf(device),
    source: 'nvml' as const,
  }));
  expect(await small.writeInventory(rows)).toBe(true);
  const nodes = new Map(fleet.devices.map(({ uuid, node }) => [uuid, node]));
  const records = fleet.runs
    .filter(({ isRecorded }) => isRecorded)
    .map((run): JobRecord => ({
      ...(run.cluster === undefined ? {} : { cluster: run.cluster }),
      jobId: run.jobId,
      run: run.count,
      startUs: Math.min(...run.stays.map(({ startUs }) => startUs)),
      endUs: Math.max(...run.stays.map(({ endUs }) => endUs)),
      submitUs: run.submitUs,
      name: run.name,
      user: run.user,
      ...(run.account === undefined ? {} : { account: run.account }),
      partition: run.partition,
      ...(run.qos === undefined ? {} : { qos: run.qos }),
      nodes: new Set(run.stays.map(({ gpu }) => nodes.get(gpu))).size,
      gpus: run.stays.length,
      state: run.state,
      exitCode: run.exitCode,
    }));
  expect(await small.writeJobs(records)).toBe(true);
}

function deviceOf(device: FleetDevice): Device {
  const { cluster, uuid, node, index, model, memoryBytes, isCut, instance } = device;
  return {
    ...(cluster === undefined ? {} : { cluster }),
    ...{ uuid, node, index, model, memoryBytes },
    ...(isCut ? { isCut } : {}),
    ...(instance === undefined
      ? {}
      : {
          parentUuid: instance.parent,
          gpuInstanceId: instance.id,
          computeInstanceId: 0,
          migProfile: instance.profile,
        }),
  };
}

/** Tells the facts of a fleet when their time has come. */
interface Told {
  readonly fleet: Fleet;
  readonly session: OwnershipSession;
  /** Takes in what was told up to `nowUs`. */
  readonly read: (nowUs: number) => void;
  /** Rows of `gpu_ownership` that are to be written. */
  readonly takeRows: () => Interval[];
}

function tellerOf(fleet: Fleet): Told {
  const nodes = new Map(fleet.devices.map(({ uuid, node }) => [uuid, node]));
  let toldCount = 0;
  const input: JobInput = {
    name: 'journal',
    read(nowUs) {
      const facts = fleet.facts.slice(toldCount).filter(({ toldUs }) => toldUs <= nowUs);
      toldCount += facts.length;
      return {
        facts: facts.map(({ kind, atUs, stay, share }): JobFact => ({
          kind,
          atUs,
          ...(stay.run.cluster === undefined ? {} : { cluster: stay.run.cluster }),
          node: nodes.get(stay.gpu)!,
          gpu: stay.gpu,
          jobId: stay.run.jobId,
          run: stay.run.count,
          share,
          source: 'journal',
        })),
        records: [],
      };
    },
  };
  const session = openOwnership({
    inputs: [input],
    ownership: new Ownership(),
    labelledUntilUs: -Infinity,
  });
  const rows: Interval[] = [];
  return {
    fleet,
    session,
    read(nowUs) {
      rows.push(...session.read(nowUs).changes.map(({ interval }) => interval));
    },
    takeRows: () => rows.splice(0),
  };
}

/** Flush by flush, as a collector does: what is known by then is the label. */
async function sendSamples(db: QuestDb, fleet: Fleet, told: Told): Promise<void> {
  const writers = fleet.lanes.map((lane) => writerOf(fleet, lane, told.session.ownership));
  for (let untilUs = fleet.fromUs + FLUSH_US; untilUs < fleet.toUs + FLUSH_US; untilUs += FLUSH_US) {
    const nowUs = Math.min(untilUs, fleet.toUs);
    told.read(nowUs);
    for (const writer of writers) writer.encodeUntil(nowUs);
    told.session.labelledUntil(nowUs);
  }
  for (const { lane, bodies, count } of writers) {
    const fate = await db.send({
      table: lane.table,
      body: new Uint8Array(Buffer.concat(bodies)),
      rows: count(),
    });
    expect(fate.unsent).toBeUndefined();
  }
}

interface Writer {
  readonly lane: FleetLane;
  readonly bodies: Uint8Array[];
  readonly count: () => number;
  encodeUntil(us: number): void;
}

function writerOf({ devices }: Fleet, lane: FleetLane, ownership: Ownership): Writer {
  const known = ALL_LANES.find(({ table }) => table === lane.table)!;
  const columns = known.fields.map(({ column }) => column);
  expect(columns).toEqual(lane.columns);
  const ring = new Ring({
    capacityTicks: Math.max(2, lane.tickCount),
    deviceCount: devices.length,
    columnCount: columns.length,
    intervalUs: lane.intervalUs,
    energyColumn: energyColumnOf(known),
  });
  const encoder = createEncoder({
    table: lane.table,
    devices: devices.map(deviceOf),
    columns,
    hasEnergyRise: energyColumnOf(known) >= 0,
  });
  const places = lane.rows.map(() => 0);
  const bodies: Uint8Array[] = [];
  let rows = 0;
  let tick = 0;
  return {
    lane,
    bodies,
    count: () => rows,
    encodeUntil(us) {
      while (tick < lane.tickCount && !isAfter(lane, places, tick, us)) {
        ring.reserve();
        for (const [device, own] of lane.rows.entries()) setRow(ring, device, own, places, tick);
        ring.commit();
        tick += 1;
      }
      const range = ring.peek(Infinity, ({ from, to }) => {
        const labelOf = (device: number, tsUs: number) => ownership.labelAt(devices[device]!.uuid, tsUs);
        const { body, rows: encoded, ticks } = encoder.encode(ring, { from, to }, labelOf, BATCH_BYTES_MAX);
        bodies.push(body);
        rows += encoded;
        return ticks;
      });
      ring.release(range.to);
    },
  };
}

/** Whether a device answered this tick later than `us`. */
function isAfter(lane: FleetLane, places: readonly number[], tick: number, us: number): boolean {
  return lane.rows.some(
    (own, device) => own.tick[places[device]!] === tick && own.tsUs[places[device]!]! > us,
  );
}

function setRow(
  ring: Ring,
  device: number,
  { tick: ticks, tsUs, values }: FleetLane['rows'][number],
  places: number[],
  tick: number,
): void {
  const row = places[device]!;
  if (ticks[row] !== tick) return;
  ring.setRow(device, tsUs[row]!);
  for (const [column, cells] of [...values.values()].entries()) ring.set(device, column, cells[row]!);
  places[device] = row + 1;
}
