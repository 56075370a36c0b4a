const LOOK_MS = 500;

/**
 * Calls `onOrphaned` when the process that started this one is gone. Whoever kills `npm start` with SIGKILL gives it no
 * chance to pass the signal on; nothing of the demo may stay behind.
 */
export function watchParent(onOrphaned: () => void): void {
  const parentPid = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parentPid) return;
    clearInterval(timer);
    onOrphaned();
  }, LOOK_MS);
  timer.unref();
}
