import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  blkioBytes,
  cpuacctUsageUs,
  cpuUsageUs,
  ioStatBytes,
  loneNumber,
  waitedUs,
} from '../../../schemas/host/cgroup-files.ts';

describe('the files of a cgroup', () => {
  test.each([
    ['a number', '123\n', 123],
    ['nothing used', '0\n', 0],
    ['no limit', 'max\n', undefined],
    ['nothing', '', undefined],
    ['two numbers', '1 2\n', undefined],
    ['a negative one', '-1\n', undefined],
    ['one that is not exact', '9007199254740993\n', undefined],
    ['hexadecimal', '0x10\n', undefined],
    ['something long', '9'.repeat(60_000), undefined],
  ])('memory.current: %s', (_, text, bytes) => {
    expect(loneNumber(text)).toBe(bytes);
  });

  test.each([
    ['the kernel’s', 'usage_usec 1090011415\nuser_usec 815304449\nsystem_usec 274706965\n', 1_090_011_415],
    ['without it', 'user_usec 815304449\n', undefined],
    ['another key that ends so', 'my_usage_usec 5\n', undefined],
    ['no number', 'usage_usec many\n', undefined],
    ['nothing behind it', 'usage_usec \n', undefined],
  ])('cpu.stat: %s', (_, text, us) => {
    expect(cpuUsageUs(text)).toBe(us);
  });

  test.each([
    ['the kernel’s', '1234567890123\n', 1_234_567_890],
    ['of 10,000 CPU-hours', '36000000000000123\n', 36_000_000_000_000],
    ['less than a µs', '12\n', 0],
    ['nothing', '', undefined],
    ['no number', 'a lot\n', undefined],
    ['a negative one', '-5000\n', undefined],
  ])('cpuacct.usage: %s', (_, text, us) => {
    expect(cpuacctUsageUs(text)).toBe(us);
  });

  test.each([
    [
      'the kernel’s',
      'some avg10=1.01 avg60=2.12 avg300=1.88 total=14840503\nfull avg10=0.57 avg60=0.96 avg300=0.58 total=6215859\n',
      14_840_503,
    ],
    ['of all processes at once alone', 'full avg10=0.57 avg60=0.96 avg300=0.58 total=6215859\n', undefined],
    ['without a total', 'some avg10=0.57 avg60=0.96 avg300=0.58\n', undefined],
    ['no number', 'some avg10=0.00 avg60=0.00 avg300=0.00 total=1e9\n', undefined],
    ['nothing', '', undefined],
  ])('io.pressure: %s', (_, text, us) => {
    expect(waitedUs(text)).toBe(us);
  });

  test.each([
    [
      'two devices',
      '8:0 rbytes=100 wbytes=7 rios=1 wios=1 dbytes=0 dios=0\n259:1 rbytes=20 wbytes=0 rios=1 wios=0\n',
      { readBytes: 120, writtenBytes: 7 },
    ],
    [
      'devices that were not used before one that was, in one line, as some kernels have it',
      '7:7 7:6 8:0 rbytes=5 wbytes=6 rios=1 wios=1\n',
      { readBytes: 5, writtenBytes: 6 },
    ],
    ['no device was used', '', { readBytes: 0, writtenBytes: 0 }],
    ['only reads are told', '8:0 rbytes=5\n', { readBytes: 5, writtenBytes: undefined }],
    ['one of them is no number', '8:0 rbytes=5 wbytes=x\n', { readBytes: 5, writtenBytes: undefined }],
    [
      'a sum that is not exact',
      '8:0 rbytes=9007199254740990 wbytes=1\n8:1 rbytes=9 wbytes=1\n',
      { readBytes: undefined, writtenBytes: 2 },
    ],
    ['something else', 'hello\n', { readBytes: undefined, writtenBytes: undefined }],
  ])('io.stat: %s', (_, text, bytes) => {
    expect(ioStatBytes(text)).toEqual(bytes);
  });

  test.each([
    [
      'two devices',
      '8:0 Read 100\n8:0 Write 7\n8:0 Sync 1\n8:0 Total 107\n9:0 Read 20\n9:0 Write 0\n9:0 Total 20\nTotal 127\n',
      { readBytes: 120, writtenBytes: 7 },
    ],
    ['none was used, or it does not count', 'Total 0\n', { readBytes: undefined, writtenBytes: undefined }],
    ['writes are not told', '8:0 Read 100\n', { readBytes: 100, writtenBytes: undefined }],
    ['no number', '8:0 Read x\n8:0 Write 3\nTotal 3\n', { readBytes: undefined, writtenBytes: 3 }],
    ['nothing', '', { readBytes: undefined, writtenBytes: undefined }],
  ])('blkio: %s', (_, text, bytes) => {
    expect(blkioBytes(text)).toEqual(bytes);
  });
});

/** Where the kernel of this machine has these files of any cgroup; undefined where it has none. */
function kernelFile(...places: readonly string[]): string | undefined {
  const found = places.map((place) => join('/sys/fs/cgroup', place)).find(existsSync);
  return found === undefined ? undefined : readFileSync(found, 'utf8');
}

/** The paths of this process’s cgroups by controller; the unified hierarchy has none. */
function ownPath(controller: string): string {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').split('\n');
  return (
    lines.map((line) => line.split(':')).find(([, names]) => names?.split(',').includes(controller))?.[2] ??
    '/'
  );
}

describe('what the kernel of this machine writes is understood, or is not there', () => {
  const v2 = ownPath('');
  test.each([
    ['cpu.stat', cpuUsageUs, [join(v2, 'cpu.stat'), join('unified', v2, 'cpu.stat')]],
    ['io.pressure', waitedUs, [join(v2, 'io.pressure'), join('unified', v2, 'io.pressure')]],
    ['memory.current', loneNumber, [join(v2, 'memory.current')]],
    ['cpuacct.usage', cpuacctUsageUs, [join('cpuacct', ownPath('cpuacct'), 'cpuacct.usage')]],
    ['memory.usage_in_bytes', loneNumber, [join('memory', ownPath('memory'), 'memory.usage_in_bytes')]],
    ['io.stat bytes read', (text: string) => ioStatBytes(text).readBytes, [join(v2, 'io.stat')]],
  ])('%s', (_, parse, places) => {
    const text = kernelFile(...places);
    if (text === undefined)
      expect(places.some((place) => existsSync(join('/sys/fs/cgroup', place)))).toBe(false);
    else expect(parse(text)).toBeGreaterThanOrEqual(0);
  });

  test('blkio tells of the devices that it counts, and of nothing where it counts none', () => {
    const text =
      kernelFile(join('blkio', ownPath('blkio'), 'blkio.throttle.io_service_bytes_recursive')) ?? '';
    expect(blkioBytes(text).readBytes !== undefined).toBe(text.includes(' Read '));
  });
});
