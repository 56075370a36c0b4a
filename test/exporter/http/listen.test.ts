/** Goal: the address that is asked for is the one that is listened on, and each way to have none gets its sentence. Method: real sockets, also such as systemd hands over. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseMetricsAddress, type ListenAddress } from '../../../src/config/addresses.ts';
import { OperatingError } from '../../../src/core/base/errors.ts';
import { handedSockets } from '../../../src/exporter/http/systemd-socket.ts';
import { ask, get } from '../../serve/access/ask.ts';
import { serving } from './metrics-server.ts';
import { TEXT } from './metrics-text.ts';

const CHILD = new URL('./serve-handed.ts', import.meta.url).pathname;

interface Told {
  readonly address?: string;
  readonly code?: string;
  readonly exit?: string;
  readonly message?: string;
}

/** A process that serves metrics where it is told to, and says where that is, or why not. @param shell what it is started by; `$$` is its own id */
async function servingProcess(shell: string, handed: Server | 'ignore'): Promise<Told> {
  const child = spawn('sh', ['-c', shell, 'sh', process.execPath, CHILD], {
    stdio: ['pipe', 'pipe', 'inherit', handed === 'ignore' ? handed : fdOf(handed)],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const [line] = await createInterface(child.stdout as Readable)
    [Symbol.asyncIterator]()
    .next()
    .then(({ value }) => [value as string]);
  return JSON.parse(line!) as Told;
}

/** Nothing that is documented tells it. */
function fdOf(server: Server): number {
  return (server as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
}

/** A socket that listens, and whom nobody here answers. */
async function listeningSocket(place: object): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(place, resolve);
  });
  onTestFinished(() => {
    server.close();
  });
  return server;
}

async function refusal(listen: ListenAddress): Promise<OperatingError> {
  const thrown = await serving({ listen }).catch((error: unknown) => error);
  if (!(thrown instanceof OperatingError)) throw new Error('expected a refusal', { cause: thrown });
  return thrown;
}

