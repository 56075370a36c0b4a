import type { LaneDisk } from '../delivery/delivery-place.ts';
import { journalPath } from '../delivery/delivery-place.ts';
import type { Ring } from '../core/ring/ring.ts';
import { continueRing } from '../core/ring/ring-continuation.ts';
import type { RowBefore } from '../core/ring/row-carry.ts';
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

/** Sampling whose place another takes. */
export interface FormerSampling {
  readonly intake: Intake;
  /** The next one may claim it once this one has retired; undefined: it has none. */
  readonly stateDir?: string;
  /** Ends everything but the intake. */
  retire(): Promise<void>;
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
  const opened = early ?? (await start(resumedAfter(source, rowsAfter(former, lanes))));
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

/** Where the rows of the former sampling ended, of the lanes that go on. */
function rowsAfter({ lanes, sampler }: Intake, next: readonly Lane[]): ReadonlyMap<string, RowBefore>[] {
  return next.map((lane) => {
    const ring = ringOf({ lanes, sampler }, lane);
    if (ring === undefined) return new Map();
    const rows = sampler.devices.map(({ uuid }, device) => [uuid, ring.carry.before(device)] as const);
    return new Map(rows.filter(([, { tsUs }]) => !Number.isNaN(tsUs)));
  });
}

/** An engine that keeps its samples is asked for those after the last rows. @param before of each lane, by device UUID */
export function resumedAfter(
  source: SourceSpec,
  before: readonly ReadonlyMap<string, Pick<RowBefore, 'tsUs'>>[],
): SourceSpec {
  if (!isOfEngine(source)) return source;
  const resumeFromUs = before.map(
    (rows) => new Map([...rows].flatMap(([gpu, { tsUs }]) => (Number.isNaN(tsUs) ? [] : [[gpu, tsUs]]))),
  );
  return resumeFromUs.every(({ size }) => size === 0) ? source : { ...source, resumeFromUs };
}

/** Whether samples come from an engine that keeps them. */
export function isOfEngine(source: SourceSpec): source is Extract<SourceSpec, { name: 'dcgm' }> {
  return source.name === 'dcgm' && (source.engine ?? 'embedded') !== 'embedded';
}

function ringOf({ lanes, sampler }: Pick<Intake, 'lanes' | 'sampler'>, { table }: Lane): Ring | undefined {
  return sampler.rings[lanes.findIndex((lane) => lane.table === table)];
}

/** Equal for two configurations between which a source need not be opened again. */
function signatureOf({ source, lanes }: Pick<NextIntake, 'source' | 'lanes'>): string {
  const isEmbedded = source.name === 'dcgm' && !isOfEngine(source);
  const passing = new Set([
    'startUs',
    'resumeFromUs',
    'capacityTicks',
    ...(isEmbedded ? ['flushIntervalMs'] : []),
  ]);
  return JSON.stringify({ source, lanes }, (key, value: unknown) => (passing.has(key) ? undefined : value));
}
