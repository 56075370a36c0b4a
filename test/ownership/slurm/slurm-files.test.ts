import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  openSlurmFiles,
  readClusterName,
  type SlurmFiles,
} from '../../../src/ownership/slurm/slurm-files.ts';

let directory: string;
let files: SlurmFiles;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-conf-'));
  files = openSlurmFiles();
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const at = (name: string): string => join(directory, name);
function put(name: string, text: string): void {
  mkdirSync(dirname(at(name)), { recursive: true });
  writeFileSync(at(name), text);
}

/** `3,0`; or what kind it is. */
function order(node = 'n1'): string | undefined {
  const gres = files.gresOf(at('slurm.conf'), node);
  if (gres?.kind !== 'files') return gres?.kind;
  return gres.gpus.map(({ file = '-' }) => file.replace(/^.*nvidia/, '')).join();
}

/** `slurm.conf:3: expected …` of what was told since the last call. */
function told(): string[] {
  return files
    .takeProblems()
    .map(
      ({ code, where = '', message }) =>
        `${code} ${where.replace(`${directory}/`, '')}: ${message.replaceAll(`${directory}/`, '')}`,
    );
}

describe('included files', () => {
  test('stand where they are included', () => {
    put('slurm.conf', 'ClusterName=One\nInclude types.conf\nInclude nodes-%c.conf\n');
    put('types.conf', 'GresTypes=gpu,mps\n');
    put('nodes-one.conf', 'NodeName=n1 Gres=gpu:b:1,gpu:a:1\n');
    put('gres.conf', `Name=gpu Type=a File=/dev/nvidia0\nInclude ${at('more/gres')}\nInclude last\n`);
    put('more/gres', 'Name=gpu Type=b File=/dev/nvidia[5-6]\n');
    put('last', 'Name=gpu Type=c File=/dev/nvidia7\n');
    expect(order()).toBe('5,0');
    expect(files.areGpusShared(at('slurm.conf'))).toBe(true);
    expect(told()).toEqual([]);
  });

  test('are looked for beside slurm.conf, and in former versions beside the file that includes', () => {
    put('slurm.conf', '');
    put('gres.conf', 'Include more/a\n');
    put('more/a', 'Include b\n');
    put('more/b', 'Name=gpu File=/dev/nvidia1\n');
    expect(order()).toBe('1');
    put('b', 'Name=gpu File=/dev/nvidia2\n');
    expect(order()).toBe('unknown');
    expect(told()).toEqual(['slurm.bad_conf more/a:1: expected one file, found both b and more/b']);
    rmSync(at('more/b'));
    expect(order()).toBe('2');
  });

  test('that change are read again, like the file itself', () => {
    put('slurm.conf', 'Include types\n');
    put('types', 'GresTypes=gpu\n');
    put('gres.conf', 'Include gpus\n');
    put('gpus', 'Name=gpu File=/dev/nvidia[0-1]\n');
    expect([order(), files.areGpusShared(at('slurm.conf'))]).toEqual(['0,1', false]);
    put('gpus', 'Name=gpu File=/dev/nvidia[1,0]\nName=gpu File=/dev/nvidia2\n');
    put('types', 'GresTypes=gpu,shard\n');
    expect([order(), files.areGpusShared(at('slurm.conf'))]).toEqual(['1,0,2', true]);
    put('slurm.conf', 'NodeName=n1 Gres=gpu:2\n');
    expect(order()).toBe('1,0');
  });
});

