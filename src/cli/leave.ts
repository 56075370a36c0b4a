/** A worker that sits in a native call has this long to come back once the command is over. */
const STUCK_PATIENCE_MS = 2_000;

/**
 * Ends the process at once. `process.exit` would wait for a worker that sits in a native call, and a stopped host engine
 * holds one for two minutes. Whoever calls this has written everything that is to be kept.
 */
export async function leave(code: number): Promise<void> {
  try {
    const { exitNow } = await import('../../native/exit-now.ts');
    exitNow(code);
  } catch {
    // Where koffi cannot be loaded no native call holds the process.
    process.exit(code);
  }
}

/** For a command that is over: the process ends by itself, or is ended when a native call holds it. */
export function leaveStuckCalls(code: number): void {
  setTimeout(() => void leave(code), STUCK_PATIENCE_MS).unref();
}
