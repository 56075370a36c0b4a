import { messageOf, OperatingError } from '../core/base/errors.ts';
import type { Lane } from '../core/fields/lane.ts';
import type { Tell } from '../core/base/notice.ts';
import type { OwnershipChange } from '../core/jobs/interval.ts';
import { useQuestionOf } from '../core/jobs/device-parts.ts';
import { REMEMBERED_US, type RelabelWindow } from '../core/jobs/relabel.ts';
import { gaugeReadings, storedLanes } from '../figures/gauge-lanes.ts';
import { EVERY_IDLE_LIMIT } from '../figures/idle-limits.ts';
import type { GaugeKey, LaneGauges } from '../figures/gauges.ts';
import { readLabel } from '../figures/job/rows/job-rows.ts';
import { jobSamples } from '../figures/job/rows/job-segments.ts';
import { emptySums, sumJob, type SampleSums } from '../figures/job/rows/scan.ts';
import { jobSources } from '../figures/job/rows/summed-job.ts';
import {
  deviceRunsOf,
  figuresKeyOf,
  readOwnedIntervals,
  readStamps,
  stampOf,
  type DeviceRun,
} from '../questdb/reads/owned-device-runs.ts';
import { readSampleTable } from '../questdb/reads/sample-table.ts';
import { readSharedUse } from '../questdb/reads/shared-use.ts';
import type { QuestDb } from '../questdb/http.ts';
import { waitForVisible } from '../questdb/visible.ts';
import { createRowBuffer, type RowBuffer } from '../questdb/rows/row-buffer.ts';
import { createRunConcluder } from './conclude-runs.ts';
import { encodeConclusions, encodeOrigins, type Concluded } from './encode-conclusions.ts';
import { idleColumnsOf } from '../../schemas/idle-columns.ts';
import { keptColumns, quoteText } from '../../schemas/tables.ts';

/** The rows of `job_figures`: what the samples say of each job run and device, written when it can be taken as settled. */
export interface JobFiguresWriter {
  /** Looks again at these devices. @param atUs when the change was told, epoch µs. */
  readonly note: (changes: readonly OwnershipChange[], atUs: number) => void;
  /** The samples of these devices were labelled again, however old: figures of ended runs in that time are written again. */
  readonly renew: (windows: readonly RelabelWindow[], atUs: number) => void;
  /** How many pieces of old time are to be looked at. */
  readonly piecesLeft: number;
  /**
   * Writes the figures of runs that ended `JOB_FIGURES_SETTLE_US` ago and have none that fit their ownership.
   * @param untilUs facts told up to then, and the samples they label, are in the store. What was told later waits.
   */
  settle(untilUs: number): Promise<void>;
}

export interface JobFiguresWriterOptions {
  readonly db: QuestDb;
  readonly lanes: readonly Lane[];
  /** Devices of this node: those of the others have their own writer. */
  readonly gpus: readonly string[];
  readonly nowUs: () => number;
  readonly tell: Tell;
}

/** Facts mostly come within seconds, an accounting database's within minutes; later ones write the figures again. */
export const JOB_FIGURES_SETTLE_US = 10 * 60 * 1e6;

/** Runs of one round: after a start a day of short jobs may wait, and other nodes want to be answered too. */
const RUNS_PER_ROUND_MAX = 50;
/** So much old time of a device is looked at together. */
const RENEWED_US_MAX = 24 * 3600 * 1e6;

/** A run is written again for the piece of time in which it ended, else for the last one of its window. */
interface Piece extends RelabelWindow {
  readonly isLast: boolean;
  readonly atUs: number;
}

