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
  const key = readPem(keyPath, 'the key of the certificate');
  if ((statSync(keyPath).mode & 0o007) !== 0)
    throw tlsError(
      'the key of the certificate can be read or written by everybody on this machine',
      keyPath,
      [`chmod o-rwx ${keyPath}, and make a new one if others may have read it`],
    );
  const certificate = parsed(() => new X509Certificate(cert), 'expected a certificate (PEM)', certPath);
  if (!certificate.checkPrivateKey(privateKey(key, keyPath)))
    throw tlsError('the certificate and the key do not belong together', `${certPath}, ${keyPath}`, [
      'name the key with which this certificate was asked for: serve.tls_key',
      `what the certificate holds: openssl x509 -noout -subject -enddate -in ${certPath}`,
    ]);
  parsed(() => createSecureContext({ cert, key }), 'TLS does not take the certificate and its key', certPath);
  const { validFromDate, validToDate } = certificate;
  const warnings = [
    ...(validToDate.getTime() < nowMs ? [`expired on ${day(validToDate)}: browsers refuse it`] : []),
    ...(validFromDate.getTime() > nowMs
      ? [`holds from ${day(validFromDate)} on only: browsers refuse it`]
      : []),
  ];
  return { cert, key, warnings: warnings.map((what) => `the certificate ${certPath} ${what}`) };
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function readPem(path: string, what: string): Buffer {
  let bytes: Buffer | undefined;
  try {
    bytes = readNamedFile(path, PEM_BYTES_MAX);
  } catch (thrown) {
    throw fileError(`${what} cannot be read`, thrown, { code: 'serve.tls', exit: 'config', where: path });
  }
  if (bytes !== undefined) return bytes;
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
