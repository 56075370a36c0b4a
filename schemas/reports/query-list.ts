/** `gpuledger query list --json`: the named queries. */
import { z } from 'zod';

export const queryList = z.array(
  z.strictObject({
    name: z.string(),
    title: z.string(),
    about: z.string(),
    needs: z.string(),
    shared: z.string(),
    parameters: z.array(
      z.strictObject({
        name: z.string(),
        type: z.string(),
        meaning: z.string(),
        default: z.string().optional().describe('Where there is none it is needed'),
        choices: z.array(z.string()).optional(),
      }),
    ),
  }),
);
