import type { CarriedError } from '../core/base/carried-error.ts';
import { OperatingError, type ExitName } from '../core/base/errors.ts';
import type { Lane } from '../core/fields/lane.ts';
import type { Tell } from '../core/base/notice.ts';
import type { DeadLetters } from '../disk/dead-letter.ts';
import type { DrainSettings } from './engine.ts';
import type { EngineTask } from './engines.ts';
import type { EngineReport } from './report.ts';
import { drainByProcesses, type EngineOutcome } from './pool.ts';
import type { WarmSlots } from './slot.ts';
import { createDrainStore } from './store.ts';
import { areTablesReady } from '../questdb/schema/ready.ts';
import type { QuestDb } from '../questdb/http.ts';
import type { Retention } from '../../schemas/tables.ts';

/** One invocation. */
export interface DrainOptions {
  readonly tasks: readonly EngineTask[];
  readonly settings: DrainSettings;
  readonly retention: Retention;
  readonly db: QuestDb;
  readonly deadlineMs: number;
  readonly concurrency: number;
  readonly warm?: WarmSlots;
  /** Receives the rows that the server refuses. */
  readonly deadLetters: DeadLetters;
  readonly tell: Tell;
}

interface EngineFailure {
  readonly engine: string;
  readonly node: string;
  readonly code: string;
  readonly message: string;
  readonly hints: readonly string[];
}

/** What came of it; the same object is printed by `--json` and returned by the handler. */
export interface DrainSummary {
  readonly isDryRun: boolean;
  readonly engines: { readonly asked: number; readonly drained: number; readonly failed: number };
  readonly rows: number;
  readonly refusedRows: number;
  /** Values that could not be true and became NULL; `gpu_events` has the first of each series. */
  readonly implausibleValues: number;
  readonly gaps: { readonly count: number; readonly seconds: number };
  /** Of the device that is furthest behind in the fastest lane; null without any row. */
  readonly lagSeconds: number | null;
  /** Where the next drain of that device goes on, ISO time; null without any row. */
  readonly nextWatermark: string | null;
  readonly seconds: number;
  readonly reports: readonly EngineReport[];
  readonly failures: readonly EngineFailure[];
  /** Sentences: clocks that differ, keep ages that are too short, … */
  readonly warnings: readonly string[];
  /** Which exit code says it to a script. */
  readonly exit: ExitName;
}

/** Clocks that differ by more than this are an alarm: labels go by the engine's stamps and the node's job records. */
const CLOCK_ALARM_US = 1_000_000;
const LANE_INTERVALS_KEPT = 3;

/**
 * Fetches what every engine kept since its watermark, writes it, and tells what came of it. Never throws for what one
 * engine does.
 * @throws OperatingError when the store is down or refuses us (nothing is lost while the engines keep it), or when the
 * settings can never work
 */
export async function drain(options: DrainOptions): Promise<DrainSummary> {
  const { settings, db, tell } = options;
  checkKeepAge(settings.lanes, settings.keepMs);
  const startMs = performance.now();
  let storeError: unknown;
  const ready = prepareStore(options);
  ready.catch((thrown: unknown) => {
    storeError = thrown;
  });
  const deadlineMs = startMs + options.deadlineMs;
  const { deadLetters } = options;
  const store = createDrainStore({ db, lanes: settings.lanes, ready, deadlineMs, deadLetters, tell });
  const outcomes = await drainByProcesses(options.tasks, settings, {
    concurrency: options.concurrency,
    deadlineMs,
    store,
    ...(options.warm === undefined ? {} : { warm: options.warm }),
  });
  await store.writeStats();
  // The engines were asked all the same, so that their watches stand and go on sampling.
  if (storeError !== undefined) throw storeIsDown(storeError, settings.keepMs);
  await store.writeFigures();
  const explained = await Promise.all(outcomes.map(explain));
  return summaryOf(options, explained, (performance.now() - startMs) / 1000);
}

async function prepareStore({ db, settings, retention }: DrainOptions): Promise<void> {
  if (settings.isDryRun) {
    await db.checkServer();
    return;
  }
  if (await areTablesReady(db, settings.lanes, retention)) return;
  const { applySchema } = await import('../questdb/schema/apply.ts');
  await applySchema(db, settings.lanes, retention);
}

/** libdcgm has one status for everything that can be wrong with an address. */
async function explain(outcome: EngineOutcome): Promise<EngineOutcome> {
  if (outcome.kind === 'drained' || outcome.error.code !== 'dcgm.connection_not_valid') return outcome;
  const { diagnoseEngine } = await import('../source/dcgm/engine-diagnosis.ts');
  const why = await diagnoseEngine(outcome.task.engine);
  return { ...outcome, error: { ...outcome.error, message: `no host engine: ${why}` } };
}

