import type { CarriedError } from '../core/base/carried-error.ts';
import type { DrainSettings, EngineStore } from './engine.ts';
import type { EngineTask } from './engines.ts';
import type { EngineReport } from './report.ts';
import { sendFrame } from './frames.ts';
import type { FromChild } from './frames.ts';
import { receiveEngine, type Receipt } from './receipt.ts';
import { startSlot, type Slot, type WarmSlots } from './slot.ts';

export type EngineOutcome =
  | { readonly kind: 'drained'; readonly report: EngineReport }
  | { readonly kind: 'failed'; readonly task: EngineTask; readonly error: CarriedError };

export interface PoolOptions {
  /** Engines that are asked at the same time. */
  readonly concurrency: number;
  /** When everything ends, whatever engines do; ms of `performance.now()`. */
  readonly deadlineMs: number;
  readonly store: EngineStore;
  /** Where processes come from and go to that outlive a drain; absent: they end with it. */
  readonly warm?: WarmSlots;
}

/** A call that is silent for so long does not hold its slot any more: another process takes the next engine. */
const SILENT_MS = 2_000;
/** The same for one that has not said a word yet: on a busy machine a process takes seconds to start. */
const START_MS = 20_000;
/** A call that is silent for so long is given up, and its process ended. */
const HANGING_MS = 10_000;
/** Processes that sit in silent calls beside those that work; beyond, the longest silent is given up at once. */
const SILENT_PROCESSES_MAX = 3;
/** What a process does before it names its first step. */
const STARTING = 'start';
const WATCH_EVERY_MS = 100;

/** Drains engines by child processes. @returns one outcome per task, in their order. */
export async function drainByProcesses(
  tasks: readonly EngineTask[],
  settings: DrainSettings,
  options: PoolOptions,
): Promise<readonly EngineOutcome[]> {
  const outcomes = new Map<EngineTask, EngineOutcome>();
  const waiting = [...tasks];
  const slots = new Set<Slot>();
  /** Engines that have handed over everything. */
  const storing = new Set<EngineTask>();
  const receipts = new Map<Slot, Receipt>();
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });

  const settle = (task: EngineTask, outcome: EngineOutcome): void => {
    outcomes.set(task, outcome);
    if (outcomes.size === tasks.length) finish();
  };
  const fail = (slot: Slot, error: CarriedError): void => {
    slots.delete(slot);
    slot.child.kill('SIGKILL');
    slot.socket.destroy();
    if (slot.task !== undefined) settle(slot.task, { kind: 'failed', task: slot.task, error });
    fill();
  };
  const assign = (slot: Slot): void => {
    const task = isBusyElsewhere() ? undefined : waiting.shift();
    slot.task = task;
    slot.step = STARTING;
    slot.heardMs = performance.now();
    if (task === undefined) {
      retire(slot);
      return;
    }
    receipts.set(slot, receiveEngine(slot, options.store));
    sendFrame(slot.socket, { kind: 'engine', task });
  };
  const retire = (slot: Slot): void => {
    slots.delete(slot);
    receipts.delete(slot);
    if (options.warm === undefined) slot.socket.end();
    else options.warm.give(slot);
  };
  const retireOnceStored = async (slot: Slot): Promise<void> => {
    slot.task = undefined;
    await slot.stored;
    if (slots.has(slot)) retire(slot);
  };
  /** A slot that answers again after another has taken its place is not needed any more. */
  const isBusyElsewhere = (): boolean => working().length > options.concurrency;
  const working = (): Slot[] => [...slots].filter((slot) => !isSilent(slot));
  const start = (): void => {
    const slot = options.warm?.take() ?? startSlot();
    slots.add(slot);
    slot.hear = (message) => {
      if (slots.has(slot)) hear(slot, message);
    };
    slot.gone = (how) => {
      if (slots.has(slot)) fail(slot, { code: 'drain.process', exit: 'software', message: how });
    };
    sendFrame(slot.socket, { kind: 'settings', settings });
    assign(slot);
  };
  const hear = (slot: Slot, message: FromChild): void => {
    slot.heardMs = performance.now();
    const task = slot.task!;
    const receipt = receipts.get(slot)!;
    switch (message.kind) {
      case 'step':
        slot.step = message.step;
        return;
      case 'failed':
        assign(slot);
        settle(task, { kind: 'failed', task, error: message.error });
        return;
      case 'done':
        // What was handed over is stored while the process asks the next engine.
        storing.add(task);
        void receipt.finish(message).then((outcome) => {
          settle(task, outcome.kind === 'failed' ? { ...outcome, task } : outcome);
        });
        // Whoever wants to know what came of it stays until then.
        if (message.wantsToKnow && waiting.length === 0) void retireOnceStored(slot);
        else assign(slot);
        return;
      case 'ask':
      case 'samples':
      case 'before':
      case 'after':
        receipt.accept(message);
    }
  };
  const fill = (): void => {
    while (waiting.length > 0 && working().length < options.concurrency) start();
  };
  const watch = (): void => {
    const now = performance.now();
    if (now >= options.deadlineMs) {
      finish();
      return;
    }
    const silent = [...slots].filter(isSilent).sort((a, b) => a.heardMs - b.heardMs);
    const excess = silent.slice(0, Math.max(0, silent.length - SILENT_PROCESSES_MAX));
    const lost = silent.filter((slot) => now - slot.heardMs >= HANGING_MS || excess.includes(slot));
    for (const slot of lost) fail(slot, hanging(slot));
    fill();
  };

  fill();
  const timer = setInterval(watch, WATCH_EVERY_MS);
  if (tasks.length > 0) await finished;
  clearInterval(timer);
  for (const slot of [...slots]) {
    if (slot.task === undefined || outcomes.has(slot.task)) {
      retire(slot);
      continue;
    }
    slots.delete(slot);
    outcomes.set(slot.task, { kind: 'failed', task: slot.task, error: hanging(slot) });
    slot.child.kill('SIGKILL');
    slot.socket.destroy();
  }
  return tasks.map((task) => {
    const error = storing.has(task) ? NOT_STORED : NOT_REACHED;
    return outcomes.get(task) ?? { kind: 'failed', task, error };
  });
}

const NOT_STORED: CarriedError = {
  code: 'drain.not_stored',
  exit: 'temporary',
  message: 'the deadline came while its rows were being stored',
  hints: ['what it keeps is fetched by the next drain'],
};

const NOT_REACHED: CarriedError = {
  code: 'drain.not_reached',
  exit: 'temporary',
  message: 'the deadline came before its turn',
  hints: ['give more time (--deadline) or ask more engines at once (--concurrency)'],
};

function isSilent(slot: Slot): boolean {
  const patienceMs = slot.step === STARTING ? START_MS : SILENT_MS;
  return slot.task !== undefined && slot.owed === 0 && performance.now() - slot.heardMs >= patienceMs;
}

function hanging(slot: Slot): CarriedError {
  if (slot.owed > 0) return NOT_STORED;
  const seconds = ((performance.now() - slot.heardMs) / 1000).toFixed(1);
  return {
    code: 'drain.hanging',
    exit: 'temporary',
    message: `hangs: no answer for ${seconds} s at: ${slot.step}`,
    hints: ['what it keeps is fetched by the next drain'],
  };
}
