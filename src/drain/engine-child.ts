import { Socket } from 'node:net';
import { carried, errorFrom } from '../core/base/carried-error.ts';
import { drainEngine, type DrainSettings, type Handover } from './engine.ts';
import type { EngineTask } from './engines.ts';
import { CHILD_VARIABLE, readFrames, sendFrame } from './frames.ts';
import type { FromChild, ToChild } from './frames.ts';
import { openKeptSource, type KeptSource } from '../source/dcgm/kept-source.ts';

/**
 * The process that talks to engines: native calls may block for two minutes, and only the end of a process ends them. It
 * takes one engine after the other from the socket that it was started with, and ends with that socket.
 */
const SOCKET_FD = 3;
/** Portions on their way: one may be stored while the next one is made. */
const PORTIONS_UNDER_WAY_MAX = 2;

// Started by pool.ts; a bundle holds this file too and is then its own child.
if (process.env[CHILD_VARIABLE] === '1')
  serveEngines(new Socket({ fd: SOCKET_FD, readable: true, writable: true }));

function serveEngines(socket: Socket): void {
  let settings: DrainSettings | undefined;
  let source: KeptSource | undefined;
  let answer: ((message: ToChild) => void) | undefined;
  let underWay = 0;
  let onRoom: (() => void) | undefined;
  const wanting: (() => void)[] = [];
  const send = (message: FromChild): void => {
    sendFrame(socket, message);
  };
  const store: Handover = {
    async plan(gpus) {
      const reply = await new Promise<ToChild>((resolve) => {
        answer = resolve;
        send({ kind: 'ask', gpus });
      });
      if (reply.kind === 'refused') throw errorFrom(reply.error);
      if (reply.kind !== 'plan') throw new Error(`expected a plan, came ${reply.kind}`);
      return reply;
    },
    before(rows) {
      send({ kind: 'before', rows });
    },
    async samples(portion) {
      send({ kind: 'samples', ...portion });
      underWay += 1;
      while (underWay >= PORTIONS_UNDER_WAY_MAX) await new Promise<void>((resolve) => (onRoom = resolve));
    },
    after(rows) {
      send({ kind: 'after', rows });
    },
  };
  const serve = async (task: EngineTask, of: DrainSettings): Promise<void> => {
    try {
      source ??= openKeptSource(of.library);
      const { report, onStored } = await drainEngine(source, of, task, store, (step) => {
        send({ kind: 'step', step });
      });
      if (onStored !== undefined) wanting.push(onStored);
      send({ kind: 'done', report, wantsToKnow: onStored !== undefined });
    } catch (thrown) {
      send({ kind: 'failed', error: carried(thrown) });
    }
  };
  readFrames<ToChild>(socket, (message) => {
    switch (message.kind) {
      case 'settings':
        settings = message.settings;
        return;
      case 'engine':
        if (settings !== undefined) void serve(message.task, settings);
        return;
      case 'taken':
        underWay -= 1;
        onRoom?.();
        return;
      case 'finished': {
        const onStored = wanting.shift();
        if (message.isStored) onStored?.();
        return;
      }
      case 'plan':
      case 'refused':
        answer?.(message);
    }
  });
}
