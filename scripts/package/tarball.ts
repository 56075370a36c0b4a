import { createWriteStream, readFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Machine } from './machine.ts';
import { Failure } from './steps.ts';
import type { Made } from './tree.ts';

/** Packs a tree to be unpacked anywhere: what is below usr/ stands at its top, beside etc/. */
export async function writeTarball(
  path: string,
  tree: string,
  { arch }: Machine,
  { version, epochS }: Made,
): Promise<void> {
  const top = `gpuledger-${version}-linux-${arch}`;
  const args = [
    ...['--create', '--format=gnu', '--sort=name', `--mtime=@${epochS}`],
    ...['--owner=0', '--group=0', '--numeric-owner', `--directory=${tree}`],
    // The links of a tree that has none; names alone are changed.
    ...[`--transform=s,^usr,${top},`, `--transform=s,^etc,${top}/etc,`, 'usr', 'etc'],
  ];
  const tar = spawn('tar', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [[exitCode]] = await Promise.all([
    once(tar, 'close') as Promise<[number | null]>,
    pipeline(tar.stdout, createGzip({ level: 6 }), createWriteStream(path)),
  ]);
  if (exitCode !== 0) throw new Failure(`tar ended with exit code ${exitCode ?? 'of a signal'}`, 70);
  // One system's gzip differs from another's by this byte of the header alone.
  if (readFileSync(path).readUInt32LE(4) !== 0) throw new Failure(`${path} bears a time in its header`, 70);
}
