import { describe, expect, it } from 'vitest';
import { migProfileOf } from '../../../src/core/devices/mig-profile.ts';

const MEBIBYTE = 1_048_576;

describe('the profile of a GPU instance', () => {
  // MiB of the GPU and of the instance, as the driver tells them, and the name that NVIDIA's MIG guide has for it.
  it.each([
    ['A100 40GB', 40_536, 1, 4_864, '1g.5gb'],
    ['A100 40GB', 40_536, 3, 19_968, '3g.20gb'],
    ['A30', 24_576, 1, 5_836, '1g.6gb'],
    ['A30', 24_576, 4, 24_125, '4g.24gb'],
    ['H100 80GB', 81_559, 1, 9_856, '1g.10gb'],
    ['H100 80GB', 81_559, 1, 20_096, '1g.20gb'],
    ['H100 80GB', 81_559, 3, 40_448, '3g.40gb'],
    ['H100 80GB', 81_559, 7, 81_008, '7g.80gb'],
    ['H100 NVL', 95_830, 1, 11_520, '1g.12gb'],
    ['H200', 143_771, 1, 16_384, '1g.18gb'],
    ['H200', 143_771, 1, 34_304, '1g.35gb'],
    ['H200', 143_771, 3, 71_424, '3g.71gb'],
    ['H200', 143_771, 7, 142_848, '7g.141gb'],
    ['B200', 183_359, 1, 22_144, '1g.23gb'],
    ['B200', 183_359, 3, 90_496, '3g.90gb'],
  ])('%s of %i MiB: %ig with %i MiB is a %s', (_, gpu, slices, own, profile) => {
    const shape = { slices, memoryBytes: own * MEBIBYTE, gpuMemoryBytes: gpu * MEBIBYTE };
    expect(migProfileOf({ name: undefined, ...shape })).toBe(profile);
  });

  it.each([
    ['NVIDIA H200 MIG 3g.71gb', '3g.71gb'],
    ['NVIDIA H200 MIG 1c.3g.71gb', '3g.71gb'],
    ['NVIDIA H100 MIG 1g.10gb+me', '1g.10gb+me'],
    ['NVIDIA H200', '2g'],
    [undefined, '2g'],
  ])('is what the name says: %s', (name, profile) => {
    expect(migProfileOf({ name, slices: 2, memoryBytes: 1, gpuMemoryBytes: 0 })).toBe(profile);
  });
});
