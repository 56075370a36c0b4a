/** `gpuledger devices` and `gpuledger profiling`, as processes of their own against the fakes. */
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildFake } from '../helpers/fakes.ts';
import { runCommand } from '../helpers/run-process.ts';

const dcgm = { GPULEDGER_DCGM_LIBRARY: buildFake('dcgm') };

describe('gpuledger devices', () => {
  it('lists GPUs and MIG instances by what --devices calls them', async () => {
    const { exitCode, stdout } = await runCommand(['devices'], {
      env: { ...dcgm, GPULEDGER_FAKE: 'gpus=2,mig=2' },
    });
    expect(exitCode).toBe(0);
    expect(stdout).toBe(
      `DCGM 4.6.0 embedded · 2 GPUs, 2 MIG instances · driver 595.45.04

device  model        profile  memory    PCI               minor  GI/CI  UUID
g:0     NVIDIA H200           140\u00a0GiB   00000000:0F:00.0  7             GPU-00000000-fade-4000-8000-000000000000
g:1     NVIDIA H200           140\u00a0GiB   00000000:1F:00.0  6             GPU-00000001-fade-4000-8000-000000000001
i:8     NVIDIA H200  3g.71gb  69.8\u00a0GiB  00000000:1F:00.0  6      1/0    MIG-00000008-fade-4000-8000-000000000000
i:9     NVIDIA H200  3g.71gb  69.8\u00a0GiB  00000000:1F:00.0  6      2/0    MIG-00000009-fade-4000-8000-000000000000
`.replaceAll('\u00a0', ' '),
    );
  });

  it('prints the same as JSON, from a host engine', async () => {
    const { stdout } = await runCommand(['devices', '-r', 'localhost', '--json'], {
      env: { ...dcgm, GPULEDGER_FAKE: 'gpus=1' },
    });
    expect(JSON.parse(stdout)).toEqual({
      source: 'DCGM 4.6.0 at localhost',
      devices: [
        expect.objectContaining({
          selector: 'g:0',
          uuid: 'GPU-00000000-fade-4000-8000-000000000000',
          minor: 7,
        }),
      ],
    });
  });

  const env = { ...dcgm, GPULEDGER_FAKE: 'gpus=2,mig=2' };
  it.each([
    ['g:1+i:8', 0, ['g:1', 'i:8'], ''],
    ['g:0,7', 0, ['g:0'], 'gpuledger: not there: g:7\n'],
    ['g:7', 69, [], 'error: no device is selected by "g:7"\n  see what there is: gpuledger devices\n'],
  ])('lists what --devices %s stands for', async (selector, exit, listed, told) => {
    const { exitCode, stdout, stderr } = await runCommand(['devices', '--devices', selector], { env });
    expect({ exitCode, stderr }).toEqual({ exitCode: exit, stderr: told });
    expect(stdout.match(/^[gi]:\d+/gm) ?? []).toEqual(listed);
  });

  it('refuses a selector that is none', async () => {
    const { exitCode, stderr } = await runCommand(['devices', '--devices', 'z:1'], { env });
    expect(exitCode).toBe(78);
    expect(stderr).toContain('"z:1" is none of f, g, g:0,2-4, i, i:1-2\n  --devices z:1\n');
  });

  it('says that a dead engine is worth trying again', async () => {
    const env = { ...dcgm, GPULEDGER_FAKE: 'engine_alive=0' };
    const { exitCode, stderr } = await runCommand(['devices', '-r', 'gpu-7'], { env });
    expect(exitCode).toBe(75);
    expect(stderr).toContain(
      'error: dcgmConnect answered CONNECTION_NOT_VALID (-21)\n  gpu-7\n  is nv-hostengine running there',
    );
  });

  it.each([
    ['dcgm', 'libdcgm.so.4 not found, nor libdcgm.so.3', 'GPULEDGER_DCGM_LIBRARY'],
    ['nvml', 'libnvidia-ml.so.1 not found', 'GPULEDGER_NVML_LIBRARY'],
  ])('says what is missing without %s, and every place that was tried', async (source, message, variable) => {
    const empty = mkdtempSync(join(tmpdir(), 'gpuledger-nothing-'));
    const { exitCode, stderr, stdout } = await runCommand(['devices', '--source', source], {
      env: { [variable]: empty },
    });
    expect(exitCode).toBe(69);
    expect(stdout).toBe('');
    expect(stderr).toContain(`error: ${message}\n  looked in: --${source}-library (${empty})\n`);
    expect(stderr).toContain('--source synthetic');
  });

  it('lists synthetic GPUs on a machine without any library', async () => {
    const { exitCode, stdout } = await runCommand([
      'devices',
      '--source',
      'synthetic',
      '--gpus',
      '3',
      '--json',
    ]);
    expect(exitCode).toBe(0);
    expect((JSON.parse(stdout) as { devices: unknown[] }).devices).toHaveLength(3);
  });
});

