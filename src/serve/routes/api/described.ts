import type { FastifyReply, RouteShorthandOptions } from 'fastify';
import * as z from 'zod';

const refusal = z
  .strictObject({
    error: z.strictObject({ code: z.string(), message: z.string(), hints: z.array(z.string()) }),
  })
  .describe('Why there is no answer: codes are in docs/codes.md');

interface Described {
  readonly summary: string;
  readonly description?: string;
  readonly params?: z.ZodObject;
  readonly querystring?: z.ZodObject;
  /** Of the answer. */
  readonly answer: z.ZodType;
}

/**
 * A route as the description of the API has it. Its parameters are read by the route itself, by the rules of the command line, and its
 * answer is text already: neither is left to fastify.
 */
export function described({
  summary,
  description,
  params,
  querystring,
  answer,
}: Described): RouteShorthandOptions {
  return {
    schema: {
      summary,
      ...(description === undefined ? {} : { description }),
      ...(params === undefined ? {} : { params }),
      ...(querystring === undefined ? {} : { querystring }),
      response: { 200: answer, 400: refusal, 404: refusal, 422: refusal, 503: refusal },
    },
    validatorCompiler: () => (value: unknown) => ({ value }),
    serializerCompiler: () => (value: unknown) => JSON.stringify(value),
  };
}

/** Exactly the text that the command line prints. */
export function sendJson(reply: FastifyReply, text: string): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(text);
}
