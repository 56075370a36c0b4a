import { join } from 'node:path';
import type { Tell } from '../core/base/notice.ts';
import { messageOf } from '../core/base/errors.ts';
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

/** Of one file; the one before is kept as well, so that a table's dead letters take twice this at most. */
const FILE_BYTES_MAX = 32 * 1024 * 1024;
const TEXT_LENGTH_MAX = 2_000;

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
        if ((disk.size(path) ?? 0) > FILE_BYTES_MAX) disk.rename(path, `${path}.1`);
        disk.append(path, Buffer.from(`${JSON.stringify(line)}\n`));
        const sentence = `${table}: QuestDB refused ${rows} rows (${reason}); they are in ${path}`;
        tell({ level: 'error', code: 'rows.refused', sentence, data: { table, rows, reason } });
      } catch (thrown) {
        const sentence = `${table}: QuestDB refused ${rows} rows (${reason}); ${path} cannot be written: ${messageOf(thrown)}`;
        tell({ level: 'error', code: 'rows.refused', sentence, data: { table, rows, reason } });
      }
    },
  };
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