describe('gpuledger profiling', () => {
  it('asks for a pause, tells who asked, and takes it back', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'gpuledger-state-'));
    const run = (...args: string[]): ReturnType<typeof runCommand> =>
      runCommand(['profiling', ...args, '--state-dir', stateDir], { env: { SLURM_JOB_ID: '4217' } });
    expect((await run('status')).stdout).toBe('profiling is not paused\n');
    expect((await run('pause', '--name', 'ncu', '--for', '10m')).stdout).toBe(
      'pause of profiling requested for 10m, by "ncu"\n',
    );
    expect((await run('status')).stdout).toMatch(/^"ncu" by job 4217, until 20/);
    expect(readdirSync(join(stateDir, 'profiling-pause'))).toEqual(['ncu.json']);
    expect((await run('resume', '--name', 'ncu')).stdout).toBe('request "ncu" taken back\n');
    expect((await run('resume', '--name', 'ncu')).stdout).toBe('no request "ncu"\n');
  });

  it('pauses an engine that can, and says what the engine says where it cannot', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'gpuledger-state-'));
    const run = (knobs: string, ...args: string[]): ReturnType<typeof runCommand> =>
      runCommand(['profiling', ...args, '--state-dir', stateDir], {
        env: { GPULEDGER_DCGM_LIBRARY: buildFake('dcgm'), GPULEDGER_FAKE: knobs },
      });
    const able = await run('prof_module=1', 'pause', '-r', 'localhost', '--name', 'ncu');
    expect(able).toMatchObject({
      exitCode: 0,
      stdout: 'engine localhost: paused\nprofiling paused until resumed, by "ncu"\n',
    });
    const gpm = await run('gpus=1', 'pause', '-r', 'localhost', '--name', 'other');
    expect(gpm).toMatchObject({ exitCode: 69, stdout: '' });
    expect(gpm.stderr).toContain(
      'error: nothing is paused, the request is withdrawn: dcgmProfPause answered NOT_SUPPORTED (-6)\n  localhost\n',
    );
    expect(readdirSync(join(stateDir, 'profiling-pause'))).toEqual(['ncu.json']);
    expect(await run('gpus=1', 'resume', '-r', 'localhost', '--name', 'ncu')).toMatchObject({
      exitCode: 0,
      stdout: 'request "ncu" taken back\nengine localhost: not paused\n',
    });
  });

  it.each([
    [['pause', '--for', 'soon'], 64, '--for "soon"'],
    [['pause', '--name', '../x'], 64, 'pause request "../x"'],
  ])('refuses %j', async (args, code, text) => {
    const stateDir = mkdtempSync(join(tmpdir(), 'gpuledger-state-'));
    const { exitCode, stderr } = await runCommand(['profiling', ...args, '--state-dir', stateDir]);
    expect(exitCode).toBe(code);
    expect(stderr).toContain(text);
  });
});
