/**
 * Goal: the doctor says who has the port of /metrics: nobody, the collector, dcgm-exporter, or somebody else. Method: real listeners, ours among
 * them as it is served, and a machine made of files.
 */
import { hashSync } from 'bcryptjs';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Outcome } from '../../src/doctor/check.ts';
import { gatherFacts } from '../../src/doctor/facts.ts';
import { metricsPort } from '../../src/doctor/node/metrics-port.ts';
import { HERE, makeCertificates } from '../exporter/http/certificates.ts';
import { serving } from '../exporter/http/metrics-server.ts';
import { httpServer, rawServer, type BadServer } from '../helpers/bad-server.ts';
import { startWeb } from '../serve/web-server.ts';
import { makeMachine, type MadeMachine } from './made-machine.ts';

const NOWHERE = 'http::addr=127.0.0.1:1;';
const files = makeCertificates();
files.authority('ca');
files.signed('server', 'ca', HERE);
const TLS = `tls_server_config: { cert_file: server.pem, key_file: server.key`;

let made: MadeMachine;
beforeEach(async () => {
  made = await makeMachine({ service: NOWHERE, reader: NOWHERE });
});
afterEach(() => {
  made.remove();
});

async function told(listen: string, more = ''): Promise<Outcome | undefined> {
  made.configure({ metrics: `{listen: "${listen}"${more}}` });
  const facts = gatherFacts(made.machine, made.at('/etc/gpuledger/gpuledger.yaml'));
  try {
    return await metricsPort.look(facts);
  } finally {
    await facts.close();
  }
}

async function until(server: Promise<BadServer>): Promise<string> {
  const started = await server;
  onTestFinished(() => started.close());
  return started.addr;
}

/** As dcgm-exporter answers: a page of links, and a health that tells of its registry. */
const upstream = (): Promise<string> =>
  until(
    httpServer(({ url }, response) => {
      if (url === '/health') response.setHeader('X-Registry-Available', 'true').end('OK');
      else response.end('<a href="./metrics">Metrics</a>');
    }),
  );

describe.runIf(process.getuid?.() === 0)('the port of /metrics', () => {
  test('is not looked at where none is configured', async () => {
    const facts = gatherFacts(made.machine, made.at('/etc/gpuledger/gpuledger.yaml'));
    expect(await metricsPort.look(facts)).toBeUndefined();
  });

  test('is free, or the collector does not serve', async () => {
    expect(await told('127.0.0.1:1')).toMatchObject({
      state: 'wrong',
      what: 'the collector runs, and nothing listens on 127.0.0.1:1',
      mend: expect.arrayContaining(['systemctl reload gpuledger']) as string[],
    });
    made.stopCollector();
    expect(await told('127.0.0.1:1')).toEqual({ state: 'fine', what: '127.0.0.1:1 is free' });
  });

  test('of no address of this machine nobody is accused', async () => {
    await expect(told('[ff02::1]:9400')).rejects.toThrow(/^\[ff02::1\]:9400 cannot be reached from here \(E/);
  });

  test.each([
    ['plain', undefined],
    ['with users', `basic_auth_users: { prom: "${hashSync('x', 5)}" }\n`],
    ['with TLS', `${TLS} }\n`],
    ['with both', `${TLS} }\nbasic_auth_users: { prom: "${hashSync('x', 5)}" }\n`],
  ])('is ours, %s', async (_, text) => {
    const { port } = await serving(text === undefined ? {} : { webConfigFile: files.config(text) });
    expect(await told(`127.0.0.1:${port}`)).toEqual({
      state: 'fine',
      what: `gpuledger answers on 127.0.0.1:${port}`,
    });
    made.stopCollector();
    expect(await told(`:${port}`)).toMatchObject({
      state: 'wrong',
      what: expect.stringMatching(/^a gpuledger that is not the collector, .* listens on :\d+$/) as string,
    });
  });

  test('of a server that wants a certificate first it is not told whose it is', async () => {
    const text = `${TLS}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem }\n`;
    const { port } = await serving({ webConfigFile: files.config(text) });
    await expect(told(`127.0.0.1:${port}`, `, web_config_file: ${files.path('web.yml')}`)).rejects.toThrow(
      'answers nobody without a certificate of a client',
    );
  });

  test('is had by gpuledger serve, collector or not', async () => {
    const { url } = await startWeb(NOWHERE, { lanes: [] });
    const addr = new URL(url).host;
    const had = {
      state: 'wrong',
      what: `gpuledger serve listens on ${addr}`,
      mend: [
        `who it is: ss -ltnp 'sport = :${addr.split(':')[1]!}'`,
        'give it another port: serve.listen in the configuration',
        'or take another port: metrics.listen in the configuration',
      ],
    };
    expect(await told(addr)).toEqual(had);
    made.stopCollector();
    expect(await told(addr)).toEqual(had);
  });

  test('is had by dcgm-exporter', async () => {
    const addr = await upstream();
    expect(await told(addr)).toEqual({
      state: 'wrong',
      what: `dcgm-exporter listens on ${addr}`,
      mend: [
        `who it is: ss -ltnp 'sport = :${addr.split(':')[1]!}'`,
        'systemctl disable --now nvidia-dcgm-exporter',
        'or take another port: metrics.listen in the configuration',
      ],
    });
  });

  test('is had by another program, whatever it speaks', async () => {
    const printer = await until(httpServer((_, response) => response.end('<html>a printer</html>')));
    const echo = await until(rawServer((socket) => socket.end('220 mail\r\n')));
    for (const addr of [printer, echo])
      expect(await told(addr)).toMatchObject({
        state: 'wrong',
        what: `another program listens on ${addr}`,
        mend: expect.not.arrayContaining(['systemctl disable --now nvidia-dcgm-exporter']) as string[],
      });
  });
});
