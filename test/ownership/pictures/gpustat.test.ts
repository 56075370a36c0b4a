import { mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Device } from '../../../src/core/devices/device.ts';
import type { JobInput, JobNews } from '../../../src/core/jobs/job-fact.ts';
import { Ownership } from '../../../src/core/jobs/ownership.ts';
import { openOwnership } from '../../../src/job-map/session.ts';
import { createGpustatInput } from '../../../src/ownership/pictures/gpustat.ts';

const BOOT_US = 1_700_000_000e6;
const at = (s: number): number => BOOT_US + 1000e6 + s * 1e6;
const GPU: Device = { uuid: 'GPU-0', node: 'n1', index: 0, model: 'X', memoryBytes: 1 };
const MIG: Device = { ...GPU, uuid: 'MIG-a', index: 1, gpuInstanceId: 1, parentUuid: 'GPU-1' };

let directory: string;
let input: JobInput;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-gpustat-'));
  input = createGpustatInput({ directory, devices: [GPU, MIG], bootUs: BOOT_US });
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function put(name: string, content: string, s: number): void {
  writeFileSync(join(directory, name), content);
  utimesSync(join(directory, name), at(s) / 1e6, at(s) / 1e6);
}
function remove(name: string, s: number): void {
  rmSync(join(directory, name));
  utimesSync(directory, at(s) / 1e6, at(s) / 1e6);
}
const told = (news: JobNews): string[] =>
  news.facts.map((fact) => `${fact.kind} ${fact.jobId} on ${fact.gpu} at ${(fact.atUs - at(0)) / 1e6}`);
const codes = (news: JobNews): string[] => (news.problems ?? []).map((problem) => problem.code);

test('a job comes, another one takes its place, and it goes', () => {
  put('0', '7 1000\n', 1);
  expect(told(input.read(at(2)))).toEqual(['start 7 on GPU-0 at 1']);
  put('0', '8 1001', 3);
  expect(told(input.read(at(4)))).toEqual(['end 7 on GPU-0 at 3', 'start 8 on GPU-0 at 3']);
  remove('0', 5);
  expect(told(input.read(at(6)))).toEqual(['end 8 on GPU-0 at 5']);
});

test('a job that goes and comes back has a record of each stay', () => {
  put('0', '7 1000\n', 1);
  input.read(at(2));
  remove('0', 3);
  input.read(at(4));
  put('0', '7 1000\n', 5);
  expect(input.read(at(6)).records).toEqual([{ jobId: '7', startUs: at(5) }]);
  remove('0', 7);
  expect(input.read(at(8)).records).toEqual([{ jobId: '7', startUs: at(5), endUs: at(7) }]);
});

test('an emptied file, or job 0, is nobody', () => {
  put('0', '7 1000\n', 1);
  input.read(at(2));
  put('0', '', 3);
  expect(told(input.read(at(4)))).toEqual(['end 7 on GPU-0 at 3']);
  put('0', '0 0\n', 5);
  expect(input.read(at(6))).toEqual({ facts: [], records: [], problems: [] });
});

test('files are named by index or UUID; MIG instances by UUID, or by the index of the GPU and their own number', () => {
  put('GPU-0', '7 1000\n', 1);
  put('MIG-a', '8 1000\n', 1);
  put('1', '9 1000\n', 1);
  expect(told(input.read(at(2))).sort()).toEqual(['start 7 on GPU-0 at 1', 'start 8 on MIG-a at 1']);
  remove('MIG-a', 3);
  put('1.1', '10 1000\n', 3);
  put('1.2', '11 1000\n', 3);
  expect(told(input.read(at(4)))).toEqual(['end 8 on MIG-a at 3', 'start 10 on MIG-a at 3']);
});

test('the second word is the number of the user, where there is one', () => {
  const uids = (): (number | undefined)[] =>
    input.read(at(9)).facts.flatMap(({ kind, uid }) => (kind === 'start' ? [uid] : []));
  put('0', '7 331233\n', 1);
  expect(uids()).toEqual([331_233]);
  put('0', '8\n', 2);
  expect(uids()).toEqual([undefined]);
});

test('with two names for one device, it is free when both have gone', () => {
  put('0', '7 1000\n', 1);
  put('GPU-0', '7 1000\n', 1);
  expect(told(input.read(at(2)))).toEqual(['start 7 on GPU-0 at 1']);
  remove('0', 3);
  expect(told(input.read(at(4)))).toEqual([]);
  remove('GPU-0', 5);
  expect(told(input.read(at(6)))).toEqual(['end 7 on GPU-0 at 5']);
});

