/** What `npm run package` makes: twice the same bytes, small enough, and found right by the checkers of both families. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';

import { loadCommandTree } from '../../src/cli/main.ts';
import { ROOT, runToEnd, type Ended } from '../helpers/run-process.ts';

const { deb: DEB, rpm: RPM } = inject('packages');
const BYTES_MAX = 40e6;
const NOT_NEEDED = /dcgm|java|\bj[rd][ek]\b|\bgcc|\bg\+\+|compiler|nodejs|python/i;

const told = ({ stdout, stderr }: Ended): string[] => `${stdout}\n${stderr}`.split('\n');

let unpacked = '';
beforeAll(() => {
  unpacked = mkdtempSync(join(tmpdir(), 'gpuledger-packages-'));
  execFileSync('dpkg-deb', ['--raw-extract', DEB, unpacked]);
});
afterAll(() => {
  rmSync(unpacked, { recursive: true, force: true });
});

test('whoever makes them gets the same bytes', () => {
  const [first, again] = inject('packageSums');
  expect(first).toHaveLength(3);
  expect(again).toEqual(first);
});

test('another machine than there are packages for is refused', async () => {
  const { exitCode, stderr } = await runToEnd(process.execPath, ['scripts/package.ts', 'riscv64']);
  expect([exitCode, stderr]).toEqual([64, 'error: expected x64 or arm64, came riscv64\n']);
});

describe('the .deb', () => {
  test('is small, and needs the C and C++ library alone', async () => {
    expect(statSync(DEB).size).toBeLessThan(BYTES_MAX);
    const { stdout } = await runToEnd('dpkg-deb', ['--field', DEB, 'Depends', 'Architecture']);
    expect(stdout).toMatch(/^Depends: libc6 \(.*libstdc\+\+6.*\nArchitecture: amd64\n$/);
    expect(stdout).not.toMatch(NOT_NEEDED);
  });

  test('lintian finds no error in it', async () => {
    const lines = told(await runToEnd('lintian', ['--allow-root', '--fail-on', 'none', DEB]));
    // That it has judged it at all.
    expect(lines).toContainEqual(expect.stringMatching(/^W: gpuledger: /));
    expect(lines.filter((line) => line.startsWith('E:'))).toEqual([]);
  });

  test('keeps what people change: all of /etc is theirs', () => {
    expect(readFileSync(join(unpacked, 'DEBIAN/conffiles'), 'utf8')).toBe('/etc/gpuledger/gpuledger.yaml\n');
  });

  test('puts nothing where a program writes', () => {
    expect(readdirSync(unpacked).sort()).toEqual(['DEBIAN', 'etc', 'usr']);
  });

  test('its scripts start and enable nothing, and are understood by any POSIX shell', async () => {
    for (const name of ['postinst', 'prerm', 'postrm']) {
      const path = join(unpacked, 'DEBIAN', name);
      expect(await runToEnd('dash', ['-n', path])).toEqual({ exitCode: 0, stdout: '', stderr: '' });
      expect(readFileSync(path, 'utf8')).not.toMatch(/systemctl (start|enable|restart|unmask|preset)/);
    }
    expect(readFileSync(join(unpacked, 'DEBIAN/postinst'), 'utf8')).toMatch(
      /systemctl try-restart .*gpuledger\.service/,
    );
  });

  test('its units call what it brings', () => {
    const folder = join(unpacked, 'usr/lib/systemd/system');
    const units = readdirSync(folder);
    expect(units).toContain('gpuledger.service');
    const called = units.flatMap((unit) => [
      ...readFileSync(join(folder, unit), 'utf8').matchAll(/^Exec\w+=(\S+gpuledger\S*)/gm),
    ]);
    expect(called.length).toBeGreaterThan(4);
    for (const [, path] of called) expect(existsSync(join(unpacked, path!))).toBe(true);
  });
});

describe('the .rpm', () => {
  test('needs the C and C++ library alone', async () => {
    expect(statSync(RPM).size).toBeLessThan(BYTES_MAX);
    const { stdout } = await runToEnd('rpm', ['--query', '--requires', '--package', RPM]);
    expect(stdout).toContain('libc.so.6(GLIBC_2.28)(64bit)');
    expect(stdout).not.toMatch(NOT_NEEDED);
  });

  test('rpmlint finds no error in it but that nobody has signed it', async () => {
    const config = join(ROOT, 'infra/packages/rpmlint.toml');
    const lines = told(await runToEnd('rpmlint', ['--config', config, RPM]));
    expect(lines).toContainEqual(expect.stringMatching(/1 packages and 0 specfiles checked/));
    expect(lines.filter((line) => / E: /.test(line))).toEqual([]);
  });

  test('an upgrade keeps what people have changed', async () => {
    const { stdout } = await runToEnd('rpm', ['--query', '--configfiles', '--package', RPM]);
    expect(stdout).toBe('/etc/gpuledger/gpuledger.yaml\n');
    const flags = await runToEnd('rpm', [
      '--query',
      '--queryformat',
      '[%{FILENAMES} %{FILEFLAGS:fflags}\n]',
      '--package',
      RPM,
    ]);
    expect(flags.stdout.split('\n')).toContain('/etc/gpuledger/gpuledger.yaml cn');
  });
});

describe('the manual', () => {
  test('has a page for every command, which roff understands and which names every option', async () => {
    const { commands } = await loadCommandTree();
    expect(commands.length).toBeGreaterThan(19);
    for (const command of commands) {
      const path = join(unpacked, `usr/share/man/man1/gpuledger-${command.name()}.1.gz`);
      const { exitCode, stdout, stderr } = await runToEnd('sh', [
        '-c',
        'zcat "$0" | preconv -e utf-8 | groff -ww -man -T utf8 -P -c -P -b -P -u -rLL=200n',
        path,
      ]);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      const options = [command, ...command.commands].flatMap((one) => one.options.map(({ flags }) => flags));
      expect(options.filter((flags) => !stdout.includes(flags))).toEqual([]);
    }
  });
});

/** Shells that have nothing to do but to complete one line. */
describe('completions', () => {
  test.each([
    ['gpuledger sp', ['spool']],
    ['gpuledger spool ', ['drop', 'replay', 'status']],
    ['gpuledger report jobs --sort g', ['gpu-hours']],
    ['gpuledger completion z', ['zsh']],
    ['gpuledger report jobs --user ', []],
  ])('fish: %s', async (line, expected) => {
    const file = join(unpacked, 'usr/share/fish/vendor_completions.d/gpuledger.fish');
    const script = 'source $argv[1]; complete -C $argv[2]';
    const { exitCode, stdout, stderr } = await runToEnd('fish', ['--no-config', '-c', script, file, line]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const words = stdout.split('\n').map((each) => each.split('\t')[0]!);
    expect(words.filter((word) => word !== '').sort()).toEqual(expected);
  });

  test.each([
    [['spool', ''], /^entries gpuledger \[.*status:Show what waits on disk\..*--help:/],
    [['report', 'jobs', '--sort', ''], /^compadd -- wasted .* gpu-hours /],
    [['run', '--config', ''], /^_files\n$/],
    [['run', '--state-dir', ''], /^_files -\/\n$/],
    [['report', 'jobs', '--user', ''], /^_message /],
  ])('zsh: %j', async (words, expected) => {
    const file = join(unpacked, 'usr/share/zsh/vendor-completions/_gpuledger');
    // zsh's own completion system asks a terminal: here its functions say what they were told.
    const script = `compdef() { :; }
      _describe() { print -r -- "entries $1 [\${(P)2}]"; }
      for name in compadd _files _message; do eval "$name() { print -r -- $name \\"\\$@\\"; }"; done
      source $1; shift; words=(gpuledger "$@"); CURRENT=$#words; _gpuledger; true`;
    const { exitCode, stdout, stderr } = await runToEnd('zsh', ['-f', '-c', script, 'zsh', file, ...words]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(expected);
  });
});
