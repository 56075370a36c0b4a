import { styleText } from 'node:util';
import type { Notice, Tell } from '../core/base/notice.ts';
import { said } from './said.ts';

const RANK = { debug: 0, info: 1, warn: 2, error: 3 } as const;
const COLOUR = { debug: 'gray', info: 'green', warn: 'yellow', error: 'red' } as const;

/** Events go to stderr: a line of JSON each for machines, a line of words for people. */
export function createLog(format: 'human' | 'json', level: Notice['level']): Tell {
  return (notice) => {
    if (RANK[notice.level] < RANK[level]) return;
    const time = new Date().toISOString();
    if (format === 'json') {
      const { level: severity, code: event, sentence: text, lane, device, data } = notice;
      process.stderr.write(
        `${JSON.stringify({ time, level: severity, event, text, lane, device, ...data })}\n`,
      );
      return;
    }
    const word = styleText(COLOUR[notice.level], notice.level.padEnd(5), { stream: process.stderr });
    process.stderr.write(`${time.slice(11, 19)} ${word} ${said(notice.sentence.replaceAll('\n', ' '))}\n`);
  };
}
