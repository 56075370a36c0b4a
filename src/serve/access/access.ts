import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../../config/addresses.ts';
import type { Config } from '../../config/config.ts';
import { assert } from '../../core/base/assert.ts';
import type { Tell } from '../../core/base/notice.ts';
import { EVERYBODY, type Viewer } from '../viewer.ts';
import { parseAuthorization } from './credentials.ts';
import { formRefusal } from './form.ts';
import { hostTest } from './host-test.ts';
import { proxyReader } from './proxy.ts';
import { refusal, type Refusal } from './refusal.ts';
import { NO_ROLES, parseRoles, viewerOf, type Roles } from './roles-file.ts';
import { readSecretFile } from './secret-file.ts';
import { seldom } from './seldom.ts';
import { createSignIn } from './sign-in.ts';
import { readTls, type TlsIdentity } from './tls.ts';
import { nameOfToken, parseTokens, type Token } from './tokens-file.ts';
import { parseUsers, usersWarnings, type Users } from './users-file.ts';
import { watchFiles, type Look } from './watched-files.ts';

type Decision =
  | { readonly kind: 'viewer'; readonly viewer: Viewer }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Who may see what. */
export interface Access {
  /** Certificate and key as they are now; undefined where the server speaks plain HTTP, which leaves no machine. */
  readonly tls: (() => TlsIdentity) | undefined;
  /** Whether a request is of a sound form: of any path, also those that need no name. */
  formOf(request: IncomingMessage): Refusal | undefined;
  /** Who sends a request. */
  identify(request: IncomingMessage): Promise<Decision>;
}

export interface AccessOptions {
  readonly serve: Config['serve'];
  readonly tell: Tell;
  /** Monotonic; for tests. */
  readonly nowMs?: () => number;
}

/**
 * Reads the files of users, tokens, roles and TLS.
 * @throws OperatingError `serve.file`, `serve.tls`
 */
export function openAccess({ serve, tell, nowMs = () => performance.now() }: AccessOptions): Access {
  const { tlsCert, tlsKey, usersFile, tokensFile, rolesFile, proxyHeader, proxyAddresses } = serve;
  const watched = { tell, nowMs };
  const sources: Sources = {
    users: usersFile === undefined ? undefined : watchUsers(usersFile, watched),
    tokens: tokensFile === undefined ? undefined : watchTokens(tokensFile, watched),
    roles: rolesFile === undefined ? () => NO_ROLES : watchRoles(rolesFile, watched),
    proxy: proxyHeader === undefined ? undefined : proxyReader(proxyHeader, proxyAddresses ?? []),
  };
  const isAnybodyAsked =
    sources.users !== undefined || sources.tokens !== undefined || sources.proxy !== undefined;
  const tls = tlsCert === undefined || tlsKey === undefined ? undefined : watchTls(tlsCert, tlsKey, watched);
  assert(
    isLoopback(serve.listen.host) || (tls !== undefined && isAnybodyAsked),
    'the configuration lets nobody listen beyond this machine without TLS and readers that are known',
  );
  const isHostSound = hostTest(serve.url);
  return {
    tls,
    formOf(request) {
      const wrong = formRefusal(request);
      if (wrong !== undefined) return wrong;
      const { host } = request.headers;
      if (host === undefined) return refusal(400, 'The header Host is missing.');
      // With TLS the certificate tells a browser whether it came to the server that it means.
      return tls !== undefined || isHostSound(host) ? undefined : refusal(421, STRANGE_HOST);
    },
    identify: isAnybodyAsked
      ? identifier(sources, tell, nowMs)
      : () => Promise.resolve({ kind: 'viewer', viewer: EVERYBODY }),
  };
}

const STRANGE_HOST =
  'This server is asked for by an address of this machine, by localhost, or by the name of serve.url in its configuration.';

interface Sources {
  readonly users: (() => Users) | undefined;
  readonly tokens: (() => readonly Token[]) | undefined;
  readonly roles: () => Roles;
  readonly proxy: ReturnType<typeof proxyReader> | undefined;
}

