import { describe, expect, test } from 'vitest';
import {
  nameAlone,
  parseGivenJson,
  parseGivenText,
  positionsOf,
  type GivenDevices,
} from '../../../schemas/slurm/scontrol.ts';

/** `n1: gpu 0, shard 1 (2 of 4)` */
function describeGiven(given: GivenDevices): string[] {
  return [...given].map(([node, devices]) => {
    const words = devices.map(({ kind, position, count, ofCount }) =>
      [
        kind,
        position,
        ...(count === undefined ? [] : [`(${count}${ofCount === undefined ? '' : ` of ${ofCount}`})`]),
      ].join(' '),
    );
    return `${node}: ${words.join(', ')}`;
  });
}

const job = (id: string, details: readonly string[], name = 'x', after = ''): string =>
  [
    `JobId=${id} ArrayJobId=11 ArrayTaskId=1 JobName=${name}`,
    '   UserId=ada(1000) GroupId=ada(1000) MCS_label=N/A',
    '   Socks/Node=* NtasksPerN:B:S:C=0:0:*:* CoreSpec=*',
    ...(details.length === 0 ? [] : ['   JOB_GRES=gpu:a100:1,gpu:v100:2']),
    ...details.map((detail) => `     ${detail}`),
    '   MinCPUsNode=1 MinMemoryNode=0 MinTmpDiskNode=0',
    '   Command=/bin/x',
    `   WorkDir=/tmp${after}`,
    '',
    '',
  ].join('\n');
const N1 = 'Nodes=n1 CPU_IDs=0 Mem=0 GRES=gpu:1(IDX:7)';
const SHAM = '     Nodes=n1 CPU_IDs=0 Mem=0 GRES=gpu:4(IDX:0-3)';
const WHOLE = `x\n   JOB_GRES=gpu:4\n${SHAM}\n   MinCPUsNode=1`;

