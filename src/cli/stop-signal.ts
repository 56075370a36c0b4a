/** Resolves at the first SIGINT or SIGTERM. A second one ends the process at once, as people expect of Ctrl-C. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143));
        resolve(signal);
      });
    }
  });
}
