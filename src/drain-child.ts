import { Socket } from 'node:net';
import { drainEngine, type DrainSettings, type EngineStore, type EngineTask } from './drain-engine.ts';
import { carried, CHILD_VARIABLE, errorFrom, readFrames, sendFrame } from './drain-frames.ts';
import type { FromChild, ToChild } from './drain-frames.ts';
import { openKeptSource, type KeptSource } from './source/dcgm-kept.ts';

/**
 * The process that talks to engines: native calls may block for two minutes, and only the end of a process ends them. It
 * takes one engine after the other from the socket that it was started with, and ends with that socket.
 */
const SOCKET_FD = 3;

// Started by drain-pool.ts; a bundle holds this file too and is then its own child.
if (process.env[CHILD_VARIABLE] === '1')
  serveEngines(new Socket({ fd: SOCKET_FD, readable: true, writable: true }));

function serveEngines(socket: Socket): void {
  let settings: DrainSettings | undefined;
  let source: KeptSource | undefined;
  let answer: ((message: ToChild) => void) | undefined;
  const send = (message: FromChild): void => {
    sendFrame(socket, message);
  };
  const ask = async (message: FromChild): Promise<ToChild> => {
    const reply = await new Promise<ToChild>((resolve) => {
      answer = resolve;
      send(message);
    });
    if (reply.kind === 'refused') throw errorFrom(reply.error);
    return reply;
  };
  const store: EngineStore = {
    async plan(gpus) {
      const reply = await ask({ kind: 'ask', gpus });
      if (reply.kind !== 'plan') throw new Error(`expected a plan, came ${reply.kind}`);
      return reply;
    },
    async writeSamples(table, body, rows) {
      const reply = await ask({ kind: 'samples', table, rows, body });
      return reply.kind === 'stored' ? reply.rows : 0;
    },
    async writeBefore(rows) {
      await ask({ kind: 'before', rows });
    },
    async writeAfter(rows) {
      await ask({ kind: 'after', rows });
    },
  };
  const serve = async (task: EngineTask, of: DrainSettings): Promise<void> => {
    try {
      source ??= openKeptSource(of.library);
      const report = await drainEngine(source, of, task, store, (step) => {
        send({ kind: 'step', step });
      });
      send({ kind: 'done', report });
    } catch (thrown) {
      send({ kind: 'failed', error: carried(thrown) });
    }
  };
  readFrames<ToChild>(socket, (message) => {
    if (message.kind === 'settings') settings = message.settings;
    else if (message.kind === 'engine' && settings !== undefined) void serve(message.task, settings);
    else answer?.(message);
  });
}
