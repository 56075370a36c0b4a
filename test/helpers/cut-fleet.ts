import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../src/questdb/visible.ts';
import { insertRows, type Row } from './insert-rows.ts';

/** What a device has at one tick. */
export interface FleetRow {
  readonly jobId?: string;
  /** Undefined of a GPU that is cut. */
  readonly owners: number | undefined;
  readonly ownerSet?: number;
  readonly sm?: number;
  readonly watts?: number;
  /** Energy of the step. */
  readonly joules?: number;
}

export interface FleetDevice {
  readonly uuid: string;
  readonly model: string;
  readonly parent?: string;
  readonly profile?: string;
  /** @returns undefined where it has no row. @param tick from 1 on */
  readonly at: (tick: number) => FleetRow | undefined;
}

export interface CutFleet {
  readonly lane: Lane;
  readonly node: string;
  readonly startUs: number;
  readonly ticks: number;
  readonly devices: readonly FleetDevice[];
  readonly sets: readonly {
    readonly ownerSet: number;
    readonly gpu: string;
    readonly jobId: string;
    readonly part: number;
  }[];
}

/** A lane with SM activity, power and the energy counter. */
export function cutLane(name: string, intervalMs: number): Lane {
  const fields = [1002, 155, 156].map((id) => findField(id)!);
  return { name, table: `gpu_${name}`, schedule: 'continuous', intervalMs, fields, capacityTicks: 100 };
}

/** Tick `n` is at `startUs` + n steps. */
export function tickUs({ startUs, lane }: CutFleet, tick: number): number {
  return startUs + tick * lane.intervalMs * 1000;
}

/** Writes a fleet's samples, inventory and owner sets as collectors would, and waits for the rollups. */
export async function loadCutFleet(db: QuestDb, fleet: CutFleet): Promise<void> {
  const { lane, node, startUs, ticks, devices, sets } = fleet;
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const dtUs = lane.intervalMs * 1000;
  const samples = Array.from({ length: ticks }, (_, index) => index + 1).flatMap((tick) =>
    devices.flatMap(({ uuid, at }): Row[] => {
      const row = at(tick);
      if (row === undefined) return [];
      return [
        {
          ts: tickUs(fleet, tick),
          node,
          gpu: uuid,
          job_id: row.jobId,
          owners: row.owners,
          owner_set: row.ownerSet,
          dt_us: dtUs,
          sm_active_ratio: row.sm,
          power_watts: row.watts,
          energy_joules: row.joules === undefined ? undefined : 1e6 + tick,
          energy_rise_joules: row.joules,
          energy_rise_dt_us: row.joules === undefined ? undefined : dtUs,
        },
      ];
    }),
  );
  const told = { ts: startUs, node };
  const listed = devices.map(({ uuid, parent, profile, model }): Row => ({
    ...told,
    gpu: uuid,
    parent,
    mig_profile: profile,
    model,
    source: 'test',
  }));
  const members = sets.map(({ ownerSet, gpu, jobId, part }): Row => ({
    ts: startUs,
    gpu,
    owner_set: ownerSet,
    job_id: jobId,
    share: part,
    part,
    sharing: 'stated',
    scaled: 0,
  }));
  await insertRows(db, lane.table, samples);
  await insertRows(db, 'gpu_inventory', listed);
  if (members.length > 0) await insertRows(db, 'gpu_owner_sets', members);
  await waitForRollups(db, [lane], tickUs(fleet, ticks));
}
