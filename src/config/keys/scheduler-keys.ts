import { SCHEDULER_POLL_MS_MAX, SCHEDULER_POLL_MS_MIN } from '../../core/fields/limits.ts';
import type * as values from '../values.ts';

/** What the scheduler knows of the whole cluster. */
export const SCHEDULER_KEYS = {
  about:
    'how the nodes of the cluster are and who waits, as Slurm tells: tables `node_states` and `queue_1m` (docs/polling.md)',
  keys: {
    poll: {
      type: (is: typeof values) =>
        is.durationMs({ minMs: SCHEDULER_POLL_MS_MIN, maxMs: SCHEDULER_POLL_MS_MAX }).exactOptional(),
      doc: 'ask `sinfo` and `squeue` this often, for the whole cluster: on one of its machines only',
      as: 'pollMs',
      unset: 'nobody asks; `gpuledger jobs sync` asks once each time',
      example: '1m',
    },
  },
} as const;
