import type { Fate, Sink, UnsentCause } from '../../src/core/wire/sink.ts';
import { OperatingError } from '../../src/core/base/errors.ts';
import { untaken, acknowledged, type Batch } from '../../src/core/wire/sink.ts';

/** Rows as a test writes them, one a line, sent once. */
export async function sendRows(sink: Sink, rows: string | Uint8Array): Promise<Fate> {
  const body = new Uint8Array(typeof rows === 'string' ? Buffer.from(rows) : rows);
  return await sink.send({
    table: '',
    body,
    rows: Buffer.from(body).toString('latin1').split('\n').length - 1,
  });
}

/** Says to all rows: taken, or why not. */
export type Answer = 'acknowledged' | UnsentCause;

export function fateOf(batch: Batch, answer: Answer): Fate {
  if (answer === 'acknowledged') return acknowledged(batch);
  const error = new OperatingError('down', { code: 'questdb.unreachable', exit: 'temporary' });
  return untaken(batch, { cause: answer, reason: answer === 'rows' ? 'bad row' : 'down', error });
}
