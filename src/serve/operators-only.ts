import type { preHandlerAsyncHookHandler } from 'fastify';

/** Before what only operators may see: for anybody else it is not there. */
export const operatorsOnly: preHandlerAsyncHookHandler = async (request, reply) => {
  if (request.viewer.isOperator) return undefined;
  reply.callNotFound();
  return await reply;
};
