/** Host engines of the fake libdcgm that live in files, so that every process finds the same engine at an address. */
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildFake } from './fakes.ts';

export interface FakeEngines {
  readonly directory: string;
  /** For the environment of whoever talks to them. */
  readonly env: { readonly GPULEDGER_FAKE_ENGINES: string; readonly GPULEDGER_DCGM_LIBRARY: string };
  /** Starts an engine, or starts it again: what it kept is gone. `serial` tells its GPUs from those of others. */
  start(address: string, knobs?: Readonly<Record<string, number>>): void;
  /** Stops it. */
  stop(address: string): void;
  /** Makes it have sampled since so much longer. */
  backdate(address: string, byUs: number): void;
  set(address: string, knob: string, value: number): void;
  /** Since when it samples a field of a GPU, epoch µs; undefined when it does not. */
  sampledSinceUs(address: string, gpu: number, field: number): number | undefined;
  close(): void;
}

export function createFakeEngines(): FakeEngines {
  const library = buildFake('dcgm');
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-engines-'));
  mkdirSync(directory, { recursive: true });
  const fileOf = (address: string): string =>
    join(directory, address.replace(/^unix:\/\//, '').replaceAll('/', '_'));
  const read = (address: string): string => readFileSync(fileOf(address), 'utf8');
  const write = (address: string, text: string): void => {
    // In one step: another process may be reading it.
    const path = fileOf(address);
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  return {
    directory,
    env: { GPULEDGER_FAKE_ENGINES: directory, GPULEDGER_DCGM_LIBRARY: library },
    start(address, knobs = {}) {
      const lines = Object.entries(knobs).map(([name, value]) => `${name}=${value}\n`);
      write(address, lines.join(''));
    },
    stop(address) {
      rmSync(fileOf(address), { force: true });
    },
    backdate(address, byUs) {
      const moved = (_: string, sinceUs: string): string => `watch ${Number(sinceUs) - byUs} `;
      write(address, read(address).replaceAll(/^watch (\d+) /gm, moved));
    },
    set(address, knob, value) {
      write(address, `${knob}=${value}\n${read(address).replaceAll(new RegExp(`^${knob}=.*\n`, 'gm'), '')}`);
    },
    sampledSinceUs(address, gpu, field) {
      for (const line of read(address).split('\n')) {
        if (line.startsWith('watch ') && line.split(' ').includes(`1:${gpu}:${field}`))
          return Number(line.split(' ')[1]);
      }
      return undefined;
    },
    close() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
