import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseMapFile } from '../../../schemas/map-file.ts';
import type { Device } from '../../../src/core/devices/device.ts';
import { Ownership } from '../../../src/core/jobs/ownership.ts';
import type { JobInput, JobNews } from '../../../src/core/jobs/job-fact.ts';
import { createMapDirInput } from '../../../src/ownership/pictures/map-dir.ts';

const BOOT_US = 1_700_000_000e6;
const T0_US = BOOT_US + 1000e6;
const GPU: Device = { uuid: 'GPU-0', node: 'n1', index: 0, model: 'X', memoryBytes: 1 };
const DEVICES: readonly Device[] = [
  GPU,
  { ...GPU, uuid: 'GPU-1', index: 1 },
  { ...GPU, uuid: 'MIG-2-3', index: 2, gpuInstanceId: 3, parentUuid: 'GPU-2' },
];

let directory: string;
let input: JobInput;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-map-'));
  input = createMapDirInput({ directory, devices: DEVICES, bootUs: BOOT_US });
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function put(name: string, content: string | Uint8Array, atUs: number): void {
  const path = join(directory, name);
  writeFileSync(path, content);
  utimesSync(path, atUs / 1e6, atUs / 1e6);
}
function remove(name: string, atUs: number): void {
  rmSync(join(directory, name));
  utimesSync(directory, atUs / 1e6, atUs / 1e6);
}
const told = (news: JobNews): string[] =>
  news.facts.map((fact) => `${fact.kind} ${fact.jobId} on ${fact.gpu} at ${(fact.atUs - T0_US) / 1e6}`);
const codes = (news: JobNews): string[] => (news.problems ?? []).map((problem) => problem.code);
const at = (s: number): number => T0_US + s * 1e6;

describe('the grammar of a map file', () => {
  test.each([
    { what: 'one id', text: '4217\n', jobIds: ['4217'] },
    { what: 'no last newline', text: '4217', jobIds: ['4217'] },
    { what: 'CRLF', text: '4217\r\n4218\r\n', jobIds: ['4217', '4218'] },
    { what: 'blank lines', text: '\n  \n4217\n\r\n\n', jobIds: ['4217'] },
    { what: 'duplicates', text: '4217\n4218\n4217\n', jobIds: ['4217', '4218'] },
    { what: 'free text, verbatim', text: ' "a, b=c" \\ ä🎉\n', jobIds: [' "a, b=c" \\ ä🎉'] },
    { what: 'empty', text: '', jobIds: [] },
    { what: '256 characters', text: 'x'.repeat(256), jobIds: ['x'.repeat(256)] },
  ])('$what', ({ text, jobIds }) => {
    expect(parseMapFile(Buffer.from(text))).toEqual({ jobIds, faults: [] });
  });

  test.each([
    {
      what: '257 characters',
      content: Buffer.from(`7\n${'x'.repeat(257)}\n8`),
      jobIds: ['7', '8'],
      fault: /^line 2: .*found 257/,
    },
    {
      what: 'a line of 64 KiB',
      content: Buffer.from('x'.repeat(65536)),
      jobIds: [],
      fault: /line of 65536 characters/,
    },
    { what: 'a NUL', content: Buffer.from('7\0\n'), jobIds: [], fault: /control characters/ },
    {
      what: 'an escape sequence',
      content: Buffer.from('\u001b[31m7\n8\n'),
      jobIds: ['8'],
      fault: /control characters/,
    },
    { what: 'no UTF-8', content: Uint8Array.of(0x37, 0xff, 0x0a, 0x38), jobIds: ['8'], fault: /no UTF-8/ },
  ])('refuses $what', ({ content, jobIds, fault }) => {
    const file = parseMapFile(content);
    expect(file.jobIds).toEqual(jobIds);
    expect(file.faults).toEqual([expect.stringMatching(fault)]);
  });
});

