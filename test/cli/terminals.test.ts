/**
 * Goal: whatever the terminal, a report can be read on it: no line is wider than 60 columns, and no colour is where none is wanted.
 * Method: the built command on a real terminal (`script`, of every Debian) over a store with the demo and odder things.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';
import { HOSTILE } from '../queries/history.ts';
import { openPanelStore, type PanelStore } from '../infra/grafana/store.ts';
import { startTestQuestdb } from '../helpers/questdb.ts';
import { ROOT, runToEnd } from '../helpers/run-process.ts';

const WIDTH = 60;
const UNTIL = ['--since', '24h', '--to', '2025-06-11T14:00:00Z'];

let store: PanelStore;
let conf = '';
beforeAll(async () => {
  store = await openPanelStore(async () => {
    const server = await startTestQuestdb();
    conf = server.conf;
    return server;
  });
});
afterAll(async () => {
  await store.stop();
});

const COSTS = {
  GPULEDGER_COSTS_CURRENCY: 'EUR',
  GPULEDGER_COSTS_GPU_HOUR: 'NVIDIA H200=3.20, other=0.5',
  GPULEDGER_COSTS_KWH: '0.19',
  GPULEDGER_COSTS_GRAMS_PER_KWH: '120',
};

/** Node asks all of these for colours; what runs the tests, or a CI, may have set any. */
const PLAIN_TERMINAL = {
  TERM: 'xterm-256color',
  ...Object.fromEntries(
    ['CI', 'NO_COLOR', 'FORCE_COLOR', 'NODE_DISABLE_COLORS', 'COLORTERM', 'TMUX'].map((name) => [
      name,
      undefined,
    ]),
  ),
};

/** What a terminal of that width is shown; what is said beside it on stderr is left out. */
async function onTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<{ exitCode: number | null; text: string; lines: string[] }> {
  const words = [process.execPath, `${ROOT}bin/gpuledger.js`, ...args].map(
    (word) => `'${word.replaceAll("'", String.raw`'\''`)}'`,
  );
  const line = `stty cols ${WIDTH} rows 40; ${words.join(' ')} 2>/dev/null`;
  const { exitCode, stdout } = await runToEnd('script', ['-qec', line, '/dev/null'], {
    env: { ...PLAIN_TERMINAL, QDB_CLIENT_CONF: conf, ...COSTS, ...env },
  });
  return { exitCode, text: stdout, lines: stripVTControlCharacters(stdout).split(/\r?\n/) };
}

const REPORTS: readonly (readonly string[])[] = [
  ...['4217', '4225', '4230'].map((job) => ['report', 'job', job]),
  ['report', 'job', '4217', '--all'],
  ['report', 'job', HOSTILE],
  ['report', 'job', '4217', '4225'],
  ['report', 'jobs', ...UNTIL],
  ['report', 'jobs', ...UNTIL, '--all', '--sort', 'cost'],
  ['report', 'user', 'ada', ...UNTIL],
  ...[
    'user',
    'account',
    'partition',
    'qos',
    'node',
    'model',
    'cluster',
    'hour',
    'day',
    'account,model,hour',
  ].map((by) => [...['report', 'capacity', ...UNTIL, '--by', by]]),
  ['report', 'capacity', ...UNTIL, '--by', 'user', '--top', '2'],
  ['report', 'forecast'],
  ['report', 'queue', ...UNTIL],
  ['report', 'reliability', ...UNTIL],
  ['report', 'right-size', ...UNTIL],
  ['report', 'right-size', ...UNTIL, '--what-if', 'mig=1g.18gb:7'],
  ...['account', 'user', 'device'].map((by) => ['report', 'bill', '--month', '2025-06', '--by', by]),
  ['watch-idle'],
  ['query'],
  ['query', 'job-phases'],
  ['query', 'run', 'job-devices', 'job=4217'],
  ['query', 'run', 'collectors', 'at=2024-09-02T10:13:00Z'],
  ['query', 'run', 'sent-lately', 'at=2025-06-11T14:00:00Z'],
  ['devices', '--source', 'synthetic'],
];

test.each(REPORTS.map((args) => [args.join(' ').slice(0, 70), args] as const))('%s fits', async (_, args) => {
  const { exitCode, text, lines } = await onTerminal(args);
  // 78 is a draft of a bill, of models without a price.
  expect([0, args.includes('bill') ? 78 : 0]).toContain(exitCode);
  expect(text.length).toBeGreaterThan(80);
  // Commands for copying stay whole.
  const prose = lines.filter((line) => !/^(to run it|its SQL): /.test(line));
  expect(prose.filter((line) => stringWidth(line) > WIDTH)).toEqual([]);
});

describe('colours', () => {
  const ESCAPE = '\u001b[';
  const args = ['report', 'job', '4217'];

  test('are there where a terminal has them', async () => {
    expect((await onTerminal(args)).text).toContain(ESCAPE);
  });

  test.each([[{ NO_COLOR: '1' }], [{ TERM: 'dumb' }]])('are not there with %o', async (env) => {
    const plain = await onTerminal(args, env);
    expect(plain.text).not.toContain(ESCAPE);
    expect(plain.lines).toEqual((await onTerminal(args)).lines);
  });
});

test('a locale of C changes no letter: what is printed is UTF-8', async () => {
  const { text } = await onTerminal(['report', 'job', '4217'], { LANG: 'C', LC_ALL: 'C' });
  expect(text).toBe(
    (await onTerminal(['report', 'job', '4217'], { LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8' })).text,
  );
});
