import * as z from 'zod';

const lane = z.object({
  lane: z.string(),
  table: z.string(),
  intervalMs: z.number(),
  sampledRows: z.number(),
  acknowledgedRows: z.number(),
  heldRows: z.number(),
  spooledRows: z.number(),
  refusedRows: z.number(),
  droppedRows: z.number(),
  spoolBytes: z.number(),
  spoolOldestMs: z.number().optional(),
  lastAcknowledgedMs: z.number(),
  lastSendMs: z.number(),
  ringFillRatio: z.number(),
  problem: z.string().optional(),
});

/** What a running collector writes every ten seconds for `gpuledger status`. Times in epoch ms. */
export const statusFile = z.object({
  pid: z.number(),
  atMs: z.number(),
  startMs: z.number(),
  node: z.string(),
  source: z.string(),
  description: z.string(),
  deviceCount: z.number(),
  /** Address of the store, without credentials. */
  store: z.string(),
  lanes: z.array(lane),
  /** Of one core since the status before. */
  cpuRatio: z.number().optional(),
  rssBytes: z.number(),
  /** The newest pause of profiling that somebody asked for and the source refused, if none has begun since. */
  pauseRefusal: z.object({ atMs: z.number(), text: z.string() }).optional(),
});

export type Status = z.infer<typeof statusFile>;
export type StatusLane = z.infer<typeof lane>;
