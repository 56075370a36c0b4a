import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { messageOf, OperatingError } from '../../core/base/errors.ts';
import { fileError } from '../../core/base/file-fault.ts';
import { readNamedFile } from '../../disk/named-file.ts';

/** What an https server is made of. */
export interface TlsIdentity {
  /** PEM: the server's certificate, and those above it. */
  readonly cert: Buffer;
  /** PEM. */
  readonly key: Buffer;
  /** Sentences for people: it is over, or does not hold yet. */
  readonly warnings: readonly string[];
}

const PEM_BYTES_MAX = 256 * 1024;

/**
 * A certificate and its key that fit each other.
 * @param nowMs since the epoch
 * @throws OperatingError `serve.tls` where one is missing, malformed, of another pair, or the key can be read by everybody
 */
export function readTls(certPath: string, keyPath: string, nowMs: number): TlsIdentity {
  const cert = readPem(certPath, 'the certificate');
  const key = readPem(keyPath, KEY);
  if (isForEverybody(keyPath))
    throw tlsError(`${KEY} can be read or written by everybody on this machine`, keyPath, [
      `chmod o-rwx ${keyPath}, and make a new one if others may have read it`,
    ]);
  return identityOf(cert, key, nowMs);
}

/** What is in PEM, and where it stands. */
export interface Pem {
  readonly bytes: Buffer;
  readonly where: string;
}

/** @throws OperatingError `serve.tls` where they do not fit each other, or are malformed */
export function identityOf(
  { bytes: cert, where: certPlace }: Pem,
  { bytes: key, where: keyPlace }: Pem,
  nowMs: number,
): TlsIdentity {
  const certificate = parsed(() => new X509Certificate(cert), 'expected a certificate (PEM)', certPlace);
  if (!certificate.checkPrivateKey(privateKey(key, keyPlace)))
    throw tlsError('the certificate and the key do not belong together', `${certPlace}, ${keyPlace}`, [
      'name the key with which this certificate was asked for',
      'what the certificate holds: openssl x509 -noout -subject -enddate -in CERTIFICATE',
    ]);
  parsed(
    () => createSecureContext({ cert, key }),
    'TLS does not take the certificate and its key',
    certPlace,
  );
  const { validFromDate, validToDate } = certificate;
  const warnings = [
    ...(validToDate.getTime() < nowMs ? [`expired on ${day(validToDate)}: clients refuse it`] : []),
    ...(validFromDate.getTime() > nowMs
      ? [`holds from ${day(validFromDate)} on only: clients refuse it`]
      : []),
  ];
  return { cert, key, warnings: warnings.map((what) => `the certificate ${certPlace} ${what}`) };
}

/** Whether anybody on this machine may read or write a file. */
export function isForEverybody(path: string): boolean {
  // It may be gone since it was read: then the next look finds the one that took its place.
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && (stat.mode & 0o007) !== 0;
}

/**
 * One or more certificates of authorities.
 * @throws OperatingError `serve.tls`
 */
export function checkAuthorities({ bytes, where }: Pem): void {
  const blocks = bytes.toString('latin1').match(CERTIFICATE) ?? [];
  if (blocks.length === 0) throw tlsError('expected certificates of authorities (PEM), came none', where, []);
  for (const block of blocks)
    parsed(() => new X509Certificate(block), 'expected certificates of authorities (PEM)', where);
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** For people. */
export const KEY = 'the key of the certificate';

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/** @param what for people: `the certificate` @throws OperatingError `serve.tls` */
export function readPem(path: string, what: string): Pem {
  let bytes: Buffer | undefined;
  try {
    bytes = readNamedFile(path, PEM_BYTES_MAX);
  } catch (thrown) {
    throw fileError(`${what} cannot be read`, thrown, { code: 'serve.tls', exit: 'config', where: path });
  }
  if (bytes !== undefined) return { bytes, where: path };
  throw tlsError(`${what}: expected at most ${PEM_BYTES_MAX / 1024} KiB, found more`, path, []);
}

function privateKey(pem: Buffer, path: string): KeyObject {
  if (pem.includes('ENCRYPTED'))
    throw tlsError(
      'the key of the certificate is encrypted, and nobody is there to type its password',
      path,
      ['openssl pkey -in ENCRYPTED -out PLAIN, with rights for the server alone (umask 077)'],
    );
  return parsed(() => createPrivateKey(pem), 'expected the private key of the certificate (PEM)', path);
}

/** What TLS says of a file. Its message holds nothing of the file. */
function parsed<Result>(parse: () => Result, sentence: string, path: string): Result {
  try {
    return parse();
  } catch (thrown) {
    throw tlsError(`${sentence}: ${messageOf(thrown)}`, path, [], thrown);
  }
}

function tlsError(message: string, where: string, hints: readonly string[], cause?: unknown): OperatingError {
  return new OperatingError(message, { code: 'serve.tls', exit: 'config', where, hints, cause });
}