export function createJobFiguresWriter(options: JobFiguresWriterOptions): JobFiguresWriter {
  const { db, lanes, nowUs, tell } = options;
  /** Devices to look at, and when they were last told of. A former life may have ended before its jobs had settled. */
  const pending = new Map(options.gpus.map((gpu) => [gpu, 0]));

  const concluder = createRunConcluder({ db, lanes, nowUs, tell });
  let pieces: Piece[] = [];

  /** Where what was sampled of these devices is read, also from lanes of former configurations. */
  async function readingsIn(
    { startUs, endUs }: { readonly startUs: number; readonly endUs: number },
    devices: readonly { readonly gpu: string }[],
  ): Promise<LaneGauges[]> {
    const span = { fromUs: startUs + 1, toUs: endUs + 1 };
    const gpus = [...new Set(devices.map(({ gpu }) => gpu))];
    return await gaugeReadings(db, await storedLanes(db, lanes, span), span, { gpus });
  }

  async function writeRun(runs: readonly DeviceRun[]): Promise<boolean> {
    const sums = await sumsOf(db, await readingsIn(timeOf(runs), runs), runs);
    const concluded = await concluder.conclude(runs);
    const buffer = createRowBuffer('job_figures');
    for (const run of runs)
      encodeRun(buffer, run, { sums: sums.get(run.gpu) ?? emptySums(), concluded, writtenUs: nowUs() });
    const batch = { table: 'job_figures', body: buffer.bytes(), rows: runs.length };
    const { unsent } = await db.send(batch);
    if (unsent === undefined) return true;
    tell({
      level: 'warn',
      code: 'job_figures.held',
      sentence: `figures of job ${runs[0]!.jobId} wait: ${unsent.reason}`,
    });
    return false;
  }

  /** Acknowledged rows are seen by queries a moment later only. */
  async function waitForAll(): Promise<void> {
    const samples = lanes.map(({ table }) => table);
    for (const table of ['gpu_ownership', 'gpu_shared_use', 'job_figures', ...samples])
      await waitForVisible(db, table);
  }

  /** @returns devices that are not done with. */
  async function settleDevices(gpus: readonly string[]): Promise<ReadonlySet<string>> {
    await waitForAll();
    const now = nowUs();
    const hasEnded = ({ endUs }: DeviceRun): boolean => endUs > now - REMEMBERED_US && endUs < Infinity;
    const intervals = await readOwnedIntervals(db, gpus, now - REMEMBERED_US);
    const question = useQuestionOf(intervals);
    const uses = question === undefined ? [] : await readSharedUse(db, question);
    const ended = deviceRunsOf(intervals, uses).map((runs) => runs.filter(hasEnded));
    const isSettled = ({ endUs }: DeviceRun): boolean => endUs <= now - JOB_FIGURES_SETTLE_US;
    const unsettled = new Set(
      ended
        .flat()
        .filter((run) => !isSettled(run))
        .map(({ gpu }) => gpu),
    );
    const stamps = await readStamps(db, ended.flat());
    const isDue = (run: DeviceRun): boolean => {
      const stamp = stamps.get(figuresKeyOf(run));
      // A start that was taken back before anything was written of it leaves nothing behind.
      if (stamp === undefined) return run.ownedUs > 0;
      const isOpen = !stamp.isConcluded && run.ownedUs > 0 && !concluder.isRefused(run);
      return stamp.text !== stampOf(run) || isOpen;
    };
    const due = ended
      .map((runs) => runs.filter((run) => isSettled(run) && isDue(run)))
      .filter((runs) => runs.length > 0);
    for (const [index, runs] of due.entries()) {
      if (index < RUNS_PER_ROUND_MAX && (await writeRun(runs))) continue;
      for (const { gpu } of runs) unsettled.add(gpu);
    }
    return unsettled;
  }

  async function settleTold(untilUs: number): Promise<void> {
    const told = [...pending].filter(([, atUs]) => atUs <= untilUs);
    if (told.length === 0) return;
    const unsettled = await settleDevices(told.map(([gpu]) => gpu));
    for (const [gpu, atUs] of told) if (!unsettled.has(gpu) && pending.get(gpu) === atUs) pending.delete(gpu);
  }

  /** Runs of a piece of old time whose figures have to be written again, and can be. */
  async function runsToRenew(piece: Piece): Promise<readonly (readonly DeviceRun[])[]> {
    await waitForAll();
    const { gpu, fromUs } = piece;
    const [primary] = await readingsIn({ startUs: fromUs, endUs: piece.toUs }, [piece]);
    if (primary === undefined) return [];
    const intervals = await readOwnedIntervals(db, [gpu], fromUs, await lastEndUs(db, piece));
    const question = useQuestionOf(intervals);
    const uses = question === undefined ? [] : await readSharedUse(db, question);
    const isOfPiece = (run: DeviceRun): boolean =>
      run.endUs > fromUs && run.startUs < piece.toUs && (run.endUs <= piece.toUs || piece.isLast);
    const isSettled = ({ endUs }: DeviceRun): boolean => endUs <= nowUs() - JOB_FIGURES_SETTLE_US;
    const runs = deviceRunsOf(intervals, uses).map((some) =>
      some.filter((run) => isOfPiece(run) && isSettled(run)),
    );
    const stamps = await readStamps(db, runs.flat());
    const { oldestUs } = await readSampleTable(db, primary.lane.table);
    // What was written when there were more samples says more than what is left of them.
    const isDue = (run: DeviceRun): boolean =>
      stamps.has(figuresKeyOf(run)) ? run.startUs >= oldestUs : run.ownedUs > 0;
    return runs.map((some) => some.filter(isDue)).filter((some) => some.length > 0);
  }

  async function renewOlder(untilUs: number): Promise<void> {
    let written = 0;
    while (written < RUNS_PER_ROUND_MAX) {
      const piece = pieces.find(({ atUs }) => atUs <= untilUs);
      if (piece === undefined) return;
      for (const runs of await runsToRenew(piece)) {
        if (!(await writeRun(runs))) return;
        written += 1;
      }
      pieces = pieces.filter((one) => one !== piece);
    }
  }

  return {
    get piecesLeft() {
      return pieces.length;
    },
    renew(windows, atUs) {
      for (const { gpu, fromUs, toUs } of windows)
        for (let at = fromUs; at < toUs; at += RENEWED_US_MAX)
          pieces.push({
            gpu,
            fromUs: at,
            toUs: Math.min(toUs, at + RENEWED_US_MAX),
            atUs,
            isLast: at + RENEWED_US_MAX >= toUs,
          });
    },
    note(changes, atUs) {
      for (const { interval } of changes) pending.set(interval.gpu, atUs);
    },
    async settle(untilUs) {
      try {
        await settleTold(untilUs);
        await renewOlder(untilUs);
      } catch (thrown) {
        if (!(thrown instanceof OperatingError)) throw thrown;
        const sentence = `figures of ended jobs wait for the store: ${messageOf(thrown)}`;
        tell({ level: 'warn', code: 'job_figures.held', sentence });
      }
    },
  };
}

