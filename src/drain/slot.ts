import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { codeUrl } from '../core/base/code-url.ts';
import type { EngineTask } from './engines.ts';
import { CHILD_VARIABLE, readFrames, type FromChild } from './frames.ts';

/** A process that asks one engine after the other. */
export interface Slot {
  readonly child: ChildProcess;
  readonly socket: Socket;
  task: EngineTask | undefined;
  /** What it said last that it was about to do. */
  step: string;
  /** `performance.now()` when it was last heard. */
  heardMs: number;
  /** Answers that we owe it: while there are any, its silence may be ours. */
  owed: number;
  /** Resolves when everything that it handed over is stored or given up. */
  stored: Promise<void>;
  /** Whoever has the slot now hears it; `how` it ended. */
  hear: (message: FromChild) => void;
  gone: (how: string) => void;
}

/** Processes between two drains: those of a warm function have the library loaded already. */
export interface WarmSlots {
  take(): Slot | undefined;
  give(slot: Slot): void;
  close(): void;
}

/**
 * Keeps up to `most` idle processes; they do not hold the process open that keeps them.
 * @param started processes that were started in advance
 */
export function createWarmSlots(most: number, started: readonly Slot[] = []): WarmSlots {
  const idle = new Set<Slot>(started);
  return {
    take() {
      const [slot] = idle;
      if (slot === undefined) return undefined;
      idle.delete(slot);
      slot.child.ref();
      slot.socket.ref();
      return slot;
    },
    give(slot) {
      if (idle.size >= most) {
        slot.socket.end();
        return;
      }
      slot.child.unref();
      slot.socket.unref();
      slot.gone = () => idle.delete(slot);
      idle.add(slot);
    },
    close() {
      for (const slot of idle) slot.socket.end();
      idle.clear();
    },
  };
}

/** What an engine brings is short-lived and small: a young generation of the usual 16 MB would only cost memory. */
const HEAP_FLAG = '--max-semi-space-size=4';

export function startSlot(): Slot {
  const child = spawn(process.execPath, [HEAP_FLAG, childProgram()], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    env: { ...process.env, [CHILD_VARIABLE]: '1' },
  });
  const slot: Slot = {
    child,
    socket: child.stdio[3] as Socket,
    task: undefined,
    step: 'start',
    heardMs: performance.now(),
    owed: 0,
    stored: Promise.resolve(),
    hear: () => undefined,
    gone: () => undefined,
  };
  readFrames<FromChild>(slot.socket, (message) => {
    slot.hear(message);
  });
  child.on('error', (error) => {
    slot.gone(`the process that asks the engine could not be started: ${error.message}`);
  });
  child.on('exit', (code, signal) => {
    slot.gone(
      `the process that asked the engine ended (${signal ?? `exit code ${code ?? '?'}`}) at: ${slot.step}`,
    );
  });
  slot.socket.on('error', () => {
    slot.gone(`the process that asked the engine went away at: ${slot.step}`);
  });
  return slot;
}

function childProgram(): string {
  const beside = fileURLToPath(codeUrl('./engine-child.ts', import.meta.url));
  // In a bundle there is nothing beside: it holds the child itself.
  return existsSync(beside) ? beside : fileURLToPath(import.meta.url);
}
