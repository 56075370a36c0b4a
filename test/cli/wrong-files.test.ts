/**
 * Goal: what the system says of a file is told as that, with the way out, whichever command meets it. Method: files that
 * are none of what is expected, a disk that answers with each fault, and a process that may open few files.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { realDisk } from '../../src/disk/disk.ts';
import { expectRefusal, NO_STORE, runLine, SECRET } from '../helpers/command-line.ts';
import { ROOT, runToEnd } from '../helpers/run-process.ts';

vi.mock('../../src/cli/leave.ts', () => ({ leave: () => undefined, leaveStuckCalls: () => undefined }));

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-files-'));
  const write = (name: string, content: string | Buffer): void => {
    writeFileSync(join(directory, name), content);
  };
  write('empty', '');
  write('conf', NO_STORE);
  write('binary', Buffer.from([0, 1, 2, 0xff]));
  write('large.yaml', `node: ${'x'.repeat(2 << 20)}`);
  write('list.yaml', `- ${SECRET}`);
  write('text.yaml', SECRET);
  write('open.yaml', `node: "${SECRET}`);
  write('bomb.yaml', ['a: &a [x, x]', ...'bcdefghijk'.split('').map((c, i) => bombLine(c, i))].join('\n'));
  write('tabs.yaml', 'lanes:\n\t- name: x');
  write('twice.yaml', `node: a\nnode: ${SECRET}`);
  write('recording', '{"recording":1}\n');
  write('self.yaml', `a: &a\n  ${SECRET}: *a`);
  write('deep.yaml', `a: ${'['.repeat(20)}${']'.repeat(20)}`);
  write('deeper.yaml', `a: ${'['.repeat(20_000)}`);
  write('zero.yaml', 'state_dir: "a\\0b"');
  symlinkSync('loop', join(directory, 'loop'));
  execFileSync('mkfifo', [join(directory, 'pipe')]);
  mkdirSync(join(directory, 'state/delivery/gpu_t'), { recursive: true });
  write('state/status.json', '{"pid":"x"}');
  mkdirSync(join(directory, 'state/profiling-pause'));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function bombLine(name: string, index: number): string {
  const before = 'abcdefghij'[index]!;
  return `${name}: &${name} [${Array(9).fill(`*${before}`).join(', ')}]`;
}

const CONFIGS = [
  ...['empty/x', 'conf', 'binary', 'large.yaml', 'list.yaml', 'text.yaml', 'open.yaml'],
  ...['bomb.yaml', 'tabs.yaml', 'twice.yaml', 'loop', 'missing', '.'],
  ...['pipe', 'self.yaml', 'deep.yaml', 'deeper.yaml', 'zero.yaml'],
];

describe('a configuration that is none', () => {
  const COMMANDS = [
    ['config', 'check'],
    ['run'],
    ['collect', '--once'],
    ['drain'],
    ['status'],
    ['spool', 'status'],
    ['spool', 'replay'],
    ['report', 'job', '1'],
    ['report', 'capacity'],
    ['jobs', 'sync'],
    ['devices'],
    ['dmon', '-c', '1'],
    ['profiling', 'status'],
    ['schema', 'print'],
  ];
  test.each(CONFIGS)('%s: 78 from every command, and no word of what is in it', async (name) => {
    for (const command of COMMANDS) {
      const ended = await runLine([...command, '--config', join(directory, name)]);
      expectRefusal(ended);
      expect(ended.exitCode, ended.stderr).toBe(78);
      expect(ended.stderr).toContain(name === '.' ? directory : name);
    }
    const { exitCode } = await runLine(['status'], { GPULEDGER_CONFIG: join(directory, name) });
    expect(exitCode).toBe(78);
  });
});

describe('a place that is none', () => {
  const PLACES: readonly (readonly [
    what: string,
    line: readonly string[],
    exitCode: number,
    ...said: string[],
  ])[] = [
    ['state in a file', ['status', '--state-dir', '@/empty/x'], 78, 'ENOTDIR'],
    ['state in a loop', ['status', '--state-dir', '@/loop'], 78, 'ELOOP'],
    ['a status that is none', ['status', '--state-dir', '@/state'], 65, 'status.json'],
    [
      'a spool in a file',
      ['spool', 'drop', '--yes', '--state-dir', '@/empty/x'],
      78,
      'ENOTDIR',
      '--state-dir',
    ],
    ['a spool in /proc', ['spool', 'drop', '--yes', '--state-dir', '/proc/x'], 78, '/proc/x', '--state-dir'],
    ['a pause in a file', ['profiling', 'pause', '--state-dir', '@/empty'], 78, 'ENOTDIR', '@/empty'],
    ['a pause in /proc', ['profiling', 'pause', '--state-dir', '/proc/x'], 78, '/proc/x'],
    [
      'a journal in a file',
      ['job', 'end', '--job', '1', '--journal', '@/empty/x/y'],
      75,
      'ENOTDIR',
      '--journal',
    ],
    ['a journal in a loop', ['job', 'end', '--job', '1', '--journal', '@/loop'], 75, 'ELOOP', '--journal'],
    ['a journal that is a file', ['jobs', 'push', '--journal', '@/empty'], 64, 'ENOTDIR', '@/empty'],
    ['engines in a directory', ['drain', '--engines', '@'], 78, 'EISDIR', '@'],
    [
      'engines in a pipe of nobody',
      ['drain', '--engines', '@/pipe'],
      78,
      'nobody is at its other end',
      '@/pipe',
    ],
    ['engines without end', ['drain', '--engines', '/dev/zero'], 78, '1024 KiB', 'one engine a line'],
    ['counters in a pipe', ['config', 'check', '-f', '@/pipe'], 78, 'ENXIO', '@/pipe'],
    ['a library that is a pipe', ['dmon', '-c', '1', '--dcgm-library', '@/pipe'], 69, '@/pipe: a pipe'],
    ['engines in a loop', ['drain', '--engines', '@/loop'], 78, 'ELOOP', '@/loop'],
    ['no engines', ['drain', '--engines', '@/empty'], 78, 'one engine a line', '@/empty'],
    ['engines that are bytes', ['drain', '--engines', '@/binary'], 78, '@/binary, line 1'],
    ['a secret for engines', ['drain', '--engines', '@/conf'], 78, '@/conf, line 1'],
    ['a library that is a directory', ['dmon', '-c', '1', '--dcgm-library', '@'], 69, '@'],
    ['a library that is text', ['dmon', '-c', '1', '--dcgm-library', '@/conf'], 69, '@/conf'],
    ['counters in a directory', ['config', 'check', '-f', '@'], 78, 'EISDIR', '@'],
    ['counters that are bytes', ['config', 'check', '-f', '@/binary'], 78, '@/binary'],
    ['a secret for counters', ['config', 'check', '-f', '@/conf'], 78, '@/conf'],
    ['a demo in a file', ['demo', '--data', '@/empty/x'], 78, 'ENOTDIR', '@/empty/x'],
    ['a demo in /proc', ['demo', '--data', '/proc/x'], 78, '/proc/x'],
    ['a server in a file', ['questdb', 'start', '--data', '@/empty/x'], 78, 'ENOTDIR', '@/empty/x'],
    ['a server in /proc', ['questdb', 'start', '--data', '/proc/x'], 78, '/proc/x'],
    ['a server in a loop', ['questdb', 'status', '--data', '@/loop'], 78, 'ELOOP', '@/loop'],
  ];
  test.each(PLACES.map(([what, line, exitCode, ...said]) => ({ what, line, exitCode, said })))(
    '$what',
    async ({ line, exitCode, said }) => {
      const ended = await runLine(line.map((word) => word.replace('@', directory)));
      expectRefusal(ended);
      expect(ended.exitCode, ended.stderr).toBe(exitCode);
      for (const words of said) expect(ended.stderr).toContain(words.replace('@', directory));
    },
  );

  test.each([
    ['recording', 65],
    ['empty', 65],
    ['binary', 65],
    ['.', 78],
    ['loop', 78],
    ['pipe', 78],
    ['missing', 78],
  ])('%s is no recording', async (name, exitCode) => {
    const env = { GPULEDGER_SOURCE: 'recording', GPULEDGER_RECORDING_FILE: join(directory, name) };
    const ended = await runLine(['devices'], env);
    expectRefusal(ended);
    expect(ended.exitCode, ended.stderr).toBe(exitCode);
    expect(ended.stderr).toContain(join(directory, name));
  });
});

test.each([
  ['/dev/zero', '8 MiB'],
  ['@/missing', 'ENOENT'],
  ['@/pipe', 'ENXIO'],
  ['@/loop', 'ELOOP'],
  ['@', 'EISDIR'],
  ['@/empty', 'expected the columns ts and grams'],
  ['@/binary', 'costs.grams_file'],
  // What stands in it may be a secret that came to the wrong place.
  ['@/conf', 'expected the columns ts and grams'],
])('grams in %s: 78 from reports, and no word of what is in it', async (name, said) => {
  const file = name.replace('@', directory);
  for (const report of [['job', '1'], ['jobs'], ['capacity']]) {
    const ended = await runLine(['report', ...report], { GPULEDGER_COSTS_GRAMS_FILE: file });
    expectRefusal(ended);
    expect(ended.exitCode, ended.stderr).toBe(78);
    for (const words of [said, file, 'costs.grams_file']) expect(ended.stderr).toContain(words);
  }
});

test.each([
  ['/dev/zero', '4096 KiB'],
  ['@/pipe', 'ENXIO'],
  ['@', 'EISDIR'],
])('certificates in %s: 78, and how to name others', async (name, said) => {
  const conf = `https::addr=127.0.0.1:1;tls_ca=${name.replace('@', directory)};token=${SECRET};`;
  const ended = await runLine(['report', 'job', '1'], { QDB_CLIENT_CONF: conf });
  expectRefusal(ended);
  expect(ended.exitCode, ended.stderr).toBe(78);
  for (const words of [said, 'tls_ca=/path/ca.pem']) expect(ended.stderr).toContain(words);
});

describe('a disk that does not', () => {
  const FAULTS = [
    ...([
      ['EACCES', 77, 'run this as a user'],
      ['EPERM', 77, 'run this as a user'],
    ] as const),
    ...([
      ['EROFS', 77, 'mount it'],
      ['ENOSPC', 75, 'free some space'],
    ] as const),
    ...([
      ['EDQUOT', 75, 'free some space'],
      ['EMFILE', 75, 'ulimit -n'],
    ] as const),
    ...([
      ['ENFILE', 75, 'fs.file-max'],
      ['EIO', 75, 'dmesg'],
      ['EFBIG', 75, 'ulimit -f'],
    ] as const),
  ] as const;
  /** Where each of them writes or reads through `realDisk`. */
  const LINES = [
    ['profiling', 'pause', '--state-dir', '@/state'],
    ['status', '--state-dir', '@/state'],
    ['job', 'end', '--job', '1', '--journal', '@/state'],
    ['spool', 'drop', '--yes', '--state-dir', '@/state'],
  ];
  test.each(FAULTS)('%s ends with %i', async (code, exitCode, hint) => {
    for (const line of LINES) {
      const fail = (): never => {
        throw Object.assign(new Error(`${code}: some words, open '/x'`), { code, syscall: 'open' });
      };
      const spies = (['open', 'read', 'append', 'makeDirectory'] as const).map((method) =>
        vi.spyOn(realDisk, method).mockImplementation(fail),
      );
      const ended = await runLine(line.map((word) => word.replace('@', directory)));
      for (const spy of spies) spy.mockRestore();
      expectRefusal(ended);
      expect(ended.stderr).toContain(`(${code})`);
      if (line[0] === 'job') continue;
      expect(ended.exitCode, `${line.join(' ')}: ${ended.stderr}`).toBe(exitCode);
      expect(ended.stderr).toContain(hint);
      // To name another directory opens no more files.
      if (code === 'EMFILE' || code === 'ENFILE') expect(ended.stderr).not.toContain('--state-dir');
    }
  });

  test('what nobody has put into words is no defect either', async () => {
    const { reportFailure } = await import('../../src/cli/failure.ts');
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const error = Object.assign(new Error('EROFS: read-only file system, mkdir'), {
      ...{ code: 'EROFS', syscall: 'mkdir', path: '/x/y' },
    });
    expect(reportFailure(error)).toBe(77);
    const said = write.mock.calls.map(([text]) => String(text)).join('');
    write.mockRestore();
    expect(said).toMatch(
      /^error: a file or directory cannot be used \(mkdir\): the file system is read-only \(EROFS\)\n {2}\/x\/y\n/,
    );
  });

  test.each([
    [['collect', '--once', '--source', 'synthetic']],
    [['spool', 'replay']],
    [['profiling', 'pause']],
    [['fields']],
  ])('a process that may open few files: %j says so, or does without', async (line) => {
    for (const files of [24, 28, 34]) {
      const command = `ulimit -n ${files}; exec "$@"`;
      const program = [process.execPath, `${ROOT}bin/gpuledger.js`, ...line];
      const env = { QDB_CLIENT_CONF: NO_STORE, GPULEDGER_STATE_DIR: join(directory, 'few'), HOME: directory };
      const ended = await runToEnd('/bin/sh', ['-c', command, 'sh', ...program], { env });
      expect(ended.stderr, String(files)).not.toMatch(/defect|^ +at /m);
      expect([0, 69, 75], ended.stderr).toContain(ended.exitCode);
    }
  });
});
