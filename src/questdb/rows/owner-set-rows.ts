import { assert } from '../../core/base/assert.ts';
import type { OwnerSetMember } from '../../core/jobs/device-parts.ts';
import { escapeBare, quote } from '../../core/wire/ilp-text.ts';

/** One row of `gpu_owner_sets`. */
export interface OwnerSetRow extends OwnerSetMember {
  /** Absent where nobody told. */
  readonly cluster?: string;
}

/** Rows as the official client would write them (ILP protocol v2), if it took a LONG of more digits than a number holds. */
export function encodeOwnerSets(rows: readonly OwnerSetRow[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(rows.flatMap(encodeRow)));
}

function encodeRow(row: OwnerSetRow): Buffer[] {
  const { cluster, gpu, ownerSet, jobId, share, part, sharing, isScaled, startUs } = row;
  assert(Number.isSafeInteger(startUs) && startUs >= 0, `a row needs a time in whole µs, not ${startUs}`);
  const where = cluster === undefined ? '' : `,cluster=${escapeBare(cluster)}`;
  const symbols = `gpu_owner_sets${where},gpu=${escapeBare(gpu)},sharing=${sharing}`;
  return [
    Buffer.from(`${symbols} owner_set=${ownerSet}i,job_id=${quote(jobId)}`),
    ...(Number.isNaN(share) ? [] : [Buffer.from(',share=='), doubleOf(share)]),
    Buffer.from(',part=='),
    doubleOf(part),
    Buffer.from(`,scaled=${isScaled ? 1 : 0}i ${startUs}t\n`),
  ];
}

/** With the entity type of a double in protocol v2. */
function doubleOf(value: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = 0x10;
  bytes.writeDoubleLE(value, 1);
  return bytes;
}
