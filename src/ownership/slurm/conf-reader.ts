import type { BigIntStats } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { OperatingError } from '../../core/base/errors.ts';
import { asClusterName } from '../../core/devices/cluster-name.ts';
import { isSameState, readBoundedThroughLink, statOf } from '../bounded-read.ts';
import { ProblemLog } from '../problem-log.ts';
import { parseConf, type ConfStatement, type ConfWord } from './conf-lines.ts';

/** A file with all that it includes, in Slurm's order. */
export interface ConfText {
  readonly lines: readonly ConfLine[];
  /** What could not be read: where there is any, anything may stand there. */
  readonly faults: readonly ConfFault[];
}

interface ConfLine {
  /** `FILE:LINE`. */
  readonly where: string;
  /** At least one. */
  readonly words: readonly ConfWord[];
}

export interface ConfFault {
  /** `FILE:LINE`, or the file. */
  readonly where: string;
  /** What was expected, and what came. */
  readonly message: string;
}

export interface ConfReader {
  /** The same object as long as no file of it has changed; undefined where there is no such file. */
  read(path: string): ConfText | undefined;
  /** Tells what is wrong with the meaning of a file, once until one of its files changes. */
  report(path: string, faults: readonly ConfFault[]): void;
  /** What was told since the last call. */
  takeProblems(): OperatingError[];
}

/** slurm.conf and gres.conf of a large site have a few hundred KiB, with all that they include. */
const CONF_BYTES_MAX = 16 << 20;
/** Files, each as often as it is included. */
const INCLUDED_FILES_MAX = 256;
const INCLUDE_DEPTH_MAX = 16;
/** A file full of faults is one problem, not thousands. */
const FAULTS_TOLD_MAX = 3;

const FOUND = {
  gone: 'no such file',
  busy: 'one that changes all the time',
  'too-large': `more than ${CONF_BYTES_MAX} bytes in all`,
  'not-a-file': 'something else than a file',
};

/** One reading of a file and of all that it includes. */
class Reading {
  readonly #directory: string;
  readonly #lines: ConfLine[] = [];
  readonly #faults: ConfFault[] = [];
  /** Every file that was looked for; undefined where there was none. */
  readonly #stats = new Map<string, BigIntStats | undefined>();
  /** The files that are being read, each included by the one before. */
  readonly #open: string[] = [];
  #readings = 0;
  #bytes = 0;
  /** A file would not hold still. */
  #isRestless = false;
  #clusterName: string | undefined;
  /** There is no file at all. */
  readonly isMissing: boolean;
  readonly text: ConfText = { lines: this.#lines, faults: this.#faults };

  constructor(path: string) {
    this.#directory = dirname(path);
    this.isMissing = this.#readFile(path, path) === 'gone';
  }

  /** Whether every file is as it was, those that were not there included. */
  isCurrent(): boolean {
    if (this.#isRestless) return false;
    return [...this.#stats].every(([path, before]) => {
      const now = statOf(path);
      return before === undefined ? now === undefined : now !== undefined && isSameState(before, now);
    });
  }

  /** @param where that names the file */
  #readFile(path: string, where: string): string | undefined {
    if (this.#open.includes(path)) {
      this.#faults.push({ where, message: `expected no file that includes itself, found ${path}` });
      return undefined;
    }
    if (this.#open.length > INCLUDE_DEPTH_MAX || this.#readings > INCLUDED_FILES_MAX) {
      const bounds = `${INCLUDED_FILES_MAX} included files, ${INCLUDE_DEPTH_MAX} deep`;
      this.#faults.push({ where, message: `expected at most ${bounds}, found another Include` });
      return undefined;
    }
    this.#readings += 1;
    const found = readBoundedThroughLink(path, CONF_BYTES_MAX - this.#bytes);
    this.#stats.set(path, 'stat' in found ? found.stat : statOf(path));
    this.#isRestless ||= found.kind === 'busy';
    if (found.kind !== 'content') {
      const reason = found.kind === 'refused' ? found.reason : FOUND[found.kind];
      this.#faults.push({ where, message: `expected a readable file ${path}, found ${reason}` });
      return found.kind;
    }
    // A byte order mark is no blank: Slurm stumbles over it, and so must we.
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(found.content);
    this.#bytes += found.content.length;
    this.#open.push(path);
    for (const statement of parseConf(text)) this.#take(statement, path);
    this.#open.pop();
    return undefined;
  }

  #take(statement: ConfStatement, path: string): void {
    const where = `${path}:${statement.line}`;
    switch (statement.kind) {
      case 'words': {
        const [first] = statement.words;
        if (first?.key === 'clustername') this.#clusterName = asClusterName(first.value);
        this.#lines.push({ where, words: statement.words });
        return;
      }
      case 'include': {
        const included = this.#includedPath(statement.path, path);
        if (typeof included === 'string') this.#readFile(included, where);
        else this.#faults.push({ where, message: included.fault });
        return;
      }
      case 'fault':
        this.#faults.push({ where, message: `expected Key=value, found ${quote(statement.rest)}` });
    }
  }

  /** `%c` is the cluster's name, as far as it has been read. */
  #includedPath(name: string, from: string): string | { readonly fault: string } {
    const clusterName = this.#clusterName;
    if (name.includes('%c') && clusterName === undefined)
      return { fault: `expected ClusterName before %c, found ${quote(name)}` };
    const path = name.replaceAll('%c', () => clusterName!);
    if (path.includes('*')) return { fault: `expected one file, found the pattern ${quote(name)}` };
    if (isAbsolute(path)) return path;
    // Slurm looks beside slurm.conf; before 23.02 it looked beside the file that includes.
    const [now, once] = [join(this.#directory, path), join(dirname(from), path)];
    if (now === once) return now;
    const [isNow, isOnce] = [now, once].map((candidate) => {
      const stat = statOf(candidate);
      this.#stats.set(candidate, stat);
      return stat !== undefined;
    });
    if (isNow !== true || isOnce !== true) return isOnce === true ? once : now;
    return { fault: `expected one file, found both ${now} and ${once}` };
  }
}

export function createConfReader(): ConfReader {
  const known = new Map<string, Reading>();
  const problems = new ProblemLog();
  /** Places that were told of, by the file that was to be read. */
  const told = new Map<string, string[]>();

  function report(path: string, faults: readonly ConfFault[]): void {
    const places = told.get(path) ?? [];
    told.set(path, places);
    for (const fault of faults.slice(0, FAULTS_TOLD_MAX)) {
      places.push(fault.where);
      problems.record(fault.where, unreadable(fault, faults.length));
    }
  }

  return {
    read(path) {
      const before = known.get(path);
      if (before?.isCurrent() === true) return before.text;
      for (const where of told.get(path) ?? []) problems.clear(where);
      told.delete(path);
      known.delete(path);
      const reading = new Reading(path);
      if (reading.isMissing) return undefined;
      known.set(path, reading);
      report(path, reading.text.faults);
      return reading.text;
    },
    report,
    takeProblems: () => problems.take(),
  };
}

function unreadable({ where, message }: ConfFault, count: number): OperatingError {
  const more = count > 1 ? ` (${count} such places in all)` : '';
  return new OperatingError(`${message}${more}`, {
    code: 'slurm.bad_conf',
    exit: 'config',
    where,
    hints: [
      'what depends on this file is not guessed: GPU numbers stay unresolved, shares unknown',
      "let the collector's user read Slurm's files",
      'or name the devices in jobs.device_map',
    ],
  });
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
