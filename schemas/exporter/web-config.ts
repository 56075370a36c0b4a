import * as z from 'zod';
import { nearestWords } from '../nearest.ts';

/** The web-config file of Prometheus' exporters (exporter-toolkit): TLS, headers and users of a web server. */

/** By the names that Go has for them, those that OpenSSL has. Suites of TLS 1.3 cannot be chosen, and always are. */
const CIPHERS: Readonly<Record<string, string>> = {
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
};

/** As above, of what a key is agreed on by. */
const CURVES = { CurveP256: 'P-256', CurveP384: 'P-384', CurveP521: 'P-521', X25519: 'X25519' } as const;

/** Oldest first. */
const VERSIONS = ['TLS10', 'TLS11', 'TLS12', 'TLS13'] as const;

/** Whether clients are asked for a certificate, have to have one, and one of the authorities that are named. */
const CLIENT_AUTH = {
  NoClientCert: { isAsked: false, isNeeded: false, isVerified: false },
  RequestClientCert: { isAsked: true, isNeeded: false, isVerified: false },
  RequireAnyClientCert: { isAsked: true, isNeeded: true, isVerified: false },
  VerifyClientCertIfGiven: { isAsked: true, isNeeded: false, isVerified: true },
  RequireAndVerifyClientCert: { isAsked: true, isNeeded: true, isVerified: true },
} as const;

/** An older name. */
const FORMER_CLIENT_AUTH = { RequireClientCert: 'RequireAnyClientCert' } as const;

/** Text, which may be left empty. Whatever else stands there may be a key, and is not shown. */
const text = z
  .unknown()
  .transform((value, context) => {
    if (typeof value === 'string') return value;
    if (value !== null && value !== undefined)
      context.addIssue({ code: 'custom', message: 'expected text, came something else' });
    return undefined;
  })
  .optional();

/** Names and what should be hashes: that is told by whoever checks passwords. What stands here may be one, and is not shown. */
const users = z
  .unknown()
  .transform((value, context): Readonly<Record<string, unknown>> => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
    if (value !== null && value !== undefined)
      context.addIssue({
        code: 'custom',
        message: 'expected names, and a bcrypt hash for each, came something else',
      });
    return {};
  })
  .optional();

const cipher = z.string().transform((name, context) => {
  const known = Object.hasOwn(CIPHERS, name) ? CIPHERS[name] : undefined;
  if (known !== undefined) return known;
  const [nearest] = nearestWords(name, Object.keys(CIPHERS), 1);
  context.addIssue({
    code: 'custom',
    message: `expected a cipher suite of Go's that is not broken, came ${JSON.stringify(name.slice(0, 80))}`,
    params: { hints: [nearest === undefined ? 'or leave the list out' : `did you mean: ${nearest}`] },
  });
  return z.NEVER;
});

const clientAuth = z
  .enum([...keysOf(CLIENT_AUTH), ...keysOf(FORMER_CLIENT_AUTH)])
  .transform((name) => CLIENT_AUTH[name === 'RequireClientCert' ? FORMER_CLIENT_AUTH[name] : name])
  .nullish();

const tls = z
  .strictObject({
    cert_file: text,
    key_file: text,
    cert: text,
    key: text,
    // Templates leave it empty.
    client_auth_type: z.preprocess((value) => (value === '' ? null : value), clientAuth),
    client_ca_file: text,
    client_ca: text,
    client_allowed_sans: z.array(z.string()).nullish(),
    min_version: z.enum(VERSIONS).nullish(),
    max_version: z.enum(VERSIONS).nullish(),
    cipher_suites: z.array(cipher).nullish(),
    prefer_server_cipher_suites: z.boolean().nullish(),
    curve_preferences: z.array(z.enum(keysOf(CURVES)).transform((name) => CURVES[name])).nullish(),
  })
  .superRefine((settings, context) => {
    for (const [key, message] of Object.entries(tlsProblems(settings)))
      context.addIssue({ code: 'custom', path: [key], message });
  });

