import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeGresFrom, sharesOfDevice, type NodeGres } from '../../../src/ownership/slurm/gres-conf.ts';
import {
  clusterNameOf,
  nodeGresOf,
  parseGresCount,
  sharesGpus,
} from '../../../src/ownership/slurm/slurm-conf.ts';
import { confText } from '../../helpers/conf-text.ts';

const fixture = (path: string): string =>
  readFileSync(join(import.meta.dirname, '../../fixtures/slurm-conf', path), 'utf8');

function gresOf(gres: string, slurm = '', node = 'n1'): NodeGres {
  return nodeGresFrom(confText(gres), confText(slurm), node).gres;
}

/** `3 a, 0`: the numbers of the device files with their types, in Slurm's order; or what kind it is. */
function orderOf(gres: string, slurm = '', node = 'n1'): string {
  const { kind, gpus } = gresOf(gres, slurm, node);
  const names = gpus.map(
    ({ file = '-', type }) => file.replace(/^.*nvidia/, '') + (type === undefined ? '' : ` ${type}`),
  );
  return kind === 'files' ? names.join(', ') : kind;
}

const TWO = 'Name=gpu Type=a File=/dev/nvidia[0-1]\nName=gpu Type=b File=/dev/nvidia[2-3]';

/** What is not marked was seen on Slurm 22.05.8 (`slurmd -G`, jobs); `test/slurm/conf-run.ts` asks it again. */
describe('which GPU is 0', () => {
  test.each([
    {
      what: 'in the order of the lines',
      gres: 'Name=gpu File=/dev/nvidia7\nName=gpu File=/dev/nvidia[2-3]',
      order: '7, 2, 3',
    },
    { what: 'in the order of an expression', gres: 'Name=gpu File=/dev/nvidia[3,0-1]', order: '3, 0, 1' },
    {
      what: 'lines for all nodes before those of some',
      gres: 'NodeName=n1 Name=gpu File=/dev/nvidia3\nName=gpu File=/dev/nvidia0',
      order: '0, 3',
    },
    {
      what: 'no line of another node',
      gres: 'NodeName=n[2-3] Name=gpu File=/dev/nvidia0\nNodeName=x,n[1,9] Name=gpu File=/dev/nvidia5',
      order: '5',
    },
    { what: 'ALL is a node of that name', gres: 'NodeName=ALL Name=gpu File=/dev/nvidia0', order: '' },
    {
      what: 'types in the order of slurm.conf',
      gres: TWO,
      slurm: 'NodeName=n1 Gres=gpu:b:2,gpu:A:2',
      order: '2 b, 3 b, 0 a, 1 a',
    },
    {
      what: 'types as listed, where slurm.conf names none',
      gres: TWO,
      slurm: 'NodeName=n1 Gres=gpu:4',
      order: '0 a, 1 a, 2 b, 3 b',
    },
    {
      what: 'no more than slurm.conf counts',
      gres: TWO,
      slurm: 'NodeName=n1 Gres=gpu:a:1,gpu:b:1',
      order: '0 a, 2 b',
    },
    {
      what: 'nothing beyond doubt of several types, where slurm.conf does not name the node',
      gres: TWO,
      slurm: 'NodeName=n2 Gres=gpu:4',
      order: 'unknown',
    },
    {
      what: 'those with a file, where slurm.conf counts more',
      gres: TWO,
      slurm: 'NodeName=n1 Gres=gpu:a:3,gpu:b:2',
      order: '0 a, 1 a, 2 b, 3 b',
    },
    {
      what: 'no GPU without a file',
      gres: 'Name=gpu Count=2',
      slurm: 'NodeName=n1 Gres=gpu:2',
      order: '',
    },
    {
      what: 'one device a line of several files',
      gres: 'Name=gpu MultipleFiles=/dev/nvidia0,/dev/nvidia-caps/nvidia-cap3\nName=gpu File=/dev/nvidia1',
      order: '-, 1',
    },
    { what: 'File before Files', gres: 'Name=gpu Files=/dev/nvidia1 File=/dev/nvidia2', order: '2' },
    {
      what: 'keys and values that do not matter',
      gres: 'Name=gpu File=/dev/nvidia1 Cores=0-7 CPUs=1 Links=-1,2 Link=1 Flags=nvidia_gpu_env Count=1',
      order: '1',
    },
    {
      what: 'other resources beside them',
      gres: 'Name=mps Count=400\nName=bandwidth Type=lustre Count=4G Flags=CountOnly\nName=gpu File=/dev/nvidia1',
      order: '1',
    },
    {
      what: 'the words of other nodes do not matter',
      gres: 'NodeName=n2 New=1\nName=gpu File=/dev/nvidia1',
      order: '1',
    },
  ])('$what', ({ gres, slurm = '', order }) => {
    expect(orderOf(gres, slurm)).toBe(order);
  });

  test('a continued line (handed case)', () => {
    const text = fixture('gres-continuation/gres.conf');
    expect(orderOf(text, '', 'n1')).toBe('0, 1, 2, 3');
    expect(orderOf(text, '', 'n2')).toBe('3, 2, 1, 0');
  });
});

