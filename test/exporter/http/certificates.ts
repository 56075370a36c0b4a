import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { runToEnd, type Ended } from '../../helpers/run-process.ts';

/** A directory until the end of the file's tests, with certificates that openssl makes in it. */
export interface Certificates {
  readonly directory: string;
  path(name: string): string;
  /** Writes a web-config file. @returns its path */
  config(text: string): string;
  /** `NAME.pem` and `NAME.key`, which signs others. */
  authority(name: string): void;
  /** `NAME.pem` and `NAME.key`, signed by an authority. @param sans `DNS:localhost,IP:127.0.0.1` @param kind of key, for openssl */
  signed(name: string, by: string, sans: string, kind?: string): void;
}

const EC = 'ec';
export const RSA = 'rsa:2048';
export const HERE = 'DNS:localhost,IP:127.0.0.1';

export function makeCertificates(): Certificates {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-exporter-tls-'));
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });
  const path = (name: string): string => join(directory, name);
  const make = (name: string, kind: string, args: readonly string[]): void => {
    const files = ['-keyout', path(`${name}.key`), '-out', path(`${name}.pem`)];
    const key = [
      '-newkey',
      kind,
      ...(kind === EC ? ['-pkeyopt', 'ec_paramgen_curve:P-256'] : []),
      '-nodes',
      '-days',
      '100',
    ];
    execFileSync('openssl', ['req', '-x509', ...key, ...files, '-subj', `/CN=${name}`, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    chmodSync(path(`${name}.key`), 0o600);
  };
  return {
    directory,
    path,
    config(text) {
      writeFileSync(path('web.yml'), text, { mode: 0o600 });
      return path('web.yml');
    },
    authority: (name) => {
      make(name, EC, []);
    },
    signed: (name, by, sans, kind = EC) => {
      const signer = ['-CA', path(`${by}.pem`), '-CAkey', path(`${by}.key`)];
      make(name, kind, [
        ...signer,
        '-addext',
        `subjectAltName=${sans}`,
        '-addext',
        'basicConstraints=CA:FALSE',
      ]);
    },
  };
}

/** The real curl, without what a user has set up for it. */
export async function curl(...args: string[]): Promise<Ended> {
  return await runToEnd('curl', ['-q', '-sS', '--noproxy', '*', '--max-time', '500', ...args]);
}