describe('what cannot be read', () => {
  const GRES = 'Name=gpu File=/dev/nvidia[0-1]\n';

  test('is told once with file and line, and nothing is guessed until it can be read', () => {
    put('slurm.conf', 'GresTypes=gpu\n');
    put('gres.conf', `${GRES}\nInclude more.conf\n`);
    expect(order()).toBe('unknown');
    expect(order('n2')).toBe('unknown');
    expect(told()).toEqual([
      'slurm.bad_conf gres.conf:3: expected a readable file more.conf, found no such file',
    ]);
    expect([order(), ...told()]).toEqual(['unknown']);
    put('more.conf', 'Name=gpu File=/dev/nvidia2\n');
    expect([order(), ...told()]).toEqual(['0,1,2']);
    rmSync(at('more.conf'));
    expect(order()).toBe('unknown');
    expect(told()).toHaveLength(1);
  });

  test('in slurm.conf leaves shares and the number of GPUs unknown, but not the order of one type', () => {
    put('slurm.conf', 'GresTypes=gpu\nInclude more.conf\n');
    put('gres.conf', GRES);
    expect(files.areGpusShared(at('slurm.conf'))).toBeUndefined();
    expect(order()).toBe('0,1');
    put('gres.conf', 'AutoDetect=nvml\n');
    expect(order()).toBe('unknown');
    expect(told()).toHaveLength(1);
  });

  test.each([
    {
      what: 'a line that is no line',
      text: 'what is this',
      message: 'expected Key=value, found "what is this"',
    },
    {
      what: 'a key that Slurm does not know',
      text: 'Name=gpu New=1',
      message: 'expected a key of gres.conf, found new=',
    },
    { what: 'a pattern', text: 'Include *.conf', message: 'expected one file, found the pattern "*.conf"' },
    {
      what: '%c without a name',
      text: 'Include %c.conf',
      message: 'expected ClusterName before %c, found "%c.conf"',
    },
    {
      what: 'a directory',
      text: 'Include .',
      message: 'expected a readable file DIR, found something else than a file',
    },
    {
      what: 'a path that leads through a file',
      text: 'Include slurm.conf/x',
      message: 'expected a readable file slurm.conf/x, found ENOTDIR',
    },
    {
      what: 'itself',
      text: 'Include gres.conf',
      message: 'expected no file that includes itself, found gres.conf',
    },
  ])('$what', ({ text, message }) => {
    put('slurm.conf', '');
    put('gres.conf', `${GRES}${text}\n`);
    expect(order()).toBe('unknown');
    expect(told().map((line) => line.replaceAll(directory, 'DIR'))).toEqual([
      `slurm.bad_conf gres.conf:2: ${message}`,
    ]);
    expect([order(), ...told()]).toEqual(['unknown']);
    put('gres.conf', GRES);
    expect(order()).toBe('0,1');
  });

  test('that include themselves, twice, by another, are read once', () => {
    put('slurm.conf', '');
    put('gres.conf', 'Include more.conf\nInclude more.conf\n');
    put('more.conf', 'Include gres.conf\nInclude gres.conf\n');
    expect(order()).toBe('unknown');
    const found = 'expected no file that includes itself, found gres.conf (4 such places in all)';
    // The third stands where the first does.
    expect(told()).toEqual([`slurm.bad_conf more.conf:1: ${found}`, `slurm.bad_conf more.conf:2: ${found}`]);
  });

  test('that fan out are read 256 times in all', () => {
    put('slurm.conf', '');
    put('gres.conf', 'Include 1\n'.repeat(2));
    for (let level = 1; level < 15; level += 1) put(String(level), `Include ${level + 1}\n`.repeat(2));
    put('15', GRES);
    expect(order()).toBe('unknown');
    expect(told()[0]).toContain('expected at most 256 included files, 16 deep, found another Include');
  });

  test('that are large, over and over, are read to a bound', () => {
    put('slurm.conf', '');
    put('gres.conf', 'Include big\n'.repeat(5));
    put('big', `#${'x'.repeat(1023)}\n`.repeat(4 << 10));
    expect(order()).toBe('unknown');
    const message =
      'expected a readable file big, found more than 16777216 bytes in all (2 such places in all)';
    expect(told()).toEqual([
      `slurm.bad_conf gres.conf:4: ${message}`,
      `slurm.bad_conf gres.conf:5: ${message}`,
    ]);
  });

  test('many faults of one file are three problems', () => {
    put('slurm.conf', '');
    put('gres.conf', 'x\n'.repeat(10));
    expect(order()).toBe('unknown');
    expect(told()).toHaveLength(3);
  });

  test('a file that is not there is none', () => {
    expect([order(), files.clusterOf(at('slurm.conf'))]).toEqual([undefined, undefined]);
    expect(told()).toEqual([]);
  });
});

test('the name of a cluster', () => {
  put('slurm.conf', 'Include name.conf\n');
  put('name.conf', 'ClusterName = "Alps"\n');
  expect(readClusterName(at('slurm.conf'))).toBe('alps');
  expect(readClusterName(at('none.conf'))).toBeUndefined();
});