describe('boundaries come from change times', () => {
  test('a file that appears, changes and goes', () => {
    put('0', '7\n', at(1));
    expect(told(input.read(at(2)))).toEqual(['start 7 on GPU-0 at 1']);
    expect(told(input.read(at(3)))).toEqual([]);
    put('0', '8\n', at(4));
    expect(told(input.read(at(5)))).toEqual(['end 7 on GPU-0 at 4', 'start 8 on GPU-0 at 4']);
    remove('0', at(6));
    expect(told(input.read(at(9)))).toEqual(['end 8 on GPU-0 at 6']);
  });

  test('a second job joins and the first one leaves; a truncated file is the end', () => {
    put('1', '7\n', at(1));
    input.read(at(2));
    put('1', '7\n8\n', at(3));
    expect(told(input.read(at(4)))).toEqual(['start 8 on GPU-1 at 3']);
    put('1', '8\n', at(5));
    expect(told(input.read(at(6)))).toEqual(['end 7 on GPU-1 at 5']);
    put('1', '', at(7));
    expect(told(input.read(at(8)))).toEqual(['end 8 on GPU-1 at 7']);
  });

  test('a MIG instance is named index.instance, and the file of the bare index is not its own', () => {
    put('2.3', '7\n', at(1));
    put('2', '8\n', at(1));
    const news = input.read(at(2));
    expect(told(news)).toEqual(['start 7 on MIG-2-3 at 1']);
    expect(news.problems).toMatchObject([{ code: 'map_dir.unknown_device', where: join(directory, '2') }]);
    expect(news.problems?.[0]?.hints[0]).toContain('2.<GPU instance id>');
  });

  test('two contents with the same change time and size are told apart', () => {
    put('0', '7\n', at(1));
    expect(told(input.read(at(1)))).toEqual(['start 7 on GPU-0 at 1']);
    const path = join(directory, '0');
    const written = at(1) / 1e6;
    writeFileSync(path, '8\n');
    utimesSync(path, written, written);
    expect(told(input.read(at(2)))).toEqual(['end 7 on GPU-0 at 1', 'start 8 on GPU-0 at 1']);
  });

  test('a file renamed over another is read as the new one', () => {
    put('0', '7\n', at(1));
    input.read(at(2));
    put('.tmp-1', '8\n', at(3));
    renameSync(join(directory, '.tmp-1'), join(directory, '0'));
    expect(told(input.read(at(4)))).toEqual(['end 7 on GPU-0 at 3', 'start 8 on GPU-0 at 3']);
  });

  test('a fact is not told before its time', () => {
    put('0', '7\n', at(1.5));
    expect(told(input.read(at(1)))).toEqual([]);
    expect(told(input.read(at(2)))).toEqual(['start 7 on GPU-0 at 1.5']);
  });

  test('a change time far in the future is taken as now, and said so once', () => {
    put('0', '7\n', at(3600));
    const news = input.read(at(2));
    expect(told(news)).toEqual(['start 7 on GPU-0 at 2']);
    expect(codes(news)).toEqual(['map_dir.time_ahead']);
    expect(input.read(at(3))).toMatchObject({ facts: [], problems: [] });
  });

  test('a clock set back between start and end leaves no negative interval', () => {
    put('0', '7\n', at(100));
    input.read(at(101));
    remove('0', at(50));
    expect(told(input.read(at(51)))).toEqual([]);
    expect(told(input.read(at(100)))).toEqual(['end 7 on GPU-0 at 100']);
  });

  test('a job has one record: from its first device until its last has gone', () => {
    put('0', '7\n', at(2));
    put('1', '7\n', at(1));
    expect(input.read(at(3)).records).toEqual([{ jobId: '7', startUs: at(1) }]);
    remove('0', at(5));
    expect(input.read(at(6)).records).toEqual([]);
    remove('1', at(7));
    expect(input.read(at(8)).records).toEqual([{ jobId: '7', startUs: at(1), endUs: at(7) }]);
  });
});

describe('what is not a map file of ours', () => {
  test('other names, directories and names that only look like an index', () => {
    mkdirSync(join(directory, '0'));
    for (const name of ['.tmp-0', '0.tmp', 'x', '-1', '1.', '.1', '1.2.3']) put(name, '7\n', at(1));
    expect(input.read(at(2))).toEqual({ facts: [], records: [], problems: [] });
    put('01', '7\n', at(1));
    expect(codes(input.read(at(3)))).toEqual(['map_dir.unknown_device']);
    expect(codes(input.read(at(4)))).toEqual([]);
  });

  test('files older than the boot are ignored, and said so once', () => {
    put('0', '7\n', BOOT_US - 5e6);
    const news = input.read(at(1));
    expect(news.facts).toEqual([]);
    expect(codes(news)).toEqual(['map_dir.stale_file']);
    expect(codes(input.read(at(2)))).toEqual([]);
    put('0', '8\n', at(3));
    expect(told(input.read(at(4)))).toEqual(['start 8 on GPU-0 at 3']);
  });
});

