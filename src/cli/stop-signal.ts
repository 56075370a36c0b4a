import { leave } from './leave.ts';

/** Resolves at the first SIGINT or SIGTERM. A second one ends the process at once, as people expect of Ctrl-C. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        process.once(signal, () => void leave(signal === 'SIGINT' ? 130 : 143));
        resolve(signal);
      });
    }
  });
}

export interface ReloadSignals {
  /** Resolves at the next SIGHUP; at once when one came since the last call was answered. */
  next(): Promise<void>;
}

/** From now on SIGHUP no longer ends the process. */
export function reloadSignals(): ReloadSignals {
  let isDue = false;
  let wake: (() => void) | undefined;
  process.on('SIGHUP', () => {
    isDue = true;
    wake?.();
  });
  return {
    async next() {
      if (!isDue)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      isDue = false;
    },
  };
}
