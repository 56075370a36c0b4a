import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { orderOf } from '../../collector/intake.ts';
import { onceMs, tickedAtStart } from '../../collector/one-tick.ts';
import type { Config } from '../../config/config.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { fileError } from '../../core/base/file-fault.ts';
import type { Device } from '../../core/devices/device.ts';
import type { Lane } from '../../core/fields/lane.ts';
import type { GpuEvent } from '../../core/sampling/event.ts';
import { startSampler, stopSampler, type Sampler } from '../../sampler/sampler.ts';
import type { SourceSpec } from '../../source/open-source.ts';
import { sourceSpecOf } from '../../source/source-spec.ts';
import { proofJobId } from './proof-tables.ts';

/** One tick of every lane, with a test record of a job that the hook wrote before it. Nothing of it is anywhere else. */
export interface Trial {
  readonly lanes: readonly Lane[];
  /** Its rings hold the tick. */
  readonly sampler: Sampler;
  readonly events: readonly GpuEvent[];
  /** Of the job that the record is about. */
  readonly jobId: string;
  /** Device of that job. */
  readonly device: Device;
  /** A journal of its own with that record: a collector that runs here shall not hear of it. Why there is none, where none can be made. */
  readonly journalDir: string | OperatingError;
  remove(): void;
}

/** What a tick may take beyond its time. */
const OVERDUE_MS = 5_000;
/** The hook ends itself within a second. */
const HOOK_MS_MAX = 5_000;
const RUNS_FOR_S = 60;

/**
 * @param hook that writes the record; undefined: there is none, and the journal stays empty
 * @throws OperatingError when the source cannot be opened or does not answer
 */
export async function openTrial(config: Config, hook: string | undefined): Promise<Trial> {
  const lanes = config.lanes.map(tickedAtStart);
  const events: GpuEvent[] = [];
  const sampler = await startSampler(
    lookingOnly(sourceSpecOf(config)),
    lanes.map((lane) => orderOf(lane, undefined)),
    { kind: 'real', forMs: onceMs(lanes) },
    {
      onEvent: (event) => void events.push(event),
      onMissed: () => undefined,
      onJournalFailed: () => undefined,
    },
    { doesWait: true },
  );
  const journalDir = makeJournal();
  const remove = (): void => {
    if (typeof journalDir === 'string') rmSync(journalDir, { recursive: true, force: true });
  };
  try {
    const jobId = proofJobId(process.pid);
    const device = sampler.devices.find(({ isCut }) => isCut !== true) ?? sampler.devices[0]!;
    if (hook !== undefined && typeof journalDir === 'string')
      recordStart(hook, { jobId, device, journalDir });
    sampler.control.begin();
    const isOver = await Promise.race([sampler.ended.then(() => true), overdue(onceMs(lanes))]);
    if (!isOver) {
      await stopSampler(sampler, 0);
      throw silentSource(sampler);
    }
    return { lanes, sampler, events, jobId, device, journalDir, remove };
  } catch (thrown) {
    remove();
    throw thrown;
  }
}

/** TMPDIR is the matter of whoever calls, and no fault of the node. */
function makeJournal(): string | OperatingError {
  const above = tmpdir();
  try {
    return mkdtempSync(join(above, 'gpuledger-doctor-'));
  } catch (thrown) {
    return fileError('a directory for the record of the proof cannot be made', thrown, {
      ...{ code: 'file.unusable', exit: 'temporary', where: above },
      hints: ['name another directory: TMPDIR=/tmp gpuledger doctor --node'],
    });
  }
}

/** Touches no watch of a collector that runs on the same engine, leaves none, and pauses nothing. */
function lookingOnly(source: SourceSpec): SourceSpec {
  if (source.name !== 'dcgm' && source.name !== 'nvml') return source;
  const rest = { ...source };
  Reflect.deleteProperty(rest, 'pauseDir');
  return rest.name === 'dcgm' ? { ...rest, isTransient: true } : rest;
}

/**
 * As schedulers other than Slurm call it: by words alone, and with an empty environment. It exits with 0 whatever happens. The
 * record is dated back, as of a job that runs for a minute: an engine stamps a first sample when it is opened.
 */
function recordStart(
  hook: string,
  { jobId, device, journalDir }: Pick<Trial, 'jobId' | 'device'> & { readonly journalDir: string },
): void {
  const words = ['manager=doctor', `job=${jobId}`, `node=${device.node}`, `devices=${device.uuid}`];
  spawnSync('/bin/sh', [hook, 'start', ...words, `journal_dir=${journalDir}`], {
    env: {},
    stdio: 'ignore',
    timeout: HOOK_MS_MAX,
  });
  const beganS = Date.now() / 1000 - RUNS_FOR_S;
  for (const name of readdirSync(journalDir)) utimesSync(join(journalDir, name), beganS, beganS);
}

function overdue(forMs: number): Promise<false> {
  return new Promise((resolve) => setTimeout(resolve, forMs + OVERDUE_MS, false).unref());
}

function silentSource({ description }: Sampler): OperatingError {
  return new OperatingError('the source did not come to the end of one tick', {
    code: 'source.silent',
    exit: 'temporary',
    where: description,
    hints: ['does a GPU hang in the driver? See dmesg and nvidia-smi'],
  });
}