describe('text', () => {
  test('gives the devices on each node', () => {
    const text = job('12', [
      'Nodes=n[1-2] CPU_IDs=0 Mem=0 GRES=gpu:a100:1(IDX:0),gpu:v100:2(IDX:3-4)',
      'Nodes=n3 CPU_IDs=0-1 Mem=0 GRES=shard:1(IDX:2),gpu:v100:0(IDX:)',
    ]);
    expect(describeGiven(parseGivenText(text, '12'))).toEqual([
      'n1: gpu 0, gpu 3, gpu 4',
      'n2: gpu 0, gpu 3, gpu 4',
      'n3: shard 2 (1)',
    ]);
    expect([...parseGivenText('', '12')]).toEqual([]);
    expect(() => parseGivenText(text, '1')).toThrow(/expected job 1, found "JobId=12 /);
  });
  test('is empty for a job that lets go of its devices, or never had any', () => {
    expect([...parseGivenText(job('12', []), '12')]).toEqual([]);
    expect(describeGiven(parseGivenText(job('12', ['Nodes=n1 CPU_IDs=0 Mem=0 GRES=']), '12'))).toEqual([
      'n1: ',
    ]);
  });

  test.each([
    { what: 'a name within its line', text: job('12', [N1], SHAM.trim()) },
    { what: 'a name with a line end', text: job('12', [N1], `x\n${SHAM}`) },
    { what: 'a comment', text: job('12', [N1], 'x', `\n   Comment=x\n${SHAM}`) },
  ])('$what that looks like a detail adds no GPU', ({ text }) => {
    expect(describeGiven(parseGivenText(text, '12'))).toEqual(['n1: gpu 7']);
  });
  test.each([
    {
      what: 'details whole, in the name',
      text: job('12', [N1], `x\n   JOB_GRES=gpu:4\n${SHAM}\n   MinCPUsNode=1`),
    },
    {
      what: 'details whole, in the comment',
      text: job('12', [N1], 'x', `\n   JOB_GRES=gpu:4\n${SHAM}\n   MinCPUsNode=1`),
    },
    { what: 'details of a job that has none', text: job('12', [], `x\n   JOB_GRES=gpu:4\n${SHAM}`) },
    { what: 'a job whole', text: job('11', [N1], `x\n${job('12', [SHAM.trim()])}`) + job('12', [N1]) },
    { what: 'details whole, and the line of another job', text: job('12', [N1], `${WHOLE}\nJobId=13 y`) },
    { what: 'the line of another job', text: job('12', [N1], 'x\nJobId=13 a') },
    { what: 'a job whole behind details', text: job('12', [N1], `${WHOLE}\n\n${job('13', [N1])}`) },
  ])('$what, is never believed', ({ text }) => {
    expect(() => parseGivenText(text, '12')).toThrow(/look like details|seem to stand|expected job 12/);
  });
});

describe('the name of one of several jobs', () => {
  const head = (words: string): string => `JobId=${words} JobName=x\n   UserId=ada(1000)\n\n`;
  test.each([
    { what: 'the job alone', text: head('11 ArrayJobId=11 ArrayTaskId=3'), name: undefined },
    {
      what: 'the last task of an array',
      text: head('14 ArrayJobId=11 ArrayTaskId=1') + head('11 ArrayJobId=11 ArrayTaskId=3'),
      name: '11_3',
    },
    {
      what: 'the first part of a heterogeneous job',
      text: head('11 HetJobId=11 HetJobOffset=0') + head('12 HetJobId=11 HetJobOffset=1'),
      name: '11+0',
    },
    { what: 'no part of anything', text: head('11') + head('12'), name: undefined },
    {
      what: 'two of them',
      text: head('11 ArrayJobId=11 ArrayTaskId=3') + head('11 ArrayJobId=11 ArrayTaskId=4'),
      name: undefined,
    },
  ])('$what', ({ text, name }) => {
    expect(nameAlone(text, '11')).toBe(name);
  });
});

describe('JSON', () => {
  const reply = (...jobs: object[]): string => JSON.stringify({ meta: {}, jobs, errors: [] });
  test('gives the devices on each node, of its own job only', () => {
    const text = reply(
      { job_id: 11, nodes: 'n9', gres_detail: ['gpu:1(IDX:0)'] },
      { job_id: 12, nodes: 'n[1-2],m7', name: SHAM, gres_detail: ['gpu:h100:2(IDX:0-1)', '', null] },
    );
    expect(describeGiven(parseGivenJson(text, '12'))).toEqual(['n1: gpu 0, gpu 1', 'n2: ', 'm7: ']);
    expect([...parseGivenJson(text, '1')]).toEqual([]);
    expect([...parseGivenJson(reply({ job_id: 12, nodes: 'n1', gres_detail: [] }), '12')]).toEqual([]);
    expect([...parseGivenJson(reply({ job_id: 12, nodes: null }), '12')]).toEqual([]);
  });
  test('is no answer where nodes and devices do not belong together, or nothing does', () => {
    const text = reply({ job_id: 12, nodes: 'n[1-2]', gres_detail: ['gpu:1(IDX:0)'] });
    expect(() => parseGivenJson(text, '12')).toThrow(/1 lists of devices for 2 nodes/);
    expect(() => parseGivenJson('{"jobs": [', '12')).toThrow();
  });
});

test.each([
  { gres: 'shard:h100:2(IDX:0)', given: 'shard 0 (2)' },
  { gres: 'shard:h100:3(IDX:0-1)', given: 'shard 0, shard 1' },
  { gres: 'shard:h100:3(0/4,2/4,0/4,1/8)', given: 'shard 1 (2 of 4), shard 3 (1 of 8)' },
  { gres: 'mps:50(50/100)', given: 'mps 0 (50 of 100)' },
  { gres: 'gpu:1(IDX:2),mps:20(0/100,20/100)', given: 'mps 1 (20 of 100), gpu 2' },
  { gres: 'shard(CNT:2)', given: '' },
  { gres: 'gpu:1g.10gb:2(IDX:1,4)', given: 'gpu 1, gpu 4' },
  { gres: 'nic:2(IDX:0-1)', given: '' },
])('$gres', ({ gres, given }) => {
  const told = parseGivenJson(
    JSON.stringify({ jobs: [{ job_id: 1, nodes: 'n', gres_detail: [gres] }] }),
    '1',
  );
  expect(describeGiven(told)).toEqual([`n: ${given}`]);
});

test('positions of a GPU that is named twice count once', () => {
  expect(
    positionsOf([
      { kind: 'shard', position: 2, count: 1 },
      { kind: 'gpu', position: 0 },
      { kind: 'mps', position: 2 },
    ]),
  ).toEqual([0, 2]);
});

test.each([
  'gpu:2(IDX:0-20000000)',
  'gpu:2(IDX:0-99999999999999999999)',
  'gpu:2(IDX:1-0)',
  `shard:2(${'0/4,'.repeat(2000)}0/4)`,
  Array.from({ length: 3 }, () => 'gpu:1(IDX:0-1000)').join(),
])('more devices than a node has are none: %#', (gres) => {
  const text = JSON.stringify({ jobs: [{ job_id: 1, nodes: 'n', gres_detail: [gres] }] });
  expect(() => parseGivenJson(text, '1')).toThrow(/expected (at most 1024|positions of) devices/);
  expect(() => parseGivenText(job('1', [`Nodes=n CPU_IDs=0 Mem=0 GRES=${gres}`]), '1')).toThrow();
});
