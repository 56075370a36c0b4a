import { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { createSecureContext, type TlsOptions, type TLSSocket } from 'node:tls';
import { messageOf, OperatingError } from '../../core/base/errors.ts';
import {
  checkAuthorities,
  identityOf,
  isForEverybody,
  KEY,
  readPem,
  type Pem,
} from '../../serve/access/tls.ts';
import type { Look } from '../../serve/access/watched-files.ts';
import type { WrittenTlsConfig } from '../../../schemas/exporter/web-config.ts';
import { sansOf } from './client-sans.ts';

/** How connections are encrypted, and whose certificates are good enough. */
export interface TlsSettings {
  /** As node takes them. */
  readonly options: TlsOptions;
  /** Nobody comes in without a certificate of his own. */
  readonly isClientNeeded: boolean;
  /** @returns why a client is not let in, once the handshake is over; undefined where it is */
  readonly clientRefusal: (socket: TLSSocket) => string | undefined;
}

/** The web-config file that they stand in. */
export interface Place {
  readonly path: string;
  /** What its paths are relative to. */
  readonly directory: string;
  readonly look: Look;
}

const VERSIONS = { TLS10: 'TLSv1', TLS11: 'TLSv1.1', TLS12: 'TLSv1.2', TLS13: 'TLSv1.3' } as const;
const SUITES_13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

/**
 * @returns no settings where none are written
 * @throws OperatingError `serve.tls`
 */
export function tlsSettings(
  written: WrittenTlsConfig,
  place: Place,
): { readonly settings: TlsSettings | undefined; readonly warnings: readonly string[] } {
  const key = pemOf(written, 'key', KEY, place);
  const cert = pemOf(written, 'cert', 'the certificate', place);
  if (cert === undefined || key === undefined) return { settings: undefined, warnings: [] };
  const identity = identityOf(cert, key, Date.now());
  const ca = pemOf(written, 'client_ca', 'the authority of clients', place);
  if (ca !== undefined) checkAuthorities(ca);
  const { isAsked, isNeeded, isVerified } = written.client_auth_type ?? NOBODY;
  const options: TlsOptions = {
    cert: identity.cert,
    key: identity.key,
    ...(ca === undefined ? {} : { ca: ca.bytes }),
    requestCert: isAsked,
    // Whoever may come without one, or with one of anybody's, is looked at after the handshake.
    rejectUnauthorized: isNeeded && isVerified,
    ALPNProtocols: ['http/1.1'],
    ...choices(written),
  };
  checkChoices(options, place.path);
  return {
    settings: {
      options,
      isClientNeeded: isNeeded,
      clientRefusal: clientRefusal({ isNeeded, isVerified }, written.client_allowed_sans ?? undefined),
    },
    warnings: [...identity.warnings, ...keyWarnings(written, key), ...versionWarnings(written, place.path)],
  };
}

const NOBODY = { isAsked: false, isNeeded: false, isVerified: false };

/** In the file itself, or in one that it names. */
function pemOf(
  written: WrittenTlsConfig,
  name: 'cert' | 'key' | 'client_ca',
  what: string,
  { path, directory, look }: Place,
): Pem | undefined {
  const file = written[`${name}_file`] ?? '';
  if (file !== '') return readPem(look(resolve(directory, file)), what);
  const text = written[name] ?? '';
  return text === '' ? undefined : { bytes: Buffer.from(text), where: `${path}: tls_server_config.${name}` };
}

/** What is chosen of TLS itself. */
function choices(written: WrittenTlsConfig): TlsOptions {
  const { cipher_suites: suites, curve_preferences: curves, prefer_server_cipher_suites: own } = written;
  const oldest = written.min_version ?? 'TLS12';
  return {
    minVersion: VERSIONS[oldest < 'TLS12' ? 'TLS12' : oldest],
    maxVersion: VERSIONS[written.max_version ?? 'TLS13'],
    honorCipherOrder: own ?? true,
    ...((suites ?? []).length === 0 ? {} : { ciphers: [...new Set([...SUITES_13, ...suites!])].join(':') }),
    ...((curves ?? []).length === 0 ? {} : { ecdhCurve: curves!.join(':') }),
  };
}

function checkChoices(options: TlsOptions, where: string): void {
  try {
    createSecureContext(options);
  } catch (thrown) {
    throw new OperatingError(`TLS cannot be set up so: ${messageOf(thrown)}`, {
      code: 'serve.tls',
      exit: 'config',
      where,
      hints: ['leave cipher_suites and curve_preferences out'],
      cause: thrown,
    });
  }
}

/** A warning and no refusal: Kubernetes lays secrets so before a process, and upstream reads them. */
function keyWarnings({ key_file: file }: WrittenTlsConfig, { where }: Pem): string[] {
  return (file ?? '') !== '' && isForEverybody(where)
    ? [`${KEY} ${where} can be read or written by everybody on this machine: chmod o-rwx ${where}`]
    : [];
}

function versionWarnings({ min_version: oldest }: WrittenTlsConfig, path: string): string[] {
  return oldest === 'TLS10' || oldest === 'TLS11'
    ? [`${path}: min_version ${oldest} is taken as TLS12: older ones are broken, and not spoken`]
    : [];
}

function clientRefusal(
  { isNeeded, isVerified }: { readonly isNeeded: boolean; readonly isVerified: boolean },
  allowed: readonly string[] | undefined,
): TlsSettings['clientRefusal'] {
  return (socket) => {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return isNeeded ? 'it has no certificate' : undefined;
    if (isVerified && !socket.authorized)
      return `its certificate is not accepted (${String(socket.authorizationError)})`;
    const isAllowed =
      allowed === undefined ||
      sansOf(new X509Certificate(certificate.raw)).some((name) => allowed.includes(name));
    return isAllowed ? undefined : 'no name in its certificate is one of client_allowed_sans';
  };
}
