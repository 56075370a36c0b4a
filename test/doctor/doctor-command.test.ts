/** `gpuledger doctor` as people and monitoring have it: what is printed, how wide, with which code. */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { isAtHand, nvmlWanted } from '../../native/library-places.ts';
import type { DoctorReport } from '../../schemas/reports/doctor.ts';
import { doctorText } from '../../src/cli/doctor/doctor-text.ts';
import { exitOf, type Finding } from '../../src/doctor/examine.ts';
import { connectionsText, roomIn } from '../../src/doctor/store/server.ts';
import { runCommand } from '../helpers/run-process.ts';

const schema = new URL('../../infra/schemas/doctor.schema.json', import.meta.url);
const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(
  JSON.parse(readFileSync(schema, 'utf8')) as Record<string, unknown>,
);
const NOWHERE = { QDB_CLIENT_CONF: 'http::addr=127.0.0.1:1;', HOME: '/nonexistent' };

const report: DoctorReport = {
  parts: ['node', 'store'],
  because: 'it has a library of GPUs',
  exitCode: 69,
  checks: [
    {
      part: 'node',
      check: 'clock',
      state: 'fine',
      what: 'kept right, at most 1.2 ms off',
      why: 'x',
      mend: [],
    },
    {
      ...{ part: 'node', check: 'job journal', state: 'wrong' },
      what: '/run/gpuledger/jobs is root:root 1777: every user may enter, and could give GPUs away',
      why: 'a hook that may not write there records nothing and says nothing, and its jobs own no GPU time',
      mend: ['chmod 3770 /run/gpuledger/jobs'],
    },
    {
      ...{ part: 'store', check: 'schema', state: 'untold', what: 'the store does not answer', why: 'x' },
      mend: [],
    },
  ],
};

test('a line for what is fine; why and what to do for what is not; nothing beyond 60 columns', () => {
  expect(doctorText(report, 60)).toBe(`\
looked at: node, store: it has a library of GPUs

node
  fine      clock        kept right, at most 1.2 ms off
  wrong     job journal  /run/gpuledger/jobs is root:root
              1777: every user may enter, and could give
              GPUs away
            why: a hook that may not write there records
              nothing and says nothing, and its jobs own no
              GPU time
            do:  chmod 3770 /run/gpuledger/jobs

store
  not told  schema       the store does not answer

1 wrong, 1 not told, 1 fine
`);
  for (const width of [60, 80, 110, Infinity])
    for (const line of doctorText(report, width).split('\n'))
      expect(line.length).toBeLessThanOrEqual(Math.min(width, 110));
});

test('a path that has no room beside the name has a line of its own, and stays whole', () => {
  const path = '/usr/lib/systemd/system/gpuledger.service';
  const [, found] = report.checks;
  const check = {
    ...found!,
    check: 'suspended tables',
    what: `${path} was edited, or is of another version`,
  };
  const lines = doctorText({ ...report, checks: [check] }, 60).split('\n');
  expect(lines.slice(3, 6)).toEqual([
    '  wrong     suspended tables',
    `              ${path} was`,
    '              edited, or is of another version',
  ]);
});

test.each([
  [-1, 'any number of connections'],
  [1, 'at most 1 connection'],
  [256, 'at most 256 connections'],
  [NaN, 'and the server does not tell how many connections it allows'],
])('a limit of %d: %s', (limit, text) => {
  expect(connectionsText(limit)).toBe(text);
});

test('what a file or a server says is shown, not obeyed', () => {
  const [first] = report.checks;
  const text = doctorText({ ...report, checks: [{ ...first!, what: 'a\u001b[2J\nb\u202ec' }] }, 80);
  expect(text).toContain('a␛[2J␊b<U+202E>c');
});

test.each<[string, readonly Finding['outcome'][], string]>([
  ['all fine', [{ state: 'fine', what: '' }], 'ok'],
  ['nothing looked at', [], 'ok'],
  ['something untold', [{ state: 'untold', what: '', mend: [], lacksRights: false }], 'temporary'],
  [
    'something untold for lack of rights',
    [
      { state: 'untold', what: '', mend: [], lacksRights: false },
      { state: 'untold', what: '', mend: [], lacksRights: true },
    ],
    'permission',
  ],
  [
    'something wrong beside that',
    [
      { state: 'untold', what: '', mend: [], lacksRights: true },
      { state: 'wrong', what: '', mend: [] },
    ],
    'unavailable',
  ],
])('exit code: %s', (_, outcomes, expected) => {
  expect(exitOf(outcomes.map((outcome) => ({ part: 'node', check: 'x', why: '', outcome })))).toBe(expected);
});

test.each<[number, number, string, string]>([
  [50, 1000, 'fine', '50 KiB of 1000 KiB are free in /data'],
  [49, 1000, 'wrong', '49 KiB of 1000 KiB are free in /data'],
  [0, 1000, 'wrong', '0 bytes of 1000 KiB are free in /data'],
  [2 ** 31, 2 ** 32, 'fine', '2 TiB of 4 TiB are free in /data'],
])('a disk with %d of %d KiB free: %s', (bavail, blocks, state, what) => {
  expect(roomIn('/data', { bavail, blocks, bsize: 1024 })).toMatchObject({ state, what });
});

test('--json is what its schema says, and nothing is on standard error', async () => {
  const { exitCode, stdout, stderr } = await runCommand(['doctor', '--store', '--reader', '--json'], {
    env: NOWHERE,
  });
  const found = JSON.parse(stdout) as DoctorReport;
  expect([exitCode, stderr, found.exitCode]).toEqual([69, '', 69]);
  validate(found);
  expect(validate.errors).toBeNull();
  expect(found.parts).toEqual(['store', 'reader']);
  const wrong = found.checks
    .filter(({ state }) => state === 'wrong')
    .map(({ part, check }) => `${part} ${check}`);
  expect(wrong).toEqual(['store store', 'reader store']);
});

test.skipIf(isAtHand(nvmlWanted(undefined)))(
  'a machine without GPUs and without a collector is a reader, and that is said',
  async () => {
    const { stdout } = await runCommand(['doctor'], { env: NOWHERE });
    expect(stdout).toMatch(/^looked at: reader: it has no library of GPUs, and no collector is enabled\n/);
  },
);

test('nothing but flags is taken', async () => {
  const { exitCode, stderr } = await runCommand(['doctor', 'n1']);
  expect(exitCode).toBe(64);
  expect(stderr).toContain('too many arguments');
});
