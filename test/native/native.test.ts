/** Finding libraries, the generated layouts, and the decoders against bytes that the fakes lay out. */
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fieldValueV2 } from '../../native/dcgm-layout.ts';
import { createRecord, readRecordV2 } from '../../native/dcgm-record.ts';
import { loadLibrary } from '../../native/library.ts';
import type { LibraryWanted } from '../../native/library-places.ts';
import { sampleState } from '../../src/core/sampling/sample-state.ts';
import { buildFake } from '../helpers/fakes.ts';
import { ROOT, runToEnd } from '../helpers/run-process.ts';

const fake = buildFake('dcgm');
const wanted = (options: Partial<LibraryWanted> = {}): LibraryWanted => ({
  name: 'libdcgm',
  sonames: ['libdcgm.so.4', 'libdcgm.so.3'],
  flag: { name: '--dcgm-library', value: undefined },
  environment: { name: 'GPULEDGER_DCGM_LIBRARY', value: undefined },
  directories: [],
  hints: ['install it'],
  ...options,
});
const failureOf = (run: () => unknown): { where?: string; hints?: string[]; message?: string } => {
  try {
    run();
  } catch (thrown) {
    return thrown as object;
  }
  return {};
};
function directoryWith(soname: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-lib-'));
  symlinkSync(fake, join(directory, soname));
  return directory;
}

describe('finding a library', () => {
  it('takes the flag before the environment before the directories', () => {
    const [byFlag, byEnvironment, byDirectory] = [1, 2, 3].map(() => directoryWith('libdcgm.so.4'));
    const flag = { name: '--dcgm-library', value: byFlag };
    const environment = { name: 'GPULEDGER_DCGM_LIBRARY', value: byEnvironment };
    const directories = [byDirectory!];
    expect(loadLibrary(wanted({ flag, environment, directories })).path).toBe(join(byFlag!, 'libdcgm.so.4'));
    expect(loadLibrary(wanted({ environment, directories })).path).toBe(join(byEnvironment!, 'libdcgm.so.4'));
    expect(loadLibrary(wanted({ directories })).path).toBe(join(byDirectory!, 'libdcgm.so.4'));
  });

  it('takes version 3 where there is no version 4', () => {
    expect(loadLibrary(wanted({ directories: [directoryWith('libdcgm.so.3')] })).soname).toBe('libdcgm.so.3');
  });

  it('never takes another one than the one that was named', () => {
    const flag = { name: '--dcgm-library', value: '/nowhere/libdcgm.so.4' };
    const failure = failureOf(() =>
      loadLibrary(wanted({ flag, directories: [directoryWith('libdcgm.so.4')] })),
    );
    expect(failure).toMatchObject({
      exit: 'unavailable',
      where: 'looked in: --dcgm-library (/nowhere/libdcgm.so.4)',
    });
  });

  it('tells every place, and what was wrong with a file that is there', () => {
    const directory = join(mkdtempSync(join(tmpdir(), 'gpuledger-lib-')), 'lib');
    mkdirSync(directory);
    writeFileSync(join(directory, 'libdcgm.so.4'), 'no library');
    const failure = failureOf(() => loadLibrary(wanted({ directories: [directory, '/nowhere'] })));
    expect(failure.message).toBe('libdcgm.so.4 not found, nor libdcgm.so.3');
    expect(failure.where).toBe(
      `looked in: --dcgm-library (not given), GPULEDGER_DCGM_LIBRARY (not set), ${directory}, /nowhere, the loader's path`,
    );
    expect(failure.hints).toEqual([
      expect.stringMatching(/libdcgm\.so\.4: .*(file too short|invalid ELF header)/),
      'install it',
    ]);
  });

  it('tells a missing symbol from a missing library', () => {
    const library = loadLibrary(wanted({ flag: { name: '--dcgm-library', value: fake } }));
    expect(library.bindOptional('int dcgmConnect_v3(const char *uri)')).toBeUndefined();
    expect(() => library.bind('int dcgmConnect_v3(const char *uri)')).toThrow(
      'libdcgm does not export dcgmConnect_v3',
    );
  });
});

