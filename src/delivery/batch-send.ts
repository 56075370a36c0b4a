import { bisectRefused, type PartReply, type RowRange } from '../core/wire/bisect.ts';
import { rowEnds } from '../core/wire/ilp-rows.ts';
import type { Tell } from '../core/base/notice.ts';
import type { DeadLetters } from '../disk/dead-letter.ts';
import type { WriteReply } from '../questdb/http.ts';

/** What became of a batch. `unsent` holds the rows that the store did not take now; they stay the caller's. */
export interface BatchOutcome {
  readonly acknowledgedRows: number;
  readonly refusedRows: number;
  readonly unsent?: {
    readonly body: Uint8Array<ArrayBuffer>;
    readonly rows: number;
    readonly reason: string;
  };
}

export interface BatchSender {
  send(table: string, body: Uint8Array<ArrayBuffer>, rows: number): Promise<BatchOutcome>;
}

/** One bad row among 100,000 takes 38 requests at most. Where so many rows are bad, the rest of them is given up together. */
const BISECT_REQUESTS_MAX = 100;

/**
 * Sends batches; one that is refused is searched for its bad rows, which become dead letters, and the others are
 * written. A column of a wrong type, which is wrong in every row, is told once, with the way out.
 */
export function createBatchSender(
  post: (table: string, body: Uint8Array) => Promise<WriteReply>,
  deadLetters: DeadLetters,
  tell: Tell,
): BatchSender {
  const toldColumns = new Set<string>();

  function tellWrongType(message: string): void {
    const found =
      /table: (\S+), column: (\S+); cast error from protocol type: \S+ to column type: (\S+)/.exec(message);
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
  }

  return {
    async send(table, body, rows) {
      const reply = await post(table, body);
      if (reply.kind === 'acknowledged') return { acknowledgedRows: rows, refusedRows: 0 };
      if (reply.kind !== 'refused')
        return { acknowledgedRows: 0, refusedRows: 0, unsent: { body, rows, reason: reply.message } };
      tellWrongType(reply.message);
      const ends = [0, ...rowEnds(body)];
      const bytesOf = ({ from, to }: RowRange): Uint8Array<ArrayBuffer> =>
        body.subarray(ends[from], ends[to]);
      let reason = reply.message;
      const outcome = await bisectRefused(
        rows,
        reply,
        async (part) => {
          const answer = await post(table, bytesOf(part));
          if (answer.kind !== 'acknowledged') reason = answer.message;
          return partReply(answer);
        },
        BISECT_REQUESTS_MAX,
      );
      let refusedRows = 0;
      for (const range of outcome.refused) {
        refusedRows += range.to - range.from;
        deadLetters.add(table, range.to - range.from, bytesOf(range), range.reason);
      }
      const { acknowledgedRows } = outcome;
      if (outcome.unsent.length === 0) return { acknowledgedRows, refusedRows };
      const left = Buffer.concat(outcome.unsent.map(bytesOf));
      const unsent = { body: new Uint8Array(left), rows: rows - acknowledgedRows - refusedRows, reason };
      return { acknowledgedRows, refusedRows, unsent };
    },
  };
}

function partReply(reply: WriteReply): PartReply {
  switch (reply.kind) {
    case 'acknowledged':
      return reply;
    case 'refused':
      return {
        kind: 'refused',
        message: reply.message,
        ...(reply.line === undefined ? {} : { line: reply.line }),
      };
    case 'retryable':
    case 'unauthorized':
      return { kind: 'held' };
  }
}
