/**
 * Goal: the unit of dcgm-exporter goes on with gpuledger behind it: nothing of it is changed but which program ExecStart names. Method: that unit below
 * a real systemd, the drop-in of docs/from-dcgm-exporter.md, the .deb, a fake libdcgm, and curl.
 */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';

import { curl, HERE, makeCertificates } from '../exporter/http/certificates.ts';
import { buildFake } from '../helpers/fakes.ts';
import { blocksOf } from '../helpers/page-steps.ts';
import { bootRoot, type BootedRoot } from './booted-root.ts';
import { makeDebianRoot } from './debian-root.ts';

const NAME = 'nvidia-dcgm-exporter';
const COUNTERS = '/etc/dcgm-exporter/default-counters.csv';
const LOG = '/var/log/dcgm-exporter.log';
/** As upstream's package has it (release 4.8.4), in its own words where it has any. */
const UNIT = `[Unit]
Description=${NAME}
Wants=nvidia-dcgm.service
After=nvidia-dcgm.service

[Service]
User=root
PrivateTmp=false
StandardOutput=append:${LOG}
StandardError=append:${LOG}
ExecStart=/usr/bin/dcgm-exporter -f ${COUNTERS}
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
`;
const TEMPERATURE = 'DCGM_FI_DEV_GPU_TEMP, gauge, temperature\n';
const POWER = 'DCGM_FI_DEV_POWER_USAGE, gauge, power\n';

const files = makeCertificates();
let directory = '';
let root = '';
/** None where it did not come up. */
let node: BootedRoot | undefined;
let port = 0;

function write(path: string, text: string): void {
  const place = join(root, path);
  mkdirSync(dirname(place), { recursive: true });
  // Whoever reads it has the whole of it.
  writeFileSync(`${place}.new`, text);
  renameSync(`${place}.new`, place);
}

async function freePort(): Promise<number> {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port: free } = holder.address() as AddressInfo;
  await new Promise((resolve) => holder.close(resolve));
  return free;
}

/** What a shell in there says, which has to end well. */
async function told(line: string): Promise<string> {
  const ended = await node!.inside(line);
  expect(ended, `${line}: ${ended.stderr}`).toMatchObject({ exitCode: 0 });
  return ended.stdout.trim();
}

const property = async (name: string): Promise<string> =>
  await told(`systemctl show --value -p ${name} ${NAME}`);

const metrics = async (): Promise<string> => (await curl(`http://127.0.0.1:${port}/metrics`)).stdout;

async function families(): Promise<string[]> {
  return [...(await metrics()).matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name!);
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-upstream-unit-'));
  root = join(directory, 'root');
  await makeDebianRoot(root, ['systemd', 'systemd-sysv', 'dbus']);
  const { deb } = inject('packages');
  copyFileSync(deb, join(root, 'root', basename(deb)));
  copyFileSync(buildFake('dcgm'), join(root, 'usr/lib/x86_64-linux-gnu/libdcgm.so.4'));
  write(`/usr/lib/systemd/system/${NAME}.service`, UNIT);
  write(COUNTERS, TEMPERATURE);
  port = await freePort();
  // Port 9400 of this machine may be somebody's, and the other addresses are not to be served by a test.
  write(
    `/etc/systemd/system/${NAME}.service.d/test.conf`,
    `[Service]\nEnvironment=DCGM_EXPORTER_LISTEN=127.0.0.1:${port}\n`,
  );
}, 1_800_000);
afterAll(async () => {
  await node?.stop();
  rmSync(directory, { recursive: true, force: true });
});

