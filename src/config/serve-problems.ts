import { isLoopback, parseListenAddress } from './addresses.ts';
import { valueAt, type ConfigProblem } from './problem.ts';

/** What is wrong between the keys of the web server. @param raw maps and lists as YAML gives them */
export function serveProblems(raw: unknown): ConfigProblem[] {
  const held = (key: string): unknown => valueAt(raw, ['serve', key]);
  const has = (key: string): boolean => held(key) !== undefined;
  const problems = PAIRS.flatMap(([one, other, hint]) =>
    has(one) && !has(other)
      ? [
          {
            path: ['serve', one],
            message: `serve.${one}: expected serve.${other} beside it, came nothing`,
            hints: [hint],
          },
        ]
      : [],
  );
  const listen = held('listen');
  const address = typeof listen === 'string' ? parseListenAddress(listen.trim()) : undefined;
  if (address === undefined || isLoopback(address.host)) return problems;
  const knowsReaders = ['users_file', 'tokens_file', 'proxy_header'].some(has);
  if (has('tls_cert') && knowsReaders) return problems;
  const missing = [
    ...(has('tls_cert') ? [] : ['TLS (serve.tls_cert, serve.tls_key)']),
    ...(knowsReaders ? [] : ['one of serve.users_file, serve.tokens_file and serve.proxy_header']),
  ];
  const message = `serve.listen: expected ${missing.join(' and ')} beside an address that others can reach, came neither`;
  return [
    ...problems,
    {
      path: ['serve', 'listen'],
      message: missing.length === 1 ? message.replace('neither', 'nothing') : message,
      hints: ['or listen on 127.0.0.1, and reach it by ssh -L or behind a proxy on this machine'],
    },
  ];
}

const PAIRS = [
  ['tls_cert', 'tls_key', 'a certificate is of use with its key alone'],
  ['tls_key', 'tls_cert', 'a key is of use with its certificate alone'],
  ['proxy_header', 'proxy_addresses', 'from elsewhere anybody could send that header'],
  ['proxy_addresses', 'proxy_header', 'the proxy tells the user in a header'],
] as const;