describe('leaving', () => {
  it('ends at once, with its exit code, while a thread sits in a native call', async () => {
    const program = `
      import { Worker } from 'node:worker_threads';
      import { exitNow } from ${JSON.stringify(`${ROOT}native/exit-now.ts`)};
      const blocked = "import('koffi').then(({default: koffi}) => { const sleep = koffi.load('libc.so.6').func('uint32_t sleep(uint32_t s)');" +
        "require('node:worker_threads').parentPort.postMessage('in'); sleep(600); })";
      const worker = new Worker(blocked, { eval: true, execArgv: [] });
      worker.on('message', () => setTimeout(() => exitNow(75), 100));`;
    const { exitCode } = await runToEnd(process.execPath, ['--input-type=module', '-e', program]);
    expect(exitCode).toBe(75);
  });
});

describe('layouts', () => {
  it('are what the data say, in TypeScript and in C', async () => {
    const { exitCode, stderr } = await runToEnd(process.execPath, ['scripts/generate-layouts.ts', '--check']);
    expect(stderr).toBe('');
    expect(exitCode).toBe(0);
    // The fakes were compiled with these assertions: a struct that is laid out otherwise is a compile error.
    expect(readFileSync(`${ROOT}test/fakes/layout-asserts.h`, 'utf8')).toContain(
      '_Static_assert(offsetof(dcgmFieldValue_v2, value) == 32, "dcgmFieldValue_v2.value");',
    );
  });
});

describe('decoding a value', () => {
  const bytes = Buffer.alloc(fieldValueV2.sizeBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { at } = fieldValueV2;
  const decode = (
    type: 'i' | 'd' | 's' | 'b',
    write: () => void,
    status = 0,
  ): ReturnType<typeof createRecord> => {
    bytes.fill(0xee);
    bytes.writeUInt16LE(type.charCodeAt(0), at.fieldType);
    bytes.writeInt32LE(status, at.status);
    bytes.writeBigInt64LE(1_800_000_000_123_456n, at.ts);
    write();
    const record = createRecord();
    readRecordV2(view, 0, record);
    return record;
  };
  const int64 = (value: bigint) => decode('i', () => bytes.writeBigInt64LE(value, at.value));
  const double = (value: number) => decode('d', () => bytes.writeDoubleLE(value, at.value));

  it.each([
    [0n, sampleState.blank],
    [1n, sampleState.notFound],
    [2n, sampleState.notSupported],
    [3n, sampleState.notPermitted],
    [15n, sampleState.blank],
  ])('knows the blanks: base + %i', (reason, state) => {
    expect(int64(0x7ffffffffffffff0n + reason)).toMatchObject({ state, value: NaN });
    if (reason <= 3n) expect(double(2 ** 47 + Number(reason))).toMatchObject({ state, value: NaN });
  });

  it('takes for values what only looks like a blank', () => {
    expect(int64(0x7fffffffffffffefn).state).toBe(sampleState.value);
    expect(int64(-5n).value).toBe(-5);
    expect(int64(2n ** 53n).value).toBe(2 ** 53);
    expect(double(2 ** 47 + 4)).toMatchObject({ state: sampleState.value, value: 2 ** 47 + 4 });
    expect(double(2 ** 48).value).toBe(2 ** 48);
  });

  it('has no number for infinity, NaN and blobs', () => {
    for (const value of [Infinity, -Infinity, NaN]) expect(double(value).state).toBe(sampleState.blank);
    expect(decode('b', () => undefined).state).toBe(sampleState.blank);
  });

  it('takes a failed record for no sample, whatever its value says', () => {
    expect(decode('d', () => bytes.writeDoubleLE(0.5, at.value), -14)).toMatchObject({
      state: sampleState.missing,
      value: NaN,
    });
  });

  it('reads a text up to its NUL and not the stale memory behind it', () => {
    expect(decode('s', () => bytes.write('GPU-1\0stale', at.value)).text).toBe('GPU-1');
    expect(decode('s', () => bytes.write('<<<NOT_SUPPORTED>>>\0', at.value))).toMatchObject({
      text: '',
      state: sampleState.blank,
    });
  });

  it('keeps microseconds exact', () => {
    expect(double(1).tsUs).toBe(1_800_000_000_123_456);
  });
});
