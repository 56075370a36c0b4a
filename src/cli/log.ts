import { styleText } from 'node:util';
import type { Log, LogEntry } from '../core/base/log-entry.ts';

const RANK = { debug: 0, info: 1, warn: 2, error: 3 } as const;
const COLOUR = { debug: 'gray', info: 'green', warn: 'yellow', error: 'red' } as const;

/** Events go to stderr: a line of JSON each for machines, a line of words for people. */
export function createLog(format: 'human' | 'json', level: LogEntry['level']): Log {
  return (entry) => {
    if (RANK[entry.level] < RANK[level]) return;
    const time = new Date().toISOString();
    if (format === 'json') {
      const { level: severity, event, text, data } = entry;
      process.stderr.write(`${JSON.stringify({ time, level: severity, event, text, ...data })}\n`);
      return;
    }
    const word = styleText(COLOUR[entry.level], entry.level.padEnd(5), { stream: process.stderr });
    process.stderr.write(`${time.slice(11, 19)} ${word} ${entry.text}\n`);
  };
}
