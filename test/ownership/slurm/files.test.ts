import { describe, expect, test } from 'vitest';
import { gresOrderOf, sharesGpus } from '../../../src/ownership/slurm/gres-conf.ts';

describe('gres.conf', () => {
  test('counts in the order of the lines, whatever the numbers', () => {
    const order = gresOrderOf(
      'Name=gpu File=/dev/nvidia7\nname=gpu file=/dev/nvidia[2-3] # two\nName=gpu File=/dev/nvidia[0-1]',
      'n1',
    );
    expect(order?.gpus.map((gpu) => gpu.file.slice(-1)).join('')).toBe('72301');
  });
  test('reads the lines of its own node and those of all', () => {
    const text =
      'AutoDetect=off\nNodeName=n[2-3] Name=gpu Type=a File=/dev/nvidia0\nNodeName=n1 Name=gpu Type=b File=/dev/nvidia5\nName=mps Count=400';
    expect(gresOrderOf(text, 'n1')).toEqual({
      kind: 'files',
      gpus: [{ file: '/dev/nvidia5', type: 'b' }],
      isMixed: false,
    });
    expect(gresOrderOf(text, 'n9')).toBeUndefined();
  });
  test('sees several types', () => {
    expect(
      gresOrderOf('Name=gpu Type=a File=/dev/nvidia0\nName=gpu Type=b File=/dev/nvidia1', 'n1')?.isMixed,
    ).toBe(true);
  });
  test("a node's own AutoDetect stands above the one for all", () => {
    const text = 'NodeName=n1 AutoDetect=off Name=gpu File=/dev/nvidia0\nAutoDetect=nvml';
    expect(gresOrderOf(text, 'n1')?.kind).toBe('files');
    expect(gresOrderOf(text, 'n2')?.kind).toBe('pci');
  });
  test.each([
    { text: 'GresTypes=gpu\n', shares: false },
    { text: 'grestypes=gpu,shard', shares: true },
    { text: 'GresTypes=gpu\nGresTypes=mps', shares: true },
    { text: '#GresTypes=gpu\nClusterName=x', shares: undefined },
  ])('slurm.conf $text', ({ text, shares }) => {
    expect(sharesGpus(text)).toBe(shares);
  });
});
