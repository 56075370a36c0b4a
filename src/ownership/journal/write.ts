import { chmodSync, mkdirSync, readFileSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { OperatingError } from '../../core/base/errors.ts';
import { fileFaultOf, fileReasonOf } from '../../core/base/file-fault.ts';
import { formatJournalRecord, JOURNAL_SUFFIX } from '../../../schemas/journal-record.ts';
import { realDisk, replaceFile, type Disk } from '../../disk/disk.ts';
import { readBoot } from '../boot.ts';
import { codeOf } from '../bounded-read.ts';

/** What a workload manager's hook, or a person, tells of a job. */
export interface JobNotice {
  readonly event: 'start' | 'end';
  readonly jobId: string;
  /** `pbs`, `lsf`, `flux`, `shell`: lower-case letters. */
  readonly manager: string;
  readonly node: string;
  /** UUIDs or NVML indices, comma-separated. */
  readonly devices?: string;
  readonly share?: string;
  readonly user?: string;
  readonly account?: string;
  readonly partition?: string;
  readonly name?: string;
  readonly run?: string;
  readonly exitCode?: number;
  /** When it was, epoch µs, where that is not now. */
  readonly atUs?: number;
}

/**
 * Leaves one record in the journal, in the way of the Slurm hooks: under a temporary name first, then renamed.
 * @returns the path of the record.
 * @throws OperatingError `journal.forbidden` (exit 77), `journal.unwritable` (exit 75), `journal.not_of_this_boot` (exit 64)
 */
export function writeJournalRecord(directory: string, notice: JobNotice): string {
  const now = readFileSync('/proc/uptime', 'utf8').split(' ')[0] ?? '';
  const {
    event,
    jobId: job,
    manager,
    node,
    devices,
    share,
    user,
    account,
    partition,
    name,
    run,
    exitCode,
    atUs,
  } = notice;
  const uptime = atUs === undefined ? now : uptimeAt(atUs, Number(now));
  const text = formatJournalRecord({
    ...{ event, manager, job, restart: run, boot_id: readBoot().id, uptime, node, devices, share },
    ...{ user, account, partition, name, exit_code: exitCode === undefined ? undefined : `${exitCode}:0` },
  });
  // A job id is free text here; the name only has to be a name of its own.
  const base = `${job.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 64)}.${event}.${uptime}.${process.pid}`;
  const path = join(directory, `${base}${JOURNAL_SUFFIX}`);
  try {
    makeDirectory(dirname(directory), 0o755);
    makeDirectory(directory, 0o3770);
    replaceFile(atUs === undefined ? realDisk : dated(atUs), path, Buffer.from(text), 0o640);
  } catch (error) {
    const reason = codeOf(error);
    if (reason === undefined) throw error;
    const isForbidden = reason === 'EACCES' || reason === 'EPERM';
    throw new OperatingError(`expected to write into the job journal, but: ${fileReasonOf(error)}`, {
      code: isForbidden ? 'journal.forbidden' : 'journal.unwritable',
      exit: isForbidden ? 'permission' : 'temporary',
      where: directory,
      hints: [
        ...(isForbidden
          ? ['run it as root, as a prolog does, or as a user who may write there']
          : (fileFaultOf(error)?.hints ?? [])),
        'or name another one: --journal DIR',
      ],
      cause: error,
    });
  }
  return path;
}

/** Seconds since boot: of a record, whose clock may have been set since, they tell what came before what. */
function uptimeAt(atUs: number, uptime: number): string {
  const then = uptime - (Date.now() * 1000 - atUs) / 1e6;
  if (then > 0 && then <= uptime) return then.toFixed(2);
  throw new OperatingError('expected a time since this node was booted, and not one that is still to come', {
    code: 'journal.not_of_this_boot',
    exit: 'usage',
    hints: ['what a node was doing when it went down ends by itself: at the last sample before its boot'],
  });
}

/** A record is of the time at which its file was changed. */
function dated(atUs: number): Disk {
  return {
    ...realDisk,
    rename(from, to) {
      utimesSync(from, atUs / 1e6, atUs / 1e6);
      realDisk.rename(from, to);
    },
  };
}

/** One level: Node's own `recursive` never comes back from a file system that makes no directories, as /proc (Node 24). */
function makeDirectory(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
    // A umask takes rights away, and is somebody else's.
    chmodSync(path, mode);
  } catch (error) {
    // Whatever is there already is told by the file that cannot be opened in it.
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}
