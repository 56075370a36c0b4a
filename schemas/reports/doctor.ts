/** `gpuledger doctor --json`: what was looked at, and what is wrong. */
import { z } from 'zod';

const state = z.enum(['fine', 'wrong', 'untold']);
const part = z.enum(['node', 'store', 'reader']);

export const doctorReport = z.strictObject({
  parts: z.array(part).describe('What was looked at'),
  because: z.string().optional().describe('Why these parts, where nobody named them'),
  exitCode: z.union([z.literal(0), z.literal(69), z.literal(75), z.literal(77)]),
  checks: z.array(
    z.strictObject({
      part,
      check: z.string().describe('Short and stable'),
      state: state.describe('untold: it could not be looked at, which accuses nobody and is not fine'),
      what: z.string(),
      why: z.string().describe('What goes wrong where this is wrong'),
      mend: z.array(z.string()).describe('Commands, or words where there is no command'),
      lacksRights: z.literal(true).optional().describe('Of untold: somebody with more rights would be told'),
      done: z.string().optional().describe('What --fix did about it'),
    }),
  ),
});

export type DoctorReport = z.infer<typeof doctorReport>;
