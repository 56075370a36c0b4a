import { expect, test } from 'vitest';
import { runToEnd } from '../helpers/run-process.ts';

/** The kernel makes one of two signals that nobody has heard yet, so the process hears them from itself. */
const SCRIPT = `
  const { stopSignal } = await import(${JSON.stringify(new URL('../../src/cli/stop-signal.ts', import.meta.url).href)});
  const stopped = stopSignal();
  for (const signal of process.argv.slice(1)) {
    const [name, afterMs] = signal.split(':');
    await new Promise((resolve) => setTimeout(resolve, Number(afterMs)));
    process.emit(name);
  }
  // Time for a second wish to end it: nothing is written where it did.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  console.log(await stopped);
`;

test.each([
  ['one', ['SIGTERM:0'], 0, 'SIGTERM\n'],
  [
    'the same at once, as `timeout` and shells send it',
    ['SIGTERM:0', 'SIGTERM:0', 'SIGTERM:0'],
    0,
    'SIGTERM\n',
  ],
  ['another one at once', ['SIGTERM:0', 'SIGINT:0'], 130, ''],
  ['the same, said again', ['SIGTERM:0', 'SIGTERM:600'], 143, ''],
  ['one of those that end dcgm-exporter', ['SIGQUIT:0'], 0, 'SIGQUIT\n'],
  ['Ctrl-\\ twice', ['SIGQUIT:0', 'SIGQUIT:600'], 131, ''],
  ['Ctrl-C twice', ['SIGINT:0', 'SIGINT:600'], 130, ''],
])(
  '%s: a second wish ends it at once, the echo of the first does not',
  async (_, signals, exitCode, stdout) => {
    const ended = await runToEnd(process.execPath, ['--input-type=module', '--eval', SCRIPT, ...signals]);
    expect(ended).toMatchObject({ exitCode, stdout });
  },
);
