import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sharesOfDevice } from '../../../src/ownership/slurm/gres-conf.ts';
import { openSlurmFiles } from '../../../src/ownership/slurm/slurm-files.ts';
import { makeModel, workOut, writeModel, type Worked } from '../../helpers/slurm-conf-model.ts';

/** Any configuration, in any style of writing: the GPUs in Slurm's order with their shards. */
function read(files: ReadonlyMap<string, string>): Worked & { readonly problems: string[] } {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-conf-'));
  try {
    for (const [name, text] of files) writeFileSync(join(directory, name), text);
    const conf = join(directory, 'slurm.conf');
    writeFileSync(conf, 'ClusterName=x\nInclude lines.conf\n');
    const opened = openSlurmFiles();
    const gres = opened.gresOf(conf, 'n1');
    return {
      problems: opened.takeProblems().map(({ where, message }) => `${where}: ${message}`),
      files: (gres?.gpus ?? []).map(({ file }) => Number(/(\d+)$/.exec(file!)![1])),
      shards: (gres?.gpus ?? []).map((_, position) => sharesOfDevice(gres!, 'shard', position) ?? 0),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const seeds = fc.integer({ min: 1, max: 2 ** 31 });

test('any configuration, however it is written, is what Slurm makes of it', () => {
  fc.assert(
    fc.property(seeds, fc.oneof(fc.constant(0), seeds), (modelSeed, styleSeed) => {
      const model = makeModel(modelSeed, 'n1');
      const files = writeModel(model, { seed: styleSeed, node: 'n1', devices: '/dev' });
      expect(read(files), JSON.stringify([...files], undefined, 1)).toEqual({
        ...workOut(model, 'n1'),
        problems: [],
      });
    }),
    { numRuns: 300 },
  );
});
