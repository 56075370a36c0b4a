import type { UseQuestion } from '../../core/jobs/device-parts.ts';
import type { MeasuredUse, UserKind } from '../../core/jobs/measured-use.ts';
import { quoteText } from '../../../schemas/tables.ts';
import type { QuestDb } from '../http.ts';

/** What was measured of these devices in this time. @throws OperatingError when the store does not answer */
export async function readSharedUse(
  db: Pick<QuestDb, 'exec'>,
  { gpus, fromUs, toUs }: UseQuestion,
): Promise<MeasuredUse[]> {
  const until = toUs === Infinity ? '' : ` AND ts < cast(${Math.ceil(toUs)} AS TIMESTAMP)`;
  const { rows } = await db.exec(
    'SELECT gpu, cast(ts AS LONG), cast(end_ts AS LONG), kind, job_id, sm_use_seconds, memory_byte_seconds, seen_us FROM gpu_shared_use' +
      ` WHERE gpu IN (${gpus.map(quoteText).join(', ')}) AND end_ts > cast(${Math.floor(fromUs)} AS TIMESTAMP)${until}`,
  );
  return rows.map(([gpu, startUs, endUs, kind, jobId, smUseSeconds, memoryByteSeconds, seenUs]) => ({
    gpu: String(gpu),
    fromUs: Number(startUs),
    toUs: Number(endUs),
    kind: String(kind) as UserKind,
    ...(typeof jobId === 'string' ? { jobId } : {}),
    smUseSeconds: numberOf(smUseSeconds),
    memoryByteSeconds: numberOf(memoryByteSeconds),
    seenUs: Number(seenUs),
  }));
}

/** NULL is not known, and not 0. */
function numberOf(cell: unknown): number {
  return cell === null ? NaN : Number(cell);
}