test('it starts, and serves what the counters file asks for', async () => {
  node = await bootRoot(root);
  await told(`dpkg -i /root/${basename(inject('packages').deb)}`);
  const [before, after] = ['ini before', 'ini after'].map((fence) =>
    blocksOf('from-dcgm-exporter.md', 'The unit, before and after', fence),
  );
  expect(UNIT).toContain(before);
  // One line, and of that the program.
  expect(after!.split('\n').at(-2)).toBe(
    before!.trim().replace('/usr/bin/dcgm-exporter', '/usr/bin/gpuledger exporter'),
  );
  write(`/etc/systemd/system/${NAME}.service.d/override.conf`, after!);
  await told(`systemctl daemon-reload && systemctl enable --now ${NAME}`);
  await expect.poll(families).toEqual(['DCGM_FI_DEV_GPU_TEMP']);
  expect((await metrics()).match(/^DCGM_FI_DEV_GPU_TEMP\{/gm)).toHaveLength(8);
  expect((await curl(`http://127.0.0.1:${port}/health`)).stdout).toBe('OK');
  expect(await property('ActiveState')).toBe('active');
  expect(readFileSync(join(root, LOG), 'utf8')).toContain(`metrics at 127.0.0.1:${port}/metrics`);
});

test('a counters file that changes is read again, and so is the configuration at SIGHUP', async () => {
  const pid = await property('MainPID');
  write(COUNTERS, POWER);
  await expect.poll(families).toEqual(['DCGM_FI_DEV_POWER_USAGE']);
  expect(await metrics()).toContain(',hostname="');
  write('/etc/gpuledger/gpuledger.yaml', 'metrics: { compat: 4.8.2 }\n');
  await told(`systemctl kill --signal HUP ${NAME}`);
  await expect.poll(metrics).toContain(',Hostname="');
  expect([await property('MainPID'), await property('NRestarts')]).toEqual([pid, '0']);
});

test('whoever kills it sees it again', async () => {
  await told(`systemctl kill --signal KILL ${NAME}`);
  await expect.poll(() => property('NRestarts')).toBe('1');
  await expect.poll(families).toEqual(['DCGM_FI_DEV_POWER_USAGE']);
});

test('TLS and users of a web-config file that a variable of upstream names', async () => {
  files.authority('ca');
  files.signed('server', 'ca', HERE);
  for (const name of ['server.pem', 'server.key'])
    copyFileSync(files.path(name), join(root, 'etc/dcgm-exporter', name));
  // As htpasswd writes it.
  const hash = hashSync('pw of prom', 10).replace(/^\$2b\$/, '$2y$');
  write(
    '/etc/dcgm-exporter/web.yml',
    `tls_server_config: { cert_file: server.pem, key_file: server.key }\nbasic_auth_users: { prom: "${hash}" }\n`,
  );
  write(
    `/etc/systemd/system/${NAME}.service.d/web.conf`,
    '[Service]\nEnvironment=DCGM_EXPORTER_WEB_CONFIG_FILE=/etc/dcgm-exporter/web.yml\n',
  );
  await told(`systemctl daemon-reload && systemctl restart ${NAME}`);
  const status = async (...args: string[]): Promise<string> => {
    const ended = await curl(
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      '--cacert',
      files.path('ca.pem'),
      ...args,
    );
    return ended.exitCode === 0 ? ended.stdout : `curl ${String(ended.exitCode)}`;
  };
  const url = `https://127.0.0.1:${port}/metrics`;
  await expect.poll(() => status('-u', 'prom:pw of prom', url)).toBe('200');
  expect(await status(url)).toBe('401');
  expect(await status('-u', 'prom:pw of ada', url)).toBe('401');
  // Who speaks no TLS is not answered at all.
  expect(await status('-u', 'prom:pw of prom', url.replace('https', 'http'))).toMatch(/^curl (52|56)$/);
  // It answers before its first sample, with an empty page.
  const page = async (): Promise<string> =>
    (await curl('--cacert', files.path('ca.pem'), '-u', 'prom:pw of prom', url)).stdout;
  await expect.poll(page).toContain('DCGM_FI_DEV_POWER_USAGE{');
});

test('it ends when it is told to, within its time', async () => {
  await told(`systemctl stop ${NAME}`);
  const said = await told(`systemctl show -p Result -p ExecMainCode -p ExecMainStatus ${NAME}`);
  // Code 1: it has exited by itself.
  expect(said.split('\n').sort()).toEqual(['ExecMainCode=1', 'ExecMainStatus=0', 'Result=success']);
  expect((await curl(`http://127.0.0.1:${port}/metrics`)).exitCode).toBe(7);
});
