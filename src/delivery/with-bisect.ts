import type { Tell } from '../core/base/notice.ts';
import { bisectRefused, type PartReply, type RowRange } from '../core/wire/bisect.ts';
import { rowEnds } from '../core/wire/ilp-rows.ts';
import type { Batch, Fate, Sink, Unsent } from '../core/wire/sink.ts';
import type { DeadLetters } from '../disk/dead-letter.ts';

/** One bad row among 100,000 takes 38 requests at most. Where so many rows are bad, the rest of them is given up together. */
const BISECT_REQUESTS_MAX = 100;

/**
 * Searches a batch that the store refuses for its bad rows, which become dead letters, and has the others written. A
 * column of a wrong type, which is wrong in every row, is told once, with the way out.
 */
export function withBisect(sink: Sink, deadLetters: DeadLetters, tell: Tell): Sink {
  const tellWrongType = createWrongTypeTeller(tell);
  return {
    async send(batch) {
      const fate = await sink.send(batch);
      if (fate.unsent?.cause !== 'rows') return fate;
      tellWrongType(fate.unsent.reason);
      return await searched(batch, fate.unsent, sink, deadLetters);
    },
  };
}

async function searched(batch: Batch, refusal: Unsent, sink: Sink, deadLetters: DeadLetters): Promise<Fate> {
  const { table, body, rows } = batch;
  const ends = [0, ...rowEnds(body)];
  const bytesOf = ({ from, to }: RowRange): Uint8Array<ArrayBuffer> => body.subarray(ends[from], ends[to]);
  let last = refusal;
  const outcome = await bisectRefused(
    rows,
    messageAndLine(refusal),
    async (part) => {
      const fate = await sink.send({ table, body: bytesOf(part), rows: part.to - part.from });
      last = fate.unsent ?? last;
      return partReply(fate);
    },
    BISECT_REQUESTS_MAX,
  );
  const { acknowledgedRows, refused } = outcome;
  for (const range of refused) {
    deadLetters.add(table, range.to - range.from, bytesOf(range), range.reason);
  }
  if (outcome.unsent.length === 0) return { acknowledgedRows, refused };
  const left = new Uint8Array(Buffer.concat(outcome.unsent.map(bytesOf)));
  const leftRows = outcome.unsent.reduce((sum, { from, to }) => sum + (to - from), 0);
  const { cause, reason, error } = last;
  return { acknowledgedRows, refused, unsent: { body: left, rows: leftRows, cause, reason, error } };
}

function partReply({ unsent }: Fate): PartReply {
  if (unsent === undefined) return { kind: 'acknowledged' };
  if (unsent.cause !== 'rows') return { kind: 'held' };
  return { kind: 'refused', ...messageAndLine(unsent) };
}

function messageAndLine({ reason, line }: Unsent): { message: string; line?: number } {
  return { message: reason, ...(line === undefined ? {} : { line }) };
}

function createWrongTypeTeller(tell: Tell): (reason: string) => void {
  const toldColumns = new Set<string>();
  return (reason) => {
    const found =
      /table: (\S+), column: (\S+); cast error from protocol type: \S+ to column type: (\S+)/.exec(reason);
    if (found === null) return;
    const [, table, column, type] = found;
    const key = `${table!}.${column!}`;
    if (toldColumns.has(key)) return;
    toldColumns.add(key);
    tell({
      level: 'error',
      code: 'column.wrong_type',
      sentence: `column ${column!} of table ${table!} is ${type!}: change it with ALTER TABLE "${table!}" ALTER COLUMN "${column!}" TYPE DOUBLE; (gpuledger schema apply tells the right type)`,
      data: { table: table!, column: column! },
    });
  };
}