function identifier(sources: Sources, tell: Tell, nowMs: () => number): Access['identify'] {
  const { users, tokens, roles, proxy } = sources;
  const tellSeldom = seldom(tell, nowMs);
  const { attempt, byPassword: check } = createSignIn({ tell: tellSeldom, nowMs });
  const named = (name: string): Decision => ({ kind: 'viewer', viewer: viewerOf(name, roles()) });
  const challenge = [
    ...(users === undefined ? [] : ['Basic realm="gpuledger", charset="UTF-8"']),
    ...(tokens === undefined ? [] : ['Bearer realm="gpuledger"']),
  ];
  const unknown = (sentence: string): Decision =>
    refused(
      challenge.length === 0
        ? refusal(403, sentence)
        : refusal(401, sentence, { 'www-authenticate': challenge }),
    );

  const wrong = unknown('The name and password, or the token, are not known here.');
  const byPassword = async (
    address: string,
    name: string,
    password: string,
    held: Users,
  ): Promise<Decision> => {
    const verdict = await check(address, name, password, held);
    if (verdict === 'right') return named(name);
    return verdict === 'wrong' ? wrong : refused(verdict);
  };
  const byToken = async (address: string, token: string, held: readonly Token[]): Promise<Decision> => {
    const name = nameOfToken(held, token, Date.now());
    if (name !== undefined) return named(name);
    const verdict = await attempt(address, undefined, () => Promise.resolve('wrong'));
    return typeof verdict === 'object' ? refused(verdict) : wrong;
  };

  return async (request) => {
    const address = request.socket.remoteAddress ?? '';
    const word = proxy?.(request) ?? { kind: 'nobody' };
    if (word.kind === 'named') return named(word.name);
    if (word.kind === 'refused') {
      if (word.isForged)
        tellSeldom({
          level: 'warn',
          code: 'serve.forged',
          sentence: `${address} sends the header of the proxy and is none`,
        });
      return refused(word.refusal);
    }
    const { authorization } = request.headers;
    if (authorization === undefined)
      return unknown(challenge.length === 0 ? 'The proxy names no user.' : 'Who asks? Sign in.');
    const said = parseAuthorization(authorization);
    if (said.kind === 'basic' && users !== undefined)
      return await byPassword(address, said.name, said.password, users());
    if (said.kind === 'bearer' && tokens !== undefined) return await byToken(address, said.token, tokens());
    return wrong;
  };
}

function refused(why: Refusal): Decision {
  return { kind: 'refused', refusal: why };
}

interface Watched {
  readonly tell: Tell;
  readonly nowMs: () => number;
}

function watchUsers(path: string, watched: Watched): () => Users {
  const what = 'the users file';
  const warn = warner(watched.tell);
  const read = (look: Look): Users => {
    const file = readSecretFile(look(path), what);
    const users = parseUsers(file.text, path);
    for (const warning of usersWarnings(users, file, path)) warn(warning);
    return users;
  };
  return watchFiles({ what, read, ...watched });
}

function watchTokens(path: string, watched: Watched): () => readonly Token[] {
  const what = 'the tokens file';
  return watchFiles({
    what,
    read: (look) => parseTokens(readSecretFile(look(path), what).text, path),
    ...watched,
  });
}

function watchRoles(path: string, watched: Watched): () => Roles {
  const what = 'the roles file';
  return watchFiles({
    what,
    read: (look) => parseRoles(readSecretFile(look(path), what).text, path),
    ...watched,
  });
}

function watchTls(cert: string, key: string, watched: Watched): () => TlsIdentity {
  const warn = warner(watched.tell);
  const read = (look: Look): TlsIdentity => {
    const identity = readTls(look(cert), look(key), Date.now());
    for (const warning of identity.warnings) warn(warning);
    return identity;
  };
  return watchFiles({ what: 'the certificate', read, ...watched });
}

function warner(tell: Tell): (sentence: string) => void {
  return (sentence) => {
    tell({ level: 'warn', code: 'serve.warning', sentence });
  };
}
