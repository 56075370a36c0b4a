/**
 * Goal: a web-config file that Prometheus takes is taken here, and one that it refuses is refused. Method: files drawn by fast-check, all judged by
 * one `promtool check web-config`, whose reader is upstream's. What it does not know yet (inline keys, names of clients) is not drawn.
 */
import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OperatingError } from '../../../src/core/base/errors.ts';
import { watchWebConfig } from '../../../src/exporter/http/web-config.ts';
import { runToEnd } from '../../helpers/run-process.ts';
import { HERE, makeCertificates } from './certificates.ts';

const FILES = 500;
const certificates = makeCertificates();
certificates.authority('ca');
certificates.signed('server', 'ca', HERE);
certificates.signed('other', 'ca', HERE);

const HASH = '$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG';

/** Values of a key, of which the first is the usual one. */
function oneOf(key: string, usual: unknown, ...others: unknown[]) {
  const drawn = fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, fc.constantFrom(usual, ...others));
  return fc.tuple(fc.constant(key), fc.oneof(drawn, fc.constant(undefined)));
}

/** Nearly always there. */
function mostly(key: string, usual: unknown, ...others: unknown[]) {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant<[string, unknown]>([key, usual]) },
    oneOf(key, usual, ...others),
  );
}

function map(...entries: fc.Arbitrary<readonly [string, unknown]>[]) {
  return fc
    .tuple(...entries)
    .map((drawn) => Object.fromEntries(drawn.filter(([, value]) => value !== undefined)) as object);
}

/** A pair, or none at all; now and then one that does not fit. */
const pair = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constant([
      ['cert_file', 'server.pem'],
      ['key_file', 'server.key'],
    ] as const),
  },
  fc.tuple(
    oneOf('cert_file', 'server.pem', 'none.pem', 'server.key', ''),
    oneOf('key_file', 'server.key', 'other.key', 'server.pem', ''),
  ),
);
/** Verified clients without an authority are refused here alone: `known` below. */
const clients = fc.constantFrom<readonly (readonly [string, unknown])[]>(
  [],
  [],
  [['client_auth_type', 'NoClientCert']],
  [['client_auth_type', 'RequestClientCert']],
  [['client_auth_type', 'RequireClientCert']],
  [['client_auth_type', '']],
  [['client_auth_type', 'Any']],
  [['client_ca_file', 'ca.pem']],
  [
    ['client_auth_type', 'RequireAnyClientCert'],
    ['client_ca_file', 'ca.pem'],
  ],
  [
    ['client_auth_type', 'RequireAndVerifyClientCert'],
    ['client_ca_file', 'ca.pem'],
  ],
  [
    ['client_auth_type', 'VerifyClientCertIfGiven'],
    ['client_ca_file', 'none.pem'],
  ],
  [
    ['client_auth_type', 'RequireAndVerifyClientCert'],
    ['client_ca_file', ''],
  ],
);
const choices = map(
  oneOf('min_version', 'TLS12', 'TLS10', 'TLS13', 'TLS14', 12),
  mostly('max_version', 'TLS13', 'SSL3'),
  mostly(
    'cipher_suites',
    [],
    ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256'],
    ['RC4'],
    'RC4',
  ),
  mostly('curve_preferences', ['X25519', 'CurveP256'], [], ['CurveP224']),
  mostly('prefer_server_cipher_suites', true, false, 'no'),
  mostly('typo', undefined, 1),
);
const tls = fc
  .tuple(pair, clients, choices)
  .map(([files, ofClients, chosen]) => ({ ...Object.fromEntries([...files, ...ofClients]), ...chosen }))
  .map((drawn) => Object.fromEntries(Object.entries(drawn).filter(([, value]) => value !== undefined)));
const headers = map(
  oneOf('X-Frame-Options', 'deny', 'sameorigin', '', 'DENY'),
  oneOf('X-Content-Type-Options', 'nosniff', '', 'sniff'),
  oneOf('Content-Security-Policy', "default-src 'none'", ''),
  mostly('X-Other', undefined, 'x'),
);
const http = fc.tuple(mostly('http2', true, false, 'x'), headers).map(([[key, http2], drawn]) => ({
  ...(http2 === undefined ? {} : { [key]: http2 }),
  headers: drawn,
}));
const users = map(mostly('ada', HASH, 'plain', '', '$1$salt$hash'), oneOf('bob', HASH));
const file = fc
  .record({
    tls_server_config: fc.option(tls, { nil: undefined }),
    http_server_config: fc.option(http, { nil: undefined }),
    basic_auth_users: fc.option(users, { nil: undefined }),
    web: mostly('x', undefined, 1).map(([, value]) => value),
  })
  .map((drawn) => JSON.stringify(drawn));

/** Where this reader means to differ. */
function known(text: string): boolean {
  const { client_auth_type: type = '', client_ca_file: ca = '' } =
    (JSON.parse(text) as { tls_server_config?: { client_auth_type?: string; client_ca_file?: string } })
      .tls_server_config ?? {};
  return /Verify/.test(type) && ca === '';
}

function isTaken(path: string): boolean {
  try {
    watchWebConfig({ path, tell: () => undefined });
    return true;
  } catch (thrown) {
    if (thrown instanceof OperatingError) return false;
    throw thrown;
  }
}

test('web-config files are taken where promtool takes them', async () => {
  const texts = fc.sample(file, FILES);
  const paths = texts.map((text, index) => {
    const path = certificates.path(`${index}.yml`);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  });
  const { stdout, stderr } = await runToEnd('promtool', ['check', 'web-config', ...paths]);
  const verdicts = new Map(
    [...`${stdout}\n${stderr}`.matchAll(/^(\S+\.yml) (SUCCESS|FAILED)/gm)].map(([, path, word]) => [
      path,
      word,
    ]),
  );
  expect(verdicts.size).toBe(FILES);
  const differing = paths.flatMap((path, index) => {
    const theirs = verdicts.get(path) === 'SUCCESS';
    const ours = isTaken(path);
    return ours === theirs || known(texts[index]!)
      ? []
      : [`${texts[index]!}: ${theirs ? 'taken' : 'refused'} by promtool`];
  });
  expect(differing).toEqual([]);
  const taken = [...verdicts.values()].filter((word) => word === 'SUCCESS').length;
  expect(Math.min(taken, FILES - taken)).toBeGreaterThan(FILES / 20);
});