/** By device: of the samples that bear the label of the run, as reports divide them. */
async function sumsOf(
  db: QuestDb,
  lanes: readonly LaneGauges[],
  runs: readonly DeviceRun[],
): Promise<ReadonlyMap<string, SampleSums>> {
  const stays = runs.flatMap(({ spans }) => spans);
  const time = timeOf(runs);
  const label = await readLabel(db, runs[0]!.jobId, { ...time, intervals: runs });
  const job = { label, stays, foreign: [], sampleCount: Infinity };
  const sources = await jobSources(db, lanes, EVERY_IDLE_LIMIT);
  return (await sumJob(db, sources, job, ({ kept }) => jobSamples(kept, job, time))).devices;
}

/** From the first start to the last end. */
function timeOf(runs: readonly DeviceRun[]): { startUs: number; endUs: number } {
  return {
    startUs: Math.min(...runs.map(({ startUs }) => startUs)),
    endUs: Math.max(...runs.map(({ endUs }) => endUs)),
  };
}

/** When the last stay ended that touches a piece; its end, where none did later. */
async function lastEndUs(db: QuestDb, { gpu, fromUs, toUs, isLast }: Piece): Promise<number> {
  if (!isLast) return toUs;
  const { rows } = await db.exec(
    `SELECT cast(max(end_ts) AS LONG) FROM gpu_ownership WHERE gpu = ${quoteText(gpu)}` +
      ` AND ts < cast(${Math.floor(toUs)} AS TIMESTAMP) AND end_ts > cast(${Math.floor(fromUs)} AS TIMESTAMP)`,
  );
  return Math.max(toUs, Number(rows[0]?.[0] ?? toUs));
}

interface RunFigures {
  readonly sums: SampleSums;
  readonly concluded: Concluded | undefined;
  readonly writtenUs: number;
}

function encodeRun(buffer: RowBuffer, run: DeviceRun, { sums, concluded, writtenUs }: RunFigures): void {
  buffer.row().symbol('cluster', run.cluster).symbol('node', run.node).symbol('gpu', run.gpu);
  encodeOrigins(buffer, concluded);
  buffer
    .time('end_ts', run.endUs)
    .text('job_id', run.jobId)
    .long('run', run.run)
    .double('share', run.share)
    .long('owned_us', run.ownedUs)
    .long('shared_us', run.sharedUs)
    .long('samples', sums.samples)
    .long('step_count', sums.steps)
    .long('dt_us', sums.sampledUs)
    .double('attributed_us', sums.attributedUs);
  for (const [key, gauge] of sums.gauges) encodeGauge(buffer, key, gauge);
  buffer
    .double('energy_rise_joules', sums.counterJoules)
    .long('energy_rise_dt_us', sums.counterDtUs)
    .double('power_joules', sums.powerJoules)
    .time('written_ts', writtenUs);
  for (const [limit, idle] of sums.idleBy) {
    const columns = idleColumnsOf(limit);
    buffer.double(columns.idleDt, idle.us).time(columns.lastActive, idle.lastActiveUs);
  }
  encodeConclusions(buffer, run.gpu, concluded);
  buffer.at(run.startUs);
}

function encodeGauge(
  buffer: RowBuffer,
  key: GaugeKey,
  gauge: { readonly sum: number; readonly knownUs: number; readonly max: number },
): void {
  const columns = keptColumns(key);
  buffer.double(columns.sum, gauge.sum).long(columns.knownUs, gauge.knownUs).double(columns.max, gauge.max);
}
