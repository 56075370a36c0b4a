import * as z from 'zod';

/** A value that is not as expected, with the sentence that says so. @param hints ways out */
export function refuse(payload: z.core.ParsePayload, message: string, hints: readonly string[] = []): never {
  payload.issues.push({ code: 'custom', input: payload.value, message, params: { hints } });
  return z.NEVER;
}
