import { join } from 'node:path';
import type { Tell } from '../core/base/notice.ts';
import { fileReasonOf } from '../core/base/file-fault.ts';
import type { Disk } from './disk.ts';

/** Rows that the server refuses, kept for a person: one JSON line for each run of rows with the same words of the server. */
export interface DeadLetters {
  /**
   * Keeps rows. Never throws: what cannot be written is logged, and the rows are counted as refused all the same.
   * @param body the rows as they were sent
   */
  add(table: string, rows: number, body: Uint8Array, reason: string): void;
}

export interface DeadLetterLine {
  /** ISO time at which they were refused. */
  readonly time: string;
  readonly table: string;
  readonly rows: number;
  /** The server's words. */
  readonly reason: string;
  /** The bytes, base64: post them to `/write` again when the cause is mended. */
  readonly body: string;
  /** The same with binary numbers as `?`, for reading; at most 2,000 characters. */
  readonly text: string;
}

/** Dead letters that made way for newer ones: their rows are nowhere any more. One JSON line for each file that went. */
interface DroppedFile {
  /** ISO time at which they made way. */
  readonly time: string;
  readonly rows: number;
  /** ISO times at which the first and the last of them were refused. */
  readonly first: string;
  readonly last: string;
}

/** Of one file; the one before is kept as well, so that a table's dead letters take twice this at most. */
const FILE_BYTES_MAX = 32 * 1024 * 1024;
const TEXT_LENGTH_MAX = 2_000;

export function deadLetterDirectory(stateDir: string): string {
  return join(stateDir, 'dead-letter');
}

/** @param nowMs epoch ms */
export function openDeadLetters(disk: Disk, directory: string, tell: Tell, nowMs: () => number): DeadLetters {
  return {
    add(table, rows, body, reason) {
      const path = join(directory, `${table}.jsonl`);
      const line: DeadLetterLine = {
        time: new Date(nowMs()).toISOString(),
        table,
        rows,
        reason,
        body: Buffer.from(body).toString('base64'),
        text: readable(body),
      };
      try {
        disk.makeDirectory(directory);
        if ((disk.size(path) ?? 0) > FILE_BYTES_MAX) makeWay(disk, directory, table, tell, nowMs());
        disk.append(path, Buffer.from(`${JSON.stringify(line)}\n`));
        const sentence = `${table}: QuestDB refused ${rows} rows (${reason}); they are in ${path}`;
        tell({ level: 'error', code: 'rows.refused', sentence, data: { table, rows, reason } });
      } catch (thrown) {
        const sentence = `${table}: QuestDB refused ${rows} rows (${reason}); ${path} cannot be written: ${fileReasonOf(thrown)}`;
        tell({ level: 'error', code: 'rows.refused', sentence, data: { table, rows, reason } });
      }
    },
  };
}

/** @returns how many rows of dead letters of each table made way for newer ones; of those with none, nothing */
export function droppedDeadLetters(disk: Disk, directory: string): ReadonlyMap<string, number> {
  const names = disk.list(directory).filter((name) => name.endsWith(DROPPED_ENDING));
  return new Map(
    names.map((name) => [
      name.slice(0, -DROPPED_ENDING.length),
      droppedFiles(disk, join(directory, name)).reduce((sum, { rows }) => sum + rows, 0),
    ]),
  );
}

const DROPPED_ENDING = '.dropped.jsonl';

/** The newest file becomes the one before, which goes: its rows are counted first, so that a kill forgets none. */
function makeWay(disk: Disk, directory: string, table: string, tell: Tell, nowMs: number): void {
  const path = join(directory, `${table}.jsonl`);
  const dropped = contentOf(disk.read(`${path}.1`));
  if (dropped !== undefined) {
    const counts = join(directory, `${table}${DROPPED_ENDING}`);
    const last = droppedFiles(disk, counts).at(-1);
    // Counted before a kill that came before the renaming.
    const isCounted =
      last?.first === dropped.first && last.last === dropped.last && last.rows === dropped.rows;
    if (!isCounted) {
      const line: DroppedFile = { time: new Date(nowMs).toISOString(), ...dropped };
      // A line that a kill has torn stands alone.
      disk.append(counts, Buffer.from(`\n${JSON.stringify(line)}\n`));
    }
    const { rows } = dropped;
    const sentence = `${table}: dead letters of ${rows} rows made way for newer ones, and are lost: see what QuestDB refuses, in ${path}`;
    tell({ level: 'error', code: 'dead_letters.dropped', sentence, data: { table, rows } });
  }
  disk.rename(path, `${path}.1`);
}

/** The beginning of a line, up to its rows: a torn line has that, too, or it is not counted. */
const LINE_START = /^\{"time":"([^"]*)","table":"(?:[^"\\]|\\.)*","rows":(\d+),/;
const LINE_START_BYTES_MAX = 1_024;

/** Lines are read by their beginnings: a file has tens of megabytes. */
function contentOf(file: Buffer | undefined): Omit<DroppedFile, 'time'> | undefined {
  if (file === undefined) return undefined;
  let rows = 0;
  let first: string | undefined;
  let last = '';
  for (let at = 0; at < file.length; at = file.indexOf('\n', at) + 1 || file.length) {
    const match = LINE_START.exec(file.toString('utf8', at, at + LINE_START_BYTES_MAX));
    if (match === null) continue;
    last = match[1]!;
    first ??= last;
    rows += Number(match[2]);
  }
  return first === undefined ? undefined : { rows, first, last };
}

const DROPPED_LINE = /^\{"time":"([^"]*)","rows":(\d+),"first":"([^"]*)","last":"([^"]*)"\}$/gm;

function droppedFiles(disk: Disk, path: string): DroppedFile[] {
  const text = disk.read(path)?.toString('utf8') ?? '';
  return [...text.matchAll(DROPPED_LINE)].map(([, time = '', rows, first = '', last = '']) => ({
    ...{ time, rows: Number(rows), first, last },
  }));
}

/** Keeps nothing: for where there is no directory of our own. */
export function toldOnly(tell: Tell): DeadLetters {
  return {
    add: (table, rows, _body, reason) => {
      const sentence = `${table}: QuestDB refused ${rows} rows: ${reason}`;
      tell({ level: 'error', code: 'rows.refused', sentence, data: { table, rows } });
    },
  };
}

function readable(body: Uint8Array): string {
  const text = Buffer.from(body.subarray(0, 2 * TEXT_LENGTH_MAX)).toString('latin1');
  return text.replace(/==\x10[\s\S]{8}/g, '=?').slice(0, TEXT_LENGTH_MAX);
}