describe('AutoDetect', () => {
  test.each([
    { gres: 'AutoDetect=nvml', kind: 'found', along: ['pci'] },
    { gres: 'autodetect = "NVML"', kind: 'found', along: ['pci'] },
    { gres: 'AutoDetect=nvidia', kind: 'found', along: ['minor'] },
    { gres: 'AutoDetect=full', kind: 'found', along: ['pci', 'minor'] },
    { gres: 'AutoDetect=nrt', kind: 'unknown', along: [] },
    { gres: 'AutoDetect=off\nAutoDetect=nvml', kind: 'found', along: ['pci'] },
    {
      gres: 'NodeName=n1 AutoDetect=off Name=gpu File=/dev/nvidia0\nAutoDetect=nvml',
      kind: 'files',
      along: [],
    },
    {
      gres: 'AutoDetect=nvml\nNodeName=n[1-2] AutoDetect=off\nName=gpu File=/dev/nvidia0',
      kind: 'files',
      along: [],
    },
    { gres: 'AutoDetect=off\nNodeName=n1 AutoDetect=nvml', kind: 'found', along: ['pci'] },
    {
      gres: 'AutoDetect=off\nNodeName=n2 AutoDetect=nvml\nName=gpu File=/dev/nvidia0',
      kind: 'files',
      along: [],
    },
    { gres: 'Name=gpu File=/dev/nvidia0 AutoDetect=nvml', kind: 'files', along: [] },
    { gres: 'AutoDetect=whatever\nName=gpu File=/dev/nvidia0', kind: 'files', along: [] },
  ])('$gres', ({ gres, kind, along }) => {
    expect(gresOf(gres)).toMatchObject({ kind, along });
  });

  test('a node whose number of GPUs cannot be looked up', () => {
    expect(nodeGresFrom(confText('AutoDetect=nvml'), undefined, 'n1').gres.kind).toBe('unknown');
    expect(gresOf('AutoDetect=nvml', ' Include x').kind).toBe('unknown');
  });

  test('several types', () => {
    expect(gresOf('AutoDetect=nvml').isMixed).toBe(false);
    expect(gresOf('AutoDetect=nvml', 'NodeName=n1 Gres=gpu:a:2,gpu:b:2').isMixed).toBe(true);
    expect(gresOf(TWO).isMixed).toBe(true);
  });
});

describe('a gres.conf that Slurm would not start with', () => {
  test.each([
    'Type=a Name=gpu File=/dev/nvidia0',
    'AutoDetect=off Name=gpu File=/dev/nvidia0',
    'Name=gpu NodeName=n1 File=/dev/nvidia0',
    'Name=gpu File=/dev/nvidia0 New=1',
    'Name=gpu File=/dev/nvidia[0-1] Count=3',
    'Name=gpu File=/dev/nvidia[0-',
    'Name=gpu File=/dev/nvidia[3-1]',
    'Name=gpu File=""',
    'Name=gpu File=/dev/nvidia[0-1] Count=2x',
    'Name=gpu File=/dev/nvidia0 MultipleFiles=/dev/nvidia1,/dev/nvidia2',
  ])('%s', (line) => {
    const { gres, faults } = nodeGresFrom(confText(`AutoDetect=off\n${line}`), confText(''), 'n1');
    expect(gres.kind).toBe('unknown');
    expect(faults.map(({ where }) => where)).toEqual(['conf:2']);
  });
});