describe('what cannot be read', () => {
  test('the owner of the device is unresolved; the other devices are as they were', () => {
    put('0', '7\n', at(1));
    put('1', '8\n', at(1));
    input.read(at(2));
    put('0', 'x'.repeat(10 << 20), at(3));
    const news = input.read(at(4));
    expect(told(news)).toEqual(['end 7 on GPU-0 at 3', 'start unresolved on GPU-0 at 3']);
    expect(news.problems).toMatchObject([{ code: 'map_dir.unreadable_file', where: join(directory, '0') }]);
    expect(news.problems?.[0]?.message).toContain('10485760 bytes');
    expect(input.read(at(5))).toEqual({ facts: [], records: [], problems: [] });
    put('0', '7\n', at(6));
    expect(told(input.read(at(7)))).toEqual(['end unresolved on GPU-0 at 6', 'start 7 on GPU-0 at 6']);
  });

  test('a file to which jobs are added and never taken out names nobody; at 256 it still does', () => {
    const lines = (count: number): string => Array.from({ length: count }, (_, job) => `${job}\n`).join('');
    put('0', lines(256), at(1));
    expect(input.read(at(2)).facts).toHaveLength(256);
    put('1', lines(257), at(3));
    const news = input.read(at(4));
    expect(told(news)).toEqual(['start unresolved on GPU-1 at 3']);
    expect(news.problems?.map(({ message }) => message)).toEqual([
      'expected a map file of at most 1048576 bytes and 256 jobs, but it names 257 jobs',
    ]);
  });

  test('a bad line makes its own job unresolved, not its neighbours', () => {
    put('0', `7\n${'x'.repeat(500)}\n`, at(1));
    const news = input.read(at(2));
    expect(told(news)).toEqual(['start 7 on GPU-0 at 1', 'start unresolved on GPU-0 at 1']);
    expect(codes(news)).toEqual(['map_dir.bad_line']);
    expect(codes(input.read(at(3)))).toEqual([]);
  });

  test('a FIFO in place of a file does not hold the reader', () => {
    execFileSync('mkfifo', [join(directory, '0')]);
    const news = input.read(Date.now() * 1000);
    expect(news.facts).toMatchObject([{ jobId: 'unresolved', gpu: 'GPU-0' }]);
    expect(codes(news)).toEqual(['map_dir.unreadable_file']);
  });

  test.each(['/nowhere/at/all', '/etc/passwd'])('a link to %s is not followed', (target) => {
    symlinkSync(target, join(directory, '0'));
    const news = input.read(at(1));
    expect(told(news)).toEqual(['start unresolved on GPU-0 at 1']);
    expect(news.problems?.map(({ message }) => message)).toEqual([
      'expected a map file of at most 1048576 bytes and 256 jobs, but it cannot be read (a link)',
    ]);
  });

  test.runIf(process.getuid?.() === 0)(
    'where everybody may write, a file of a user counts for nothing, told once; root and our own files do',
    () => {
      chmodSync(directory, 0o1777);
      put('0', '7\n', at(1));
      chownSync(join(directory, '0'), 4711, 4711);
      put('1', '8\n', at(1));
      const news = input.read(at(2));
      expect(told(news)).toEqual(['start 8 on GPU-1 at 1']);
      expect(codes(news)).toEqual(['jobs.strangers_file']);
      put('2.3', '9\n', at(3));
      chownSync(join(directory, '2.3'), 4711, 4711);
      expect(input.read(at(4))).toEqual({ facts: [], records: [], problems: [] });
      rmSync(join(directory, '2.3'));
      symlinkSync('/etc/hostname', join(directory, '2.3'));
      lchownSync(join(directory, '2.3'), 4711, 4711);
      expect(input.read(at(4))).toEqual({ facts: [], records: [], problems: [] });
      chmodSync(directory, 0o0755);
      utimesSync(join(directory, '0'), at(5) / 1e6, at(5) / 1e6);
      expect(told(input.read(at(6)))).toContain('start 7 on GPU-0 at 5');
    },
  );

  test('a directory that goes away changes nothing, is told once, and counts again when it is back', () => {
    put('0', '7\n', at(1));
    input.read(at(2));
    const aside = `${directory}-aside`;
    renameSync(directory, aside);
    const gone = input.read(at(3));
    expect(gone.facts).toEqual([]);
    expect(codes(gone)).toEqual(['map_dir.missing']);
    expect(input.read(at(4))).toEqual({ facts: [], records: [], problems: [] });
    renameSync(aside, directory);
    expect(told(input.read(at(5)))).toEqual([]);
    put('0', '8\n', at(6));
    expect(told(input.read(at(7)))).toEqual(['end 7 on GPU-0 at 6', 'start 8 on GPU-0 at 6']);
    renameSync(directory, aside);
    expect(codes(input.read(at(8)))).toEqual(['map_dir.missing']);
    rmSync(aside, { recursive: true });
  });

  test('a path that is no directory is unreadable', () => {
    rmSync(directory, { recursive: true });
    writeFileSync(directory, '');
    chmodSync(directory, 0o600);
    expect(codes(input.read(at(1)))).toEqual(['map_dir.unreadable']);
  });

  test('a file, or the directory, that is not to be had for a moment takes nothing from the job', () => {
    const ownership = new Ownership();
    const look = (s: number): string[] => {
      for (const fact of input.read(at(s)).facts) ownership.apply(fact);
      const owning = ownership.intervals().filter(({ startUs, endUs }) => endUs > startUs);
      return owning.map(
        ({ jobId, startUs, endUs }) =>
          `${jobId} from ${(startUs - T0_US) / 1e6}${endUs < Infinity ? ', ended' : ''}`,
      );
    };
    put('0', '7\n', at(1));
    expect(look(2)).toEqual(['7 from 1']);
    renameSync(join(directory, '0'), join(directory, '.aside'));
    symlinkSync('0', join(directory, '0'));
    expect(look(3)).toEqual(['7 from 1, ended', 'unresolved from 3']);
    renameSync(join(directory, '.aside'), join(directory, '0'));
    expect(look(4)).toEqual(['7 from 1']);
    const aside = `${directory}-aside`;
    renameSync(directory, aside);
    mkdirSync(directory);
    look(5);
    rmSync(directory, { recursive: true });
    renameSync(aside, directory);
    expect(look(6)).toEqual(['7 from 1']);
  });
});