/** What is not empty. */
function has(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

interface WrittenTls {
  readonly [key: string]: unknown;
  readonly client_auth_type?: (typeof CLIENT_AUTH)[keyof typeof CLIENT_AUTH] | null | undefined;
  readonly min_version?: (typeof VERSIONS)[number] | null | undefined;
  readonly max_version?: (typeof VERSIONS)[number] | null | undefined;
}

/** What is wrong between keys, by the key at which it is told. */
function tlsProblems(held: WrittenTls): Readonly<Record<string, string>> {
  if (!isTlsMeant(held)) return {};
  const problems: Record<string, string> = {};
  for (const [inline, file] of [
    ['cert', 'cert_file'],
    ['key', 'key_file'],
  ] as const) {
    if (!has(held[inline]) && !has(held[file]))
      problems[file] =
        `expected it, or ${inline} in its place: TLS needs both certificate and key, came neither`;
    if (has(held[inline]) && has(held[file])) problems[file] = `expected one of it and ${inline}, came both`;
  }
  const { isAsked, isNeeded, isVerified } = held.client_auth_type ?? CLIENT_AUTH.NoClientCert;
  const hasCa = has(held['client_ca_file']) || has(held['client_ca']);
  if (has(held['client_ca_file']) && has(held['client_ca']))
    problems['client_ca_file'] = 'expected one of it and client_ca, came both';
  if (hasCa && !isAsked)
    problems['client_auth_type'] =
      'expected RequireAndVerifyClientCert, or another that asks for a certificate, beside client_ca_file, came none';
  // Go would take every authority that this machine trusts, and any of them could let its clients in.
  if (isVerified && !hasCa)
    problems['client_auth_type'] = 'expected client_ca_file beside it, whose clients are let in, came none';
  if (has(held['client_allowed_sans']) && !isNeeded)
    problems['client_allowed_sans'] =
      'expected client_auth_type RequireAndVerifyClientCert beside it, came one that lets clients in without a certificate';
  const [oldest, newest] = [held.min_version ?? 'TLS12', held.max_version ?? 'TLS13'];
  // Those before are broken, and OpenSSL as it is set up does not speak them.
  if (newest < 'TLS12')
    problems['max_version'] = `expected TLS12 or TLS13, came ${newest}: older ones are not spoken`;
  else if (oldest > newest)
    problems['max_version'] = `expected at least min_version (${oldest}), came ${newest}`;
  return problems;
}

/** As upstream: what is chosen of TLS asks for none by itself. */
function isTlsMeant(held: Readonly<Record<string, unknown>>): boolean {
  return ['cert', 'cert_file', 'key', 'key_file', 'client_ca', 'client_ca_file', 'client_auth_type'].some(
    (key) => has(held[key]),
  );
}

/** Of HTTP, so that it ends no header. */
const headerValue = z
  .string()
  .regex(/^[\t\x20-\x7e]*$/, { error: 'expected one line of visible ASCII characters' })
  .nullish();

function oneOf(values: readonly string[]): typeof headerValue {
  return z
    .string()
    .refine((value) => values.includes(value), {
      error: `expected ${values.join(' or ')}`,
    })
    .nullish();
}

const http = z.strictObject({
  http2: z.boolean().nullish(),
  headers: z
    .strictObject({
      'Content-Security-Policy': headerValue,
      'X-Frame-Options': oneOf(['deny', 'sameorigin']),
      'X-Content-Type-Options': oneOf(['nosniff']),
      'X-XSS-Protection': headerValue,
      'Strict-Transport-Security': headerValue,
    })
    .nullish(),
});

const webConfig = z.strictObject({
  tls_server_config: tls.nullish(),
  http_server_config: http.nullish(),
  basic_auth_users: users,
});

export type WrittenWebConfig = z.output<typeof webConfig>;
export type WrittenTlsConfig = NonNullable<WrittenWebConfig['tls_server_config']>;

/** @param raw maps and lists as YAML gives them */
export function parseWebConfig(raw: unknown): z.ZodSafeParseResult<WrittenWebConfig> {
  return webConfig.safeParse(raw);
}

/** The keys of the map at a path, to name the nearest one. */
export function webConfigKeys(path: readonly (string | number)[]): readonly string[] {
  const shapes: Readonly<Record<string, object>> = {
    '': webConfig.shape,
    tls_server_config: tls.shape,
    http_server_config: http.shape,
    'http_server_config.headers': http.shape.headers.unwrap().unwrap().shape,
  };
  return Object.keys(shapes[path.join('.')] ?? {});
}

function keysOf<Key extends string>(table: Readonly<Record<Key, unknown>>): Key[] {
  return Object.keys(table) as Key[];
}