/** @throws OperatingError when a slow lane could never be drained whole. */
function checkKeepAge(lanes: readonly Lane[], keepMs: number): void {
  const slowest = lanes.reduce((a, b) => (b.intervalMs > a.intervalMs ? b : a));
  const neededMs = LANE_INTERVALS_KEPT * slowest.intervalMs;
  if (keepMs >= neededMs) return;
  throw new OperatingError(
    `--keep ${keepMs / 1000}s is too short for lane "${slowest.name}", which samples every ${slowest.intervalMs / 1000} s`,
    { code: 'drain.keep', exit: 'config', hints: [`write at least --keep ${neededMs / 1000}s`] },
  );
}

function storeIsDown(thrown: unknown, keepMs: number): unknown {
  if (!(thrown instanceof OperatingError) || thrown.exit !== 'temporary') return thrown;
  const until = new Date(Date.now() + keepMs).toISOString().slice(0, 19).replace('T', ' ');
  const { message, code, exit, where, hints } = thrown;
  return new OperatingError(message, {
    code,
    exit,
    hints: [
      ...hints,
      `nothing is lost yet: what the engines sample now they keep until ${until} UTC (--keep ${keepMs / 1000}s)`,
    ],
    cause: thrown,
    ...(where === undefined ? {} : { where }),
  });
}

function summaryOf(options: DrainOptions, outcomes: readonly EngineOutcome[], seconds: number): DrainSummary {
  const reports = outcomes.flatMap((outcome) => (outcome.kind === 'drained' ? [outcome.report] : []));
  const failed = outcomes.flatMap((outcome) => (outcome.kind === 'failed' ? [outcome] : []));
  const lanes = reports.flatMap((report) => report.lanes);
  const sum = (of: (lane: (typeof lanes)[number]) => number): number =>
    lanes.reduce((total, lane) => total + of(lane), 0);
  const fastest = options.settings.lanes.reduce((a, b) => (b.intervalMs < a.intervalMs ? b : a)).name;
  const lags = lanes.filter(({ lane }) => lane === fastest).flatMap((lane) => lane.lagSeconds ?? []);
  const marks = lanes.filter(({ lane }) => lane === fastest).flatMap((lane) => lane.watermarkUs ?? []);
  return {
    isDryRun: options.settings.isDryRun,
    engines: { asked: outcomes.length, drained: reports.length, failed: failed.length },
    rows: sum(({ rows }) => rows),
    refusedRows: sum(({ refusedRows }) => refusedRows),
    implausibleValues: sum(({ implausibleValues }) => implausibleValues),
    gaps: { count: sum(({ gaps }) => gaps), seconds: sum(({ gapSeconds }) => gapSeconds) },
    lagSeconds: lags.length === 0 ? null : Math.max(...lags),
    nextWatermark: marks.length === 0 ? null : new Date(Math.min(...marks) / 1000).toISOString(),
    seconds,
    reports,
    failures: failed.map(({ task, error }) => ({
      ...task,
      code: error.code,
      // Of a defect, where it is.
      message: error.stack ?? error.message,
      hints: error.hints ?? [],
    })),
    warnings: [...reports.flatMap((report) => warningsOf(report, options.settings))],
    exit: exitOf(
      failed.map(({ error }) => error),
      sum(({ refusedRows }) => refusedRows),
    ),
  };
}

function warningsOf(report: EngineReport, { keepMs }: DrainSettings): string[] {
  const warnings = report.warnings.map((text) => `${report.engine}: ${text}`);
  if (Math.abs(report.clockOffsetUs) > CLOCK_ALARM_US) {
    const seconds = (report.clockOffsetUs / 1e6).toFixed(1);
    warnings.push(
      `${report.engine}: its clock is ${seconds} s off ours: set both by NTP, or jobs get the wrong samples`,
    );
  }
  const longestGap = Math.max(0, ...report.lanes.map((lane) => lane.gapSeconds / Math.max(1, lane.gaps)));
  if (longestGap * 1000 > keepMs) {
    const minutes = Math.ceil((2 * longestGap) / 60);
    warnings.push(
      `${report.engine}: samples were lost: it keeps ${keepMs / 1000} s and was not drained for ${longestGap.toFixed(0)} s longer: drain more often, or --keep ${minutes}m`,
    );
  }
  return warnings;
}

/**
 * A failure that passes by itself outweighs one that does not: the rest is worth another try. Rows that the store refuses
 * are dead letters, which somebody has to look at.
 */
function exitOf(errors: readonly CarriedError[], refusedRows: number): ExitName {
  const exits = errors.map(({ exit }) => exit ?? 'software');
  if (exits.includes('temporary')) return 'temporary';
  return exits[0] ?? (refusedRows > 0 ? 'data' : 'ok');
}