describe('shards of a device', () => {
  const FOUR = 'Name=gpu File=/dev/nvidia[0-3]\n';
  const named = (gres: string): string => `GresTypes=gpu,shard,mps\nNodeName=n1 Gres=${gres}`;
  const counts = (gres: NodeGres, kind: 'shard' | 'mps' = 'shard'): (number | undefined)[] =>
    [0, 1, 2, 3].map((position) => sharesOfDevice(gres, kind, position, position));

  test.each([
    {
      what: 'spread evenly',
      gres: `${FOUR}Name=shard Count=16`,
      slurm: named('gpu:4,shard:16'),
      counts: [4, 4, 4, 4],
    },
    {
      what: 'spread as evenly as it goes',
      gres: `${FOUR}Name=shard Count=10`,
      slurm: named('gpu:4,shard:10'),
      counts: [2, 2, 3, 3],
    },
    { what: 'told in slurm.conf alone', gres: FOUR, slurm: named('gpu:4,shard:8'), counts: [2, 2, 2, 2] },
    {
      what: 'told for some device files',
      gres: `${FOUR}Name=shard Count=8 File=/dev/nvidia[0-1]\nName=shard Count=3 File=/dev/nvidia3`,
      slurm: named('gpu:4,shard:11'),
      counts: [4, 4, 0, 3],
    },
    {
      what: 'in the order of the GPUs',
      gres: 'Name=shard Count=8 File=/dev/nvidia3\nName=shard Count=2 File=/dev/nvidia0\nName=gpu File=/dev/nvidia[3,0]',
      slurm: named('gpu:2,shard:10'),
      counts: [8, 2, undefined, undefined],
    },
    {
      what: 'no more than slurm.conf counts',
      gres: `${FOUR}Name=shard Count=16`,
      slurm: named('gpu:4,shard:8'),
      counts: [2, 2, 2, 2],
    },
    {
      what: 'where Slurm finds the GPUs',
      gres: 'AutoDetect=nvml\nName=shard Count=8',
      slurm: named('gpu:4,shard:8'),
      counts: [2, 2, 2, 2],
    },
    {
      what: 'of as many GPUs as are not told',
      gres: 'AutoDetect=nvml\nName=shard Count=8',
      slurm: 'GresTypes=gpu,shard',
      counts: [],
    },
    {
      what: 'that Slurm does not hand out',
      gres: `${FOUR}Name=shard Count=8`,
      slurm: 'GresTypes=gpu\nNodeName=n1 Gres=gpu:4',
      counts: [],
    },
    { what: 'none', gres: FOUR, slurm: named('gpu:4'), counts: [] },
  ])('$what', ({ gres, slurm, counts: expected }) => {
    expect(counts(gresOf(gres, slurm))).toEqual(
      expected.length > 0 ? expected : Array<undefined>(4).fill(undefined),
    );
  });

  test('MPS', () => {
    expect(counts(gresOf(`${FOUR}Name=mps Count=400`, named('gpu:4,mps:400')), 'mps')).toEqual([
      100, 100, 100, 100,
    ]);
  });
});

describe('slurm.conf', () => {
  test.each([
    { text: 'GresTypes=gpu\n', shares: false },
    { text: 'grestypes=gpu,shard', shares: true },
    { text: 'GresTypes=gpu\nGresTypes=mps', shares: true },
    { text: 'GresTypes=mps\nGresTypes=gpu', shares: false },
    { text: 'GresTypes = \\\n "gpu,mps"', shares: true },
    { text: '#GresTypes=gpu\nClusterName=x', shares: undefined },
    { text: 'GresTypes=gpu\nwhat is this', shares: undefined },
  ])('$text shares GPUs: $shares', ({ text, shares }) => {
    expect(sharesGpus(confText(text))).toBe(shares);
  });

  test('shares where the value is quoted (handed case)', () => {
    expect(sharesGpus(confText(fixture('slurm-quoted/slurm.conf')))).toBe(true);
  });

  test.each([
    { text: 'ClusterName=Alps', name: 'alps' },
    { text: 'ClusterName="a b"', name: 'a b' },
    { text: 'ClusterName=a\nClusterName=B', name: 'b' },
    { text: 'ClusterName=""', name: undefined },
    { text: '', name: undefined },
  ])('$text is cluster $name', ({ text, name }) => {
    expect(clusterNameOf(confText(text))).toBe(name);
  });

  test.each([
    { text: 'NodeName=n[1-2] Gres=gpu:h100:4,shard:16K', gres: 'gpu/h100/4 shard//16384' },
    {
      text: 'NodeName=n1 Gres=gpu:A100:2(S:0-1),gpu,gpu:v100,nic:1',
      gres: 'gpu/a100/2 gpu//1 gpu/v100/1 nic//1',
    },
    { text: 'NodeName=DEFAULT CPUs=4 Gres=gpu:4\nNodeName=default CPUs=8\nNodeName=n1', gres: 'gpu//4' },
    { text: 'NodeName=DEFAULT Gres=gpu:4\nNodeName=n1 Gres=gpu:2', gres: 'gpu//2' },
    { text: 'NodeName=n1 Gres=gpu:2\nNodeName=DEFAULT Gres=gpu:4', gres: 'gpu//2' },
    { text: 'NodeName=DEFAULT Gres=gpu:4\nNodeName=n1 Gres=""', gres: '' },
    { text: 'NodeName=n2 Gres=gpu:2\nNodeSet=n1 Nodes=n2\nPartitionName=n1 Nodes=ALL', gres: undefined },
  ])('$text', ({ text, gres }) => {
    const found = nodeGresOf(confText(text), 'n1')?.map(
      ({ name, type = '', count }) => `${name}/${type}/${count}`,
    );
    expect(found?.join(' ')).toBe(gres);
  });

  test.each([
    { text: '4', count: 4 },
    { text: '2k', count: 2048 },
    { text: '2KiB', count: 2048 },
    { text: '2KB', count: 2000 },
    { text: '1M', count: 1 << 20 },
    { text: '', count: undefined },
    { text: '2x', count: undefined },
    { text: '-1', count: undefined },
  ])('count $text', ({ text, count }) => {
    expect(parseGresCount(text)).toBe(count);
  });
});