describe('an address', () => {
  test.each([
    [':9400', { host: '', port: 9400 }],
    [':0', { host: '', port: 0 }],
    ['0.0.0.0:9400', { host: '0.0.0.0', port: 9400 }],
    ['[::]:9400', { host: '::', port: 9400 }],
    ['[::1]:9400', { host: '::1', port: 9400 }],
    ['127.0.0.1:9400', { host: '127.0.0.1', port: 9400 }],
    ['localhost:9400', { host: 'localhost', port: 9400 }],
    ['9400', undefined],
    [':', undefined],
    [':65536', undefined],
    [':x', undefined],
    ['::1:9400', undefined],
    ['host:9400', undefined],
    ['', undefined],
    [':9400 ', undefined],
  ])('%j is read', (text, address) => {
    expect(parseMetricsAddress(text)).toEqual(address);
  });

  test('is told as it was typed, with the port that it has', async () => {
    const all = await serving({ listen: { host: '', port: 0 } });
    expect(all.address).toMatch(/^:[1-9]\d*$/);
    const one = await serving({ listen: { host: '127.0.0.1', port: 0 } });
    expect(one.address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
  });

  test('of none in particular is every one of this machine', async () => {
    const { port } = await serving({ listen: { host: '', port: 0 } });
    expect(await ask(port, { bytes: get('/metrics') })).toMatchObject({ status: 200, body: TEXT });
    expect(await ask(port, { bytes: get('/metrics'), from: '127.0.0.9' })).toMatchObject({ status: 200 });
    // A machine without IPv6 has no such address either.
    const hasIpv6 = Object.values(networkInterfaces()).some((found) =>
      found?.some(({ address }) => address === '::1'),
    );
    if (hasIpv6) expect(await reaches('::1', port)).toBe(true);
  });

  test('of IPv4 is none of IPv6', async () => {
    const { port } = await serving({ listen: { host: '0.0.0.0', port: 0 } });
    expect(await reaches('127.0.0.1', port)).toBe(true);
    expect(await reaches('::1', port)).toBe(false);
  });
});

async function reaches(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  return await new Promise((resolve) => {
    socket
      .on('connect', () => {
        resolve(true);
        socket.destroy();
      })
      .on('error', () => {
        resolve(false);
      });
  });
}

describe('there is a sentence for', () => {
  test.each([
    ['the same address', '127.0.0.1', '127.0.0.1'],
    ['all addresses where one is taken', '', '127.0.0.1'],
    ['one address where all are taken', '127.0.0.1', '0.0.0.0'],
  ])('a port that is taken: %s', async (_what, host, taken) => {
    const holder = await listeningSocket({ host: taken, port: 0 });
    const { port } = holder.address() as { port: number };
    const { code, exit, message, hints } = await refusal({ host, port });
    expect([code, exit]).toEqual(['exporter.port_taken', 'temporary']);
    expect(message).toBe(
      `the port is in use: another process listens on ${host}:${port}, often dcgm-exporter`,
    );
    expect(hints[0]).toContain(`sport = :${port}`);
  });

  test.each(['192.0.2.1', '2001:db8::1', 'fe80::1'])('%s, which this machine does not have', async (host) => {
    const { code, exit, message } = await refusal({ host, port: 9400 });
    expect([code, exit]).toEqual(['exporter.address', 'config']);
    expect(message).toContain('is no address of this machine');
  });

  const isFree = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8')) <= 81;
  // Here anybody may have it.
  test.skipIf(isFree)('a port that is not permitted', async () => {
    const dropped = process.getuid?.() === 0 ? 'setpriv --bounding-set=-net_bind_service' : '';
    const told = await servingProcess(`LISTEN=127.0.0.1:81 exec ${dropped} "$@"`, 'ignore');
    expect(told).toMatchObject({ code: 'exporter.address', exit: 'permission' });
    expect(told.message).toBe('this process may not listen on 127.0.0.1:81');
  });
});

describe('a socket of systemd', () => {
  const forIt = 'LISTEN=systemd LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"';

  test('is served, and told', async () => {
    const handed = await listeningSocket({ host: '127.0.0.1', port: 0 });
    const { port } = handed.address() as { port: number };
    const told = await servingProcess(forIt, handed);
    // From here on the child alone takes connections.
    handed.close();
    expect(told).toEqual({ address: `127.0.0.1:${port}` });
    expect(await ask(port, { bytes: get('/metrics') })).toMatchObject({ status: 200, body: TEXT });
  });

  test.each<[string, string, boolean, string]>([
    [
      'for another process',
      'LISTEN=systemd LISTEN_FDS=1 LISTEN_PID=1 exec "$@"',
      true,
      'came one for another (LISTEN_PID "1")',
    ],
    ['that is missing', 'LISTEN=systemd exec "$@"', false, '(LISTEN_FDS, LISTEN_PID), came none'],
    [
      'that is a file',
      `${forIt} 3</dev/null`,
      false,
      'expected a listening socket of systemd, came something else',
    ],
    ['that is closed', `${forIt} 3<&-`, false, 'expected a listening socket of systemd, came something else'],
    ['of two, of which there is one', forIt.replace('FDS=1', 'FDS=2'), true, 'came something else'],
  ])('%s is refused', async (_what, shell, isHanded, said) => {
    const handed = isHanded ? await listeningSocket({ host: '127.0.0.1', port: 0 }) : 'ignore';
    const told = await servingProcess(shell, handed);
    expect([told.code, told.exit]).toEqual(['exporter.socket', 'config']);
    expect(told.message).toContain(said);
  });

  test.each([
    [{ LISTEN_FDS: '1', LISTEN_PID: '7' }, [3]],
    [{ LISTEN_FDS: '3', LISTEN_PID: '7' }, [3, 4, 5]],
  ])('is found by %j', (env, fds) => {
    expect(handedSockets(env, 7)).toEqual(fds);
  });

  test.each([
    {},
    { LISTEN_FDS: '1' },
    { LISTEN_PID: '7' },
    { LISTEN_FDS: '0', LISTEN_PID: '7' },
    { LISTEN_FDS: '-1', LISTEN_PID: '7' },
    { LISTEN_FDS: '1e3', LISTEN_PID: '7' },
    { LISTEN_FDS: '9999', LISTEN_PID: '7' },
    { LISTEN_FDS: '1', LISTEN_PID: '07' },
    { LISTEN_FDS: '1', LISTEN_PID: '\u001b[31m' },
  ])('is not found by %j', (env) => {
    expect(() => handedSockets(env, 7)).toThrow(/^expected .*, came [ -~]*$/);
  });
});