test('what is no such file makes the owner unresolved, told once', () => {
  put('0', 'hello, this is a log line\n', 1);
  const news = input.read(at(2));
  expect(told(news)).toEqual(['start unresolved on GPU-0 at 1']);
  expect(codes(news)).toEqual(['gpustat.bad_file']);
  expect(codes(input.read(at(3)))).toEqual([]);
});

test('files older than the boot are ignored', () => {
  put('0', '7 1000\n', -2000);
  const news = input.read(at(2));
  expect(news.facts).toEqual([]);
  expect(codes(news)).toEqual(['gpustat.bad_file']);
});

test('a missing directory changes nothing and is told once', () => {
  put('0', '7 1000\n', 1);
  input.read(at(2));
  rmSync(directory, { recursive: true });
  const news = input.read(at(3));
  expect(news.facts).toEqual([]);
  expect(codes(news)).toEqual(['gpustat.unreadable']);
  expect(codes(input.read(at(4)))).toEqual([]);
});

/** What is known of the device after these looks: `7 (1, 3]`, of what owns any time. */
function ownersAfter(...looks: readonly JobNews[]): string[] {
  const ownership = new Ownership();
  for (const fact of looks.flatMap(({ facts }) => facts)) ownership.apply(fact);
  const second = (us: number): string => (us === Infinity ? 'open' : `${(us - at(0)) / 1e6}]`);
  return ownership
    .intervals()
    .filter(({ startUs, endUs }) => endUs > startUs)
    .map(({ jobId, startUs, endUs }) => `${jobId} (${(startUs - at(0)) / 1e6}, ${second(endUs)}`);
}

test('a file that cannot be read for a moment takes nothing from its job', () => {
  put('0', '7 1000\n', 1);
  const before = input.read(at(2));
  renameSync(join(directory, '0'), join(directory, 'aside'));
  symlinkSync('0', join(directory, '0'));
  const unreadable = input.read(at(3));
  expect(codes(unreadable)).toEqual(['gpustat.bad_file']);
  expect(ownersAfter(before, unreadable)).toEqual(['7 (1, 3]', 'unresolved (3, open']);
  renameSync(join(directory, 'aside'), join(directory, '0'));
  const back = input.read(at(5));
  expect(back.records).toEqual([{ jobId: '7', startUs: at(1) }]);
  expect(ownersAfter(before, unreadable, back)).toEqual(['7 (1, open']);
  remove('0', 9);
  expect(ownersAfter(before, unreadable, back, input.read(at(10)))).toEqual(['7 (1, 9]']);
});

test('a directory that cannot be listed, or is empty, for a moment takes nothing from the job', () => {
  put('0', '7 1000\n', 1);
  const looks = [input.read(at(2))];
  const aside = `${directory}-aside`;
  renameSync(directory, aside);
  looks.push(input.read(at(3)));
  symlinkSync(aside, directory);
  looks.push(input.read(at(4)));
  expect(ownersAfter(...looks)).toEqual(['7 (1, open']);
  rmSync(directory);
  symlinkSync(mkdtempSync(join(tmpdir(), 'gpuledger-gpustat-')), directory);
  looks.push(input.read(at(5)));
  expect(ownersAfter(...looks)).not.toEqual(['7 (1, open']);
  rmSync(directory);
  renameSync(aside, directory);
  looks.push(input.read(at(6)));
  expect(ownersAfter(...looks)).toEqual(['7 (1, open']);
});

test('of two names of one device the file that was written last counts, look after look', () => {
  put('0', '7 1000\n', 1);
  put('GPU-0', '8 1000\n', 2);
  const looks = [input.read(at(3)), input.read(at(4))];
  expect(ownersAfter(...looks)).toEqual(['8 (2, open']);
  expect(told(looks[1]!)).toEqual([]);
  put('0', '9 1000\n', 5);
  expect(ownersAfter(...looks, input.read(at(6)))).toEqual(['8 (2, 5]', '9 (5, open']);
});

test('what a former life has stored of a file that it could not read does not end the job of one that can be read', () => {
  put('0', '7 1000\n', 1);
  const session = openOwnership({ inputs: [input], ownership: new Ownership(), labelledUntilUs: at(9) });
  session.read(at(9));
  const told = session.ownership.intervals();
  const changes = session.adopt(told.map((interval) => ({ ...interval, endUs: at(3) })));
  expect(session.ownership.intervals()).toEqual(told);
  expect(changes).toMatchObject([{ interval: { endUs: Infinity }, previousEndUs: at(3) }]);
});
