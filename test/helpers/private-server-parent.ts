/**
 * Starts a private server and stays: `node private-server-parent.ts DATA_DIR [worker]`. Prints one line of JSON when the
 * server answers. On SIGINT it asks the server once more, a moment later, prints the answer and exits.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, Worker } from 'node:worker_threads';

import { startServer } from '../../src/server/server.ts';

const INTERRUPT_PAUSE_MS = 300;
const [dataDir = '', thread] = process.argv.slice(2);

if (isMainThread && thread === 'worker') {
  // Off the main thread, the kernel cannot be asked to tell the server of our end: the watchdog has to do it.
  new Worker(new URL(import.meta.url), { argv: [dataDir] });
} else {
  const server = await startServer({ dataDir, life: 'private', ports: 'free' });
  if (isMainThread) {
    process.on('SIGINT', () => {
      void sleep(INTERRUPT_PAUSE_MS)
        .then(async () => await fetch(`${server.httpUrl}/exec?query=select%201`))
        .then((response) => {
          process.stdout.write(`${JSON.stringify({ afterInterrupt: response.status })}\n`);
          process.exit(0);
        });
    });
  }
  // Last, since the test acts at once on what it reads.
  process.stdout.write(`${JSON.stringify({ pid: server.pid, httpUrl: server.httpUrl })}\n`);
  setInterval(() => undefined, 60_000);
}
