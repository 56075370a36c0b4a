import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadNvml } from '../../../native/nvml.ts';
import type { OperatingError } from '../../../src/core/base/errors.ts';
import { listDevices } from '../../../src/source/nvml/nvml.ts';
import { loadFake } from '../../helpers/fakes.ts';
import { laneOf } from '../../helpers/lanes.ts';
import { cell, createNvmlPlay } from '../../helpers/nvml-play.ts';
import { truthInt } from '../../helpers/truth.ts';

const fake = loadFake('nvml');
const old = loadFake('nvml-old');

function errorOf(act: () => unknown): OperatingError {
  try {
    act();
  } catch (thrown) {
    return thrown as OperatingError;
  }
  throw new Error('nothing was thrown');
}

beforeEach(() => {
  fake.reset();
});

describe('libnvidia-ml', () => {
  it('is found by the same search as the real one: a directory of the environment, or of the flag', () => {
    const directory = dirname(fake.path);
    expect(loadNvml(undefined, { GPULEDGER_NVML_LIBRARY: directory }).library.path).toBe(fake.path);
    expect(loadNvml(directory, {}).library.path).toBe(fake.path);
  });

  it('is missing with exit 69 and every place that was tried', () => {
    const directory = mkdtempSync(join(tmpdir(), 'gpuledger-nvml-'));
    try {
      const nowhere = errorOf(() => loadNvml(directory, {}));
      expect(nowhere).toMatchObject({ exit: 'unavailable', message: 'libnvidia-ml.so.1 not found' });
      expect(nowhere.where).toContain(directory);
      writeFileSync(join(directory, 'libnvidia-ml.so.1'), 'no library');
      const broken = errorOf(() => loadNvml(directory, {}));
      expect(broken.hints.join('\n')).toContain(`${directory}/libnvidia-ml.so.1: `);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it.each([
    [9, 'nvml.driver_not_loaded', 'the NVIDIA kernel driver is not loaded'],
    [18, 'nvml.lib_rm_version_mismatch', 'library and kernel driver are of different versions'],
    [999, 'nvml.unknown', 'in a container: the device cgroup may have been rewritten'],
  ])('that cannot be initialised (%i) says what to do', (code, name, hint) => {
    fake.set('init_fails', code);
    const error = errorOf(() => listDevices({ node: 'n1', library: fake.path }));
    expect(error).toMatchObject({ exit: 'unavailable', code: name });
    expect(error.hints.join('\n')).toContain(hint);
  });

  it('is let go of once its devices are listed', () => {
    fake.set('mig', 1);
    const { devices, about } = listDevices({ node: 'n1', library: fake.path });
    expect(devices.slice(0, 3).map(({ selectorId, device }) => [selectorId, device.uuid])).toEqual([
      [0, 'GPU-00000000-fade-4000-8000-000000000000'],
      [0, 'MIG-00000000-fade-4000-8000-000000000000'],
      [1, 'MIG-00000001-fade-4000-8000-000000000000'],
    ]);
    expect(about).toBe(`NVML (${fake.path})`);
    expect(fake.get('inits')).toBe(0);
  });
});

describe('docs/source-fields.md', () => {
  it('says what the tables of the sources say', () => {
    const script = fileURLToPath(new URL('../../../scripts/generate-source-table.ts', import.meta.url));
    const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

describe('libnvidia-ml of a driver before R535', () => {
  const nvml = createNvmlPlay(old);
  const lane = laneOf(0, 'device', 1000, [150, 153, 112, 252, 253, 254, 1002]);
  const at = (row: Parameters<typeof cell>[1], id: number): number => cell(lane, row, id);
  beforeEach(nvml.reset);
  afterEach(nvml.close);

  it('gives by its older calls what those have, and nothing else', () => {
    old.set('throttle', 4);
    nvml.open([lane]);
    const row = nvml.play(lane, 2).ofDevice(1).at(-1)!;
    const used = truthInt(252, 1, row.tsUs) + 600;
    expect(at(row, 150)).toBe(truthInt(150, 1, row.tsUs) % 90);
    expect(at(row, 112)).toBe(4);
    // The older call counts what the driver reserves as used.
    expect(at(row, 252)).toBe(used * 1_048_576);
    expect(at(row, 254)).toBe(used / 143_771);
    for (const id of [153, 253, 1002]) expect(at(row, id)).toBeNaN();
    expect(nvml.of('throttle')).toHaveLength(8);
    const unsupported = nvml.of('blank_begin').map(({ text }) => text);
    expect(new Set(unsupported)).toEqual(
      new Set([
        'gpu_temp_margin_celsius: not supported',
        'fb_reserved_bytes: not supported',
        'sm_active_ratio: not supported',
      ]),
    );
  });
});
