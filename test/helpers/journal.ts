import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GivenDevices } from '../../schemas/slurm/scontrol.ts';
import { formatJournalRecord } from '../../schemas/journal-record.ts';
import type { Device } from '../../src/core/devices/device.ts';
import type { JobInput, JobNews } from '../../src/core/jobs/job-fact.ts';
import { Ownership } from '../../src/core/jobs/ownership.ts';
import { createJournalInput, type JournalOptions } from '../../src/ownership/journal/journal.ts';
import { createSlurmWords } from '../../src/ownership/slurm/slurm.ts';

export const BOOT = { id: '11111111-1111-4111-8111-111111111111', timeUs: 1_700_000_000e6 };
export const OLD_BOOT_ID = '00000000-0000-4000-8000-000000000000';
/** Second 0 of a test. */
const T0_US = BOOT.timeUs + 10_000e6;
const GPU: Device = { uuid: 'GPU-0', node: 'n1', index: 0, minor: 0, model: 'X', memoryBytes: 1 };
const DEVICES: readonly Device[] = [0, 1, 2, 3].map((index) => ({
  ...GPU,
  uuid: `GPU-${index}`,
  index,
  minor: index,
  pciBusId: `00000000:0${index}:00.0`,
}));

/** Second `s` of the test in epoch µs. */
export const at = (s: number): number => T0_US + s * 1e6;

/** What the scheduler says of a job with these GPUs. */
export function wholeGpus(...positions: readonly number[]): GivenDevices {
  return new Map([['n1', positions.map((position) => ({ kind: 'gpu', position }))]]);
}

interface BenchOptions extends Partial<JournalOptions> {
  /** In place of scontrol. */
  readonly askScheduler?: (slurmConf: string, jobId: string) => Promise<GivenDevices>;
}

/** A journal directory with a whole-GPU Slurm behind it, and what comes out of it. */
export interface JournalBench {
  readonly directory: string;
  readonly devices: readonly Device[];
  /** Puts a record there as a hook would have at second `s`; `uptimeS` where the clock is not what it should be. */
  put(
    event: 'start' | 'end',
    job: string,
    s: number,
    fields?: Readonly<Record<string, string>>,
    uptimeS?: number,
  ): string;
  /** Another collector life over the same directory. */
  open(options?: BenchOptions): JobInput;
  close(): void;
}

export function openJournalBench(): JournalBench {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-journal-'));
  writeFileSync(join(directory, 'slurm.conf'), 'GresTypes=gpu\nNodeName=n1 Gres=gpu:4\n');
  writeFileSync(join(directory, 'gres.conf'), 'Name=gpu File=/dev/nvidia[0-3]\n');
  let count = 0;
  return {
    directory,
    devices: DEVICES,
    put(event, job, s, fields = {}, uptimeS = 10_000 + s) {
      const name = `${job.replaceAll('/', '_')}.${event}.${(count += 1)}.job`;
      const path = join(directory, name);
      const record = {
        event,
        manager: 'slurm',
        context: event === 'start' ? 'prolog_slurmd' : 'epilog_slurmd',
        job,
        boot_id: BOOT.id,
        uptime: String(uptimeS),
        node: 'n1',
        gpus: '0',
        conf: join(directory, 'slurm.conf'),
        ...fields,
      };
      writeFileSync(path, formatJournalRecord(record));
      utimesSync(path, at(s) / 1e6, at(s) / 1e6);
      return name;
    },
    open({ askScheduler, ...options } = {}) {
      const words = new Map([['slurm', createSlurmWords(options, askScheduler)]]);
      return createJournalInput({ directory, devices: DEVICES, boot: BOOT, words, ...options });
    },
    close() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** `7 on GPU-0 (1, 5]` for every interval that owns time, by device and start. */
export function describeOwnership(...news: readonly JobNews[]): string[] {
  const ownership = new Ownership();
  for (const one of news) for (const fact of one.facts) ownership.apply(fact);
  return ownership
    .intervals()
    .filter(({ startUs, endUs }) => startUs < endUs)
    .map(({ jobId, run, gpu, startUs, endUs }) => {
      const again = run > 0 ? ` run ${run}` : '';
      const end = endUs === Infinity ? 'open' : `${(endUs - T0_US) / 1e6}]`;
      return `${jobId}${again} on ${gpu} (${(startUs - T0_US) / 1e6}, ${end}`;
    })
    .sort();
}
