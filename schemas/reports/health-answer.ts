import * as z from 'zod';

/** What `GET /healthz` of the web server says: that it is well, or why it answers nobody now. */
const healthAnswer = z.union([
  z.object({ status: z.literal('ok'), version: z.string() }),
  z.object({ error: z.object({ code: z.string(), message: z.string(), hints: z.array(z.string()) }) }),
]);

/** Whether this is an answer of gpuledger, and not of another program. */
export function isHealthAnswer(text: string): boolean {
  try {
    return healthAnswer.safeParse(JSON.parse(text)).success;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return false;
    throw thrown;
  }
}
