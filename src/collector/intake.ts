import type { LaneDisk } from '../delivery/delivery-place.ts';
import { journalPath } from '../delivery/delivery-place.ts';
import type { Ring } from '../core/ring/ring.ts';
import { continueRing, lastTickUs } from '../core/ring/ring-continuation.ts';
import type { Lane } from '../core/fields/lane.ts';
import type { SourceSpec } from '../source/open-source.ts';
import type { LaneOrder } from '../sampler/sampler-protocol.ts';
import { startSampler, stopSampler, type Sampler } from '../sampler/sampler.ts';

/**
 * Sampling that goes on while one collector takes the place of another. Rings and their journals belong to one
 * collector only: the next one has others, which are filled from one tick to the next.
 *
 *   rings of the former   … ─ tick ─ tick │                      what they hold the former writes or spools
 *   rings of the next                     │ tick ─ tick ─ …      filled before the next collector is open
 */
export interface Intake {
  readonly sampler: Sampler;
  readonly lanes: readonly Lane[];
  readonly source: SourceSpec;
  /** Names the ring journals of these rings. */
  readonly life: number;
}

export interface NextIntake {
  readonly lanes: readonly Lane[];
  readonly source: SourceSpec;
  /** Where the next collector keeps what the store does not take. */
  readonly disk: Pick<LaneDisk, 'directory' | 'hasJournal'>;
  readonly nowMs: number;
  /** A tick that is under way has this long to end; a native call can hang for a minute. */
  readonly patienceMs: number;
}

/** @param journal of the ring; undefined when it is off */
export function orderOf(
  lane: Lane,
  journal: { readonly id: number; readonly path: string } | undefined,
): LaneOrder {
  return {
    name: lane.name,
    intervalMs: lane.intervalMs,
    isContinuous: lane.schedule === 'continuous',
    fieldIds: lane.fields.map((field) => field.id),
    capacityTicks: lane.capacityTicks,
    ...(journal === undefined ? {} : { journal: { ...journal, table: lane.table } }),
  };
}

/**
 * Sampling for the collector that comes after this one. With the same source and lanes it does not pause at all; otherwise
 * the next source is opened while the former one still ticks. libdcgm alone serves one source in a process at a time.
 * @throws OperatingError when there is none: with the former sampler still at work, unless both are of DCGM and differ
 */
export async function intakeAfter(former: Intake, next: NextIntake): Promise<Intake> {
  const life = Math.max(Math.floor(next.nowMs), former.life + 1);
  const orders = next.lanes.map((lane) =>
    orderOf(
      lane,
      next.disk.hasJournal ? { id: life, path: journalPath(next.disk, lane.table, life) } : undefined,
    ),
  );
  const { lanes, source } = next;
  if (signatureOf(former) === signatureOf(next)) {
    const sampler = await former.sampler.exchangeRings(orders, next.patienceMs);
    sampler.listen(undefined);
    return { sampler, lanes, source, life };
  }
  const start = async (spec: SourceSpec): Promise<Intake> => {
    const sampler = await startSampler(spec, orders, { kind: 'real' }, undefined, { doesWait: true });
    return { sampler, lanes, source, life };
  };
  const isOneAtATime = former.source.name === 'dcgm' && source.name === 'dcgm';
  const early = isOneAtATime ? undefined : await start(source);
  await stopSampler(former.sampler, next.patienceMs);
  const opened = early ?? (await start(resumedAfter(former, next)));
  beginAfter(former, opened);
  return opened;
}

/** Lets the next one tick at once. Devices and lanes that stay keep their dt. */
function beginAfter(former: Intake, next: Intake): void {
  const { devices } = former.sampler;
  const deviceInFormer = next.sampler.devices.map(({ uuid }) =>
    devices.findIndex((each) => each.uuid === uuid),
  );
  for (const [index, lane] of next.lanes.entries()) {
    const ring = ringOf(former, lane);
    if (ring !== undefined) continueRing(next.sampler.rings[index]!, ring, deviceInFormer);
  }
  next.sampler.control.begin();
}

/** An engine that keeps its samples is asked for those after the last tick, which the store need not have yet. */
function resumedAfter(former: Intake, { source, lanes }: NextIntake): SourceSpec {
  if (source.name !== 'dcgm' || source.resumeFromUs === undefined) return source;
  const stored = source.resumeFromUs;
  const resumeFromUs = lanes.map((lane, index) => {
    const ring = ringOf(former, lane);
    const lastUs = ring === undefined ? NaN : lastTickUs(ring);
    return Number.isNaN(lastUs) ? (stored[index] ?? null) : lastUs;
  });
  return { ...source, resumeFromUs };
}

function ringOf({ lanes, sampler }: Intake, { table }: Lane): Ring | undefined {
  return sampler.rings[lanes.findIndex((lane) => lane.table === table)];
}

/** Equal for two configurations between which a source need not be opened again. */
function signatureOf({ source, lanes }: Pick<NextIntake, 'source' | 'lanes'>): string {
  const isEmbedded = source.name === 'dcgm' && (source.engine ?? 'embedded') === 'embedded';
  const passing = new Set([
    'startUs',
    'resumeFromUs',
    'capacityTicks',
    ...(isEmbedded ? ['flushIntervalMs'] : []),
  ]);
  return JSON.stringify({ source, lanes }, (key, value: unknown) => (passing.has(key) ? undefined : value));
}
