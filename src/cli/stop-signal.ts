import { leave } from './leave.ts';

/** `timeout` and shells signal a process and then its whole group: it hears one wish twice. */
const SAME_WITHIN_MS = 500;

/** Of a process that a signal ends. */
const EXIT_CODES = { SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 } as const;

/** Resolves at the first SIGINT, SIGQUIT or SIGTERM. A second wish ends the process at once, as people expect of Ctrl-C. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let first: { readonly signal: NodeJS.Signals; readonly atMs: number } | undefined;
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        const atMs = performance.now();
        if (first === undefined) {
          first = { signal, atMs };
          resolve(signal);
          return;
        }
        if (signal === first.signal && atMs - first.atMs < SAME_WITHIN_MS) return;
        void leave(EXIT_CODES[signal]);
      });
    }
  });
}

export interface ReloadSignals {
  /** Resolves at the next wish, at once when one came since the last call was answered. @returns what asked, for people: `SIGHUP` */
  next(): Promise<string>;
  /** A wish that is no signal. @param why for people */
  ask(why: string): void;
}

/** From now on SIGHUP no longer ends the process. */
export function reloadSignals(): ReloadSignals {
  let due: string | undefined;
  let wake: (() => void) | undefined;
  const ask = (why: string): void => {
    due = why;
    wake?.();
  };
  process.on('SIGHUP', () => {
    ask('SIGHUP');
  });
  return {
    ask,
    async next() {
      while (due === undefined)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      const why = due;
      due = undefined;
      return why;
    },
  };
}
