/** Goal: a web-config file with a mistake is refused at the start, with what is wrong, where, and what to do; nothing of a secret is shown. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import type { Notice } from '../../../src/core/base/notice.ts';
import { OperatingError } from '../../../src/core/base/errors.ts';
import { watchWebConfig, type WebConfig } from '../../../src/exporter/http/web-config.ts';
import { makeCertificates, HERE } from './certificates.ts';
import { serving } from './metrics-server.ts';

const files = makeCertificates();
files.authority('ca');
files.signed('server', 'ca', HERE);
files.signed('other', 'ca', HERE);
writeFileSync(files.path('s3cr3t.key'), 's3cr3t', { mode: 0o600 });
writeFileSync(
  files.path('two.pem'),
  readFileSync(files.path('ca.pem'), 'utf8') + readFileSync(files.path('ca.pem'), 'utf8'),
);
writeFileSync(files.path('spoilt.pem'), readFileSync(files.path('ca.pem'), 'utf8').replace(/^MII/m, 'MAA'));

const HASH = '$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG';
const PAIR = 'cert_file: server.pem, key_file: server.key';

function read(text: string, tell: (notice: Notice) => void = () => undefined): WebConfig {
  return watchWebConfig({ path: files.config(text), tell })();
}

function refusalOf(path: string): OperatingError {
  try {
    watchWebConfig({ path, tell: () => undefined });
  } catch (thrown) {
    if (thrown instanceof OperatingError) return thrown;
    throw thrown;
  }
  throw new Error('expected a refusal');
}

test.each<[string, string, string | undefined]>([
  // Plain passwords, and hashes that are none.
  [
    'basic_auth_users:\n  ada: s3cr3t',
    'ada: expected a bcrypt hash ($2y$…) behind the colon, came a password as it is',
    'line 2',
  ],
  ['basic_auth_users:\n  ada: 53712345', 'ada: expected a bcrypt hash', 'line 2'],
  ['basic_auth_users:\n  ada:', 'came nothing', 'line 2'],
  ['basic_auth_users:\n  ada: {s3cr3t: s3cr3t}', 'ada: expected a bcrypt hash', 'line 2'],
  ['basic_auth_users:\n  ada: [s3cr3t]', 'ada: expected a bcrypt hash', 'line 2'],
  [`basic_auth_users:\n  ada: ${HASH}s3cr3t`, 'cut off or has something behind it', 'line 2'],
  [`basic_auth_users:\n  ada: ${HASH.replace('$10$', '$18$')}`, 'of cost 5 to 14, came one of 18', 'line 2'],
  ['basic_auth_users:\n  ada: "{SHA}s3cr3t"', 'a SHA-1 hash', 'line 2'],
  [`basic_auth_users:\n  "": ${HASH}`, 'expected names of 1 to 256 visible characters', 'line 2'],
  [`basic_auth_users:\n  "a\\u001b[1m": ${HASH}`, 'expected names of 1 to 256 visible characters', 'line 2'],
  ['basic_auth_users: s3cr3t', 'basic_auth_users: expected', 'line 1'],
  [
    `tls_server_config:\n  cert_file: server.pem\n  key: 53712345`,
    'tls_server_config.key: expected text',
    'line 3',
  ],
  ['basic_auth_users: [ada]', 'basic_auth_users: expected', 'line 1'],
  // Keys that are none, and the nearest that is one.
  ['basic_auth_user: {}', 'unknown key "basic_auth_user" at the top', 'line 1'],
  [
    `tls_server_config:\n  ${PAIR.split(', ').join('\n  ')}\n  certfile: s3cr3t`,
    'unknown key "certfile" in tls_server_config',
    'line 4',
  ],
  ['http_server_config: {http3: true}', 'unknown key "http3" in http_server_config', 'line 1'],
  [
    'http_server_config:\n  headers:\n    X-Frame-Option: deny',
    'unknown key "X-Frame-Option" in http_server_config.headers',
    'line 3',
  ],
  ['s3cr3t', 'web-config file: expected a map of keys, came text of 6 characters', undefined],
  ['- a', 'expected a map of keys, came a list', undefined],
  ['a: [', 'not YAML', 'line 1'],
  ['a: &x [*x]\nb: *y', 'not a web-config', undefined],
  ['http_server_config: {}\nhttp_server_config: {}', 'comes twice', 'line 2'],
  // Values that are none.
  [
    'http_server_config: {http2: often}',
    'http_server_config.http2: expected true or false, came "often"',
    'line 1',
  ],
  ['http_server_config: {headers: {X-Frame-Options: allow}}', 'expected deny or sameorigin', 'line 1'],
  ['http_server_config: {headers: {X-Content-Type-Options: sniff}}', 'expected nosniff', 'line 1'],
  [
    'http_server_config: {headers: {Content-Security-Policy: "a\\r\\nSet-Cookie: b"}}',
    'expected one line of visible ASCII',
    'line 1',
  ],
  [
    `tls_server_config: {${PAIR}, min_version: TLS14}`,
    'expected TLS10, TLS11, TLS12 or TLS13, came "TLS14"',
    'line 1',
  ],
  [
    `tls_server_config: {${PAIR}, min_version: TLS13, max_version: TLS12}`,
    'expected at least min_version (TLS13), came TLS12',
    'line 1',
  ],
  [
    `tls_server_config: {${PAIR}, max_version: TLS11}`,
    'expected TLS12 or TLS13, came TLS11: older ones are not spoken',
    'line 1',
  ],
  [
    `tls_server_config: {${PAIR}, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}`,
    "expected a cipher suite of Go's that is not broken",
    'line 1',
  ],
  [`tls_server_config: {${PAIR}, cipher_suites: [constructor]}`, "expected a cipher suite of Go's", 'line 1'],
  [
    `tls_server_config: {${PAIR}, curve_preferences: [CurveP224]}`,
    'expected CurveP256, CurveP384, CurveP521 or X25519',
    'line 1',
  ],
  [
    `tls_server_config: {${PAIR}, client_auth_type: Always}`,
    'expected NoClientCert, RequestClientCert',
    'line 1',
  ],
  // What does not go together.
  ['tls_server_config: {cert_file: server.pem}', 'expected it, or key in its place', 'line 1'],
  ['tls_server_config: {key_file: server.key}', 'expected it, or cert in its place', 'line 1'],
  [
    'tls_server_config: {client_auth_type: RequireAnyClientCert}',
    'TLS needs both certificate and key',
    'line 1',
  ],
  [`tls_server_config: {${PAIR}, cert: x}`, 'expected one of it and cert, came both', 'line 1'],
  [
    `tls_server_config: {${PAIR}, client_ca_file: ca.pem}`,
    'that asks for a certificate, beside client_ca_file',
    'line 1',
  ],
  [
    `tls_server_config: {${PAIR}, client_auth_type: RequireAndVerifyClientCert}`,
    'expected client_ca_file beside it',
    'line 1',
  ],
  [
    `tls_server_config: {${PAIR}, client_auth_type: VerifyClientCertIfGiven}`,
    'expected client_ca_file beside it',
    'line 1',
  ],
  [
    `tls_server_config: {${PAIR}, client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem, client_allowed_sans: [a]}`,
    'that lets clients in without a certificate',
    'line 1',
  ],
])('%j is refused', (text, said, line) => {
  const path = files.config(text);
  const { code, exit, message, where, hints } = refusalOf(path);
  expect([code, exit]).toEqual(['exporter.web_config', 'config']);
  expect(message).toContain(said);
  expect(where).toBe(line === undefined ? where : `${path}, ${line}`);
  expect(where).toContain(path);
  expect([message, where, ...hints].join('\n')).not.toMatch(/s3cr3t|53712345|\u001b/);
});

test.each([
  ['basic_auth_users:\n  ada: s3cr3t', "htpasswd -nBC 10 ''"],
  ['basic_auth_user: {}', 'did you mean: basic_auth_users'],
  ['tls_server_config: {certfile: x}', 'did you mean: cert_file'],
  ['http_server_config: {headers: {x-frame-options: deny}}', 'did you mean: X-Frame-Options'],
  [
    `tls_server_config: {${PAIR}, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265]}`,
    'did you mean: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  ],
])('%j is told how to mend', (text, hint) => {
  expect(refusalOf(files.config(text)).hints.join('\n')).toContain(hint);
});

test('all that is wrong is told at once', () => {
  const { message, where } = refusalOf(files.config('http_server_config: {http2: 7}\nusers: {}\n'));
  expect(message).toContain(
    'http_server_config.http2: expected true or false, came 7; line 2: unknown key "users"',
  );
  expect(where).toContain('line 1');
});

test.each([
  ['cert_file: none.pem, key_file: server.key', 'the certificate cannot be read: there is no such file'],
  [
    'cert_file: server.pem, key_file: none.key',
    'the key of the certificate cannot be read: there is no such file',
  ],
  ['cert_file: ., key_file: server.key', 'the certificate cannot be read: it is a directory'],
  ['cert_file: server.pem, key_file: other.key', 'the certificate and the key do not belong together'],
  ['cert_file: server.key, key_file: server.key', 'expected a certificate (PEM)'],
  ['cert_file: server.pem, key_file: s3cr3t.key', 'expected the private key of the certificate (PEM)'],
  ['cert: s3cr3t, key_file: server.key', 'expected a certificate (PEM)'],
  ['cert_file: server.pem, key: s3cr3t', 'expected the private key of the certificate (PEM)'],
  [
    `${PAIR}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: server.key`,
    'expected certificates of authorities (PEM), came none',
  ],
  [
    `${PAIR}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: spoilt.pem`,
    'expected certificates of authorities (PEM)',
  ],
  [
    `${PAIR}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: none.pem`,
    'the authority of clients cannot be read',
  ],
])('TLS of %s is refused', (tls, said) => {
  const { code, exit, message, where, hints } = refusalOf(files.config(`tls_server_config: {${tls}}`));
  expect([code, exit]).toEqual(['serve.tls', 'config']);
  expect(message).toContain(said);
  expect([message, ...hints].join('\n')).not.toMatch(/s3cr3t|BEGIN/);
  expect(where).toContain(files.directory);
});

test('a file that is not there, or that everybody may write, is refused before anything listens', async () => {
  const none = refusalOf(files.path('none.yml'));
  expect([none.code, none.exit, none.message]).toEqual([
    'serve.file',
    'config',
    expect.stringContaining('the web-config file cannot be read: there is no such file'),
  ]);
  const path = files.config('');
  chmodSync(path, 0o602);
  onTestFinished(() => {
    chmodSync(path, 0o600);
  });
  expect(refusalOf(path).message).toContain('can be written by everybody');
  await expect(serving({ webConfigFile: path })).rejects.toThrow('can be written by everybody');
});

test.each([
  '',
  '# nothing\n',
  '{}',
  'tls_server_config: {min_version: TLS13, prefer_server_cipher_suites: false}\n',
  'tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n',
  'tls_server_config: {}\nhttp_server_config: {headers: }\nbasic_auth_users: {}\n',
  'tls_server_config: {cert_file: "", key_file: "", client_auth_type: "", client_ca_file: ""}\n',
])('%j asks for nothing', (text) => {
  expect(read(text)).toEqual({ tls: undefined, headers: {}, users: undefined });
});

test('what it holds is taken, and what is hardly as it should be is told', () => {
  const told: string[] = [];
  const path = files.config(
    `tls_server_config: {${PAIR}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: two.pem, min_version: TLS10}
http_server_config: {headers: {X-Frame-Options: sameorigin, Strict-Transport-Security: ""}}
basic_auth_users: {ada: ${HASH}}
`,
  );
  chmodSync(path, 0o644);
  chmodSync(files.path('server.key'), 0o644);
  onTestFinished(() => {
    chmodSync(path, 0o600);
    chmodSync(files.path('server.key'), 0o600);
  });
  const { tls, headers, users } = watchWebConfig({ path, tell: ({ sentence }) => told.push(sentence) })();
  expect(tls?.isClientNeeded).toBe(true);
  expect(headers).toEqual({ 'X-Frame-Options': 'sameorigin' });
  expect(users).toEqual(new Map([['ada', { hash: HASH, cost: 10 }]]));
  expect(told).toEqual([
    expect.stringContaining('holds hashes of passwords and everybody can read it'),
    expect.stringContaining('server.key can be read or written by everybody'),
    expect.stringContaining('min_version TLS10 is taken as TLS12'),
  ]);
});
