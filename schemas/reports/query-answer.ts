/** `gpuledger query run NAME --json`: the answer of a named query. */
import { z } from 'zod';

export const queryAnswer = z.strictObject({
  query: z.string(),
  parameters: z.record(z.string(), z.string()).describe('As a person writes them'),
  sql: z.string(),
  columns: z.array(z.strictObject({ name: z.string(), type: z.string().describe('Of QuestDB') })),
  rows: z
    .array(z.record(z.string(), z.unknown()))
    .describe('By column; times in epoch microseconds, null where nothing is known'),
});
