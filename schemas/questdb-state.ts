/** What a data directory says about the QuestDB server that was started on it. */
import * as z from 'zod';

const port = z.int().min(1).max(65_535);

export const questdbStateSchema = z.strictObject({
  format: z.literal(1),
  pid: z.int().positive(),
  /** Field 22 of /proc/PID/stat, in clock ticks since boot: tells a process from a later one with its pid. */
  processStartTicks: z.string(),
  life: z.enum(['private', 'background']),
  ports: z.strictObject({ http: port, pg: port, min: port }),
  /** The server answers `/ping` with this in a header, so that it can be told from any other server. */
  identity: z.string(),
  version: z.string(),
  javaMajor: z.int().positive(),
  startedAt: z.string(),
});

export type QuestdbState = z.infer<typeof questdbStateSchema>;
export type QuestdbPorts = QuestdbState['ports'];
