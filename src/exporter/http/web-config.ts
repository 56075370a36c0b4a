import { dirname } from 'node:path';
import { parseConfigYaml } from '../../config/reading/yaml.ts';
import { problemsOf, type ConfigProblem } from '../../config/problem.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { Tell } from '../../core/base/notice.ts';
import { isName, readSecretFile } from '../../serve/access/secret-file.ts';
import { readHash, usersWarnings, type User, type Users } from '../../serve/access/users-file.ts';
import { watchFiles, type Look } from '../../serve/access/watched-files.ts';
import {
  parseWebConfig,
  webConfigKeys,
  type WrittenWebConfig,
} from '../../../schemas/exporter/web-config.ts';
import { tlsSettings, type TlsSettings } from './tls-settings.ts';

/** What a web-config file says of how metrics are served. */
export interface WebConfig {
  /** Undefined where connections are plain. */
  readonly tls: TlsSettings | undefined;
  /** Of every answer. */
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined where nobody is asked who he is. */
  readonly users: Users | undefined;
}

export interface WebConfigOptions {
  readonly path: string;
  readonly tell: Tell;
  /** Monotonic; for tests. */
  readonly nowMs?: () => number;
}

const WHAT = 'the web-config file';

/**
 * The file and the certificates that it names, read again once one of them changes.
 * @returns what they say now, or said when they were last in order
 * @throws OperatingError `exporter.web_config`, `serve.file`, `serve.tls` (78)
 */
export function watchWebConfig({ path, tell, nowMs }: WebConfigOptions): () => WebConfig {
  let former: WebConfig | undefined;
  const read = (look: Look): WebConfig => {
    const { config, warnings } = readWebConfig(path, look);
    const taken = former === undefined ? undefined : takenAway(former, config);
    if (taken !== undefined)
      throw webConfigError(path, `${taken} is no longer asked for, which only a restart does`, [
        'start it again, or put back what the file said',
      ]);
    for (const sentence of warnings) tell({ level: 'warn', code: 'serve.warning', sentence });
    former = config;
    return config;
  };
  return watchFiles({ what: WHAT, read, tell, ...(nowMs === undefined ? {} : { nowMs }) });
}

/** A file that is half written, or was emptied by mistake, must not let anybody in. */
function takenAway(former: WebConfig, { tls, users }: WebConfig): string | undefined {
  if (former.tls !== undefined && tls === undefined) return 'TLS';
  if (former.tls?.isClientNeeded === true && tls?.isClientNeeded === false) return 'a certificate of clients';
  return former.users !== undefined && users === undefined ? 'a password' : undefined;
}

function readWebConfig(path: string, look: Look): { config: WebConfig; warnings: readonly string[] } {
  const file = readSecretFile(look(path), WHAT);
  const written = parseWritten(file.text, path);
  const {
    http_server_config: http,
    tls_server_config: writtenTls,
    basic_auth_users: hashes,
  } = written.config;
  const users = usersOf(hashes ?? {}, written.refuse);
  const place = { path, directory: dirname(path), look };
  const { settings, warnings } = tlsSettings(writtenTls ?? {}, place);
  const isSecret = users.size > 0 || (writtenTls?.key ?? '') !== '';
  const headers = Object.entries(http?.headers ?? {}).filter((pair): pair is [string, string] => {
    const [, value] = pair;
    return typeof value === 'string' && value !== '';
  });
  return {
    config: {
      tls: settings,
      headers: Object.fromEntries(headers),
      users: users.size === 0 ? undefined : users,
    },
    warnings: [
      ...usersWarnings(users, { ...file, isPublic: file.isPublic && isSecret }, path),
      ...warnings,
      ...(http?.http2 === true
        ? [`${path}: HTTP/2 is not served, every client is answered by HTTP/1.1`]
        : []),
    ],
  };
}

interface Written {
  readonly config: WrittenWebConfig;
  /** Throws, with the line of the key at a path. */
  readonly refuse: (at: readonly string[], sentence: string, hints: readonly string[]) => never;
}

/** @throws OperatingError `exporter.web_config` with all that is wrong, and nothing of what could be a secret */
function parseWritten(text: string, path: string): Written {
  const yaml = parseConfigYaml(text);
  const lineOf = (problem: Pick<ConfigProblem, 'path'>): number | undefined =>
    yaml.locate(problem.path)?.line;
  const [malformed] = yaml.problems;
  if (malformed !== undefined)
    throw webConfigError(
      `${path}, line ${malformed.line}`,
      malformed.message.replace('a configuration', 'a web-config'),
    );
  const parsed = parseWebConfig(yaml.raw);
  if (!parsed.success)
    throw problemsError(path, problemsOf(parsed.error.issues, yaml.raw, webConfigKeys), lineOf);
  return {
    config: parsed.data,
    refuse: (at, message, hints) => {
      throw problemsError(path, [{ path: [...at], message, hints }], lineOf);
    },
  };
}

function problemsError(
  path: string,
  problems: readonly ConfigProblem[],
  lineOf: (problem: ConfigProblem) => number | undefined,
): OperatingError {
  const [first] = problems;
  const line = first === undefined ? undefined : lineOf(first);
  const others = problems.slice(1).map((problem) => `line ${lineOf(problem) ?? 1}: ${problem.message}`);
  return webConfigError(
    line === undefined ? path : `${path}, line ${line}`,
    [first?.message ?? '', ...others].join('; '),
    [...new Set(problems.flatMap(({ hints }) => hints))],
  );
}

function usersOf(hashes: Readonly<Record<string, unknown>>, refuse: Written['refuse']): Users {
  const users = new Map<string, User>();
  for (const [name, hash] of Object.entries(hashes)) {
    const at = ['basic_auth_users', name];
    if (!isName(name))
      refuse(at, 'basic_auth_users: expected names of 1 to 256 visible characters without a colon', []);
    const user = readHash(typeof hash === 'string' ? hash : hash === null ? '' : 'a number or a map');
    if (typeof user === 'string') refuse(at, `basic_auth_users: ${name}: ${user}`, [HASH_IT]);
    users.set(name, user);
  }
  return users;
}

const HASH_IT =
  "hash the password, and put what is printed behind the name: htpasswd -nBC 10 '' | tr -d ':\\n'";

function webConfigError(where: string, message: string, hints: readonly string[] = []): OperatingError {
  return new OperatingError(`${WHAT}: ${message}`, {
    code: 'exporter.web_config',
    exit: 'config',
    where,
    hints,
  });
}
