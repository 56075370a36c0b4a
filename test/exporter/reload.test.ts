/**
 * Goal: counters that change are served without a restart, and bad ones change nothing; a port that is taken, and a source that is not there,
 * end the command with a sentence. Method: the built command on synthetic GPUs.
 */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { expect, onTestFinished, test } from 'vitest';
import { startExporter } from '../helpers/prometheus.ts';
import { runCommand } from '../helpers/run-process.ts';

const TEMPERATURE = 'DCGM_FI_DEV_GPU_TEMP, gauge, temperature\n';
const POWER = 'DCGM_FI_DEV_POWER_USAGE, gauge, power\n';

function createPlace(): { counters: string; args: readonly string[] } {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-reload-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  const [counters, config] = [join(directory, 'counters.csv'), join(directory, 'empty.yaml')];
  writeFileSync(config, '');
  writeFileSync(counters, TEMPERATURE);
  const args = ['--source', 'synthetic', '--gpus', '1', '--collect-interval', '1000', '--config', config];
  return { counters, args: [...args, '--state-dir', directory, '--collectors', counters] };
}

/** Names of the families that are served now. */
async function familiesOf(address: string): Promise<string[]> {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  return [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name!);
}

function write(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

test('a counters file that changes is read again; one that is wrong is told, and SIGHUP does the same', async () => {
  const { counters, args } = createPlace();
  const { address, pid, log } = await startExporter(args, { QDB_CLIENT_CONF: undefined });
  // Nothing of itself, unless it is asked for.
  await expect.poll(async () => await familiesOf(address)).toEqual(['DCGM_FI_DEV_GPU_TEMP']);
  write(counters, TEMPERATURE + POWER);
  await expect
    .poll(async () => await familiesOf(address))
    .toEqual(['DCGM_FI_DEV_GPU_TEMP', 'DCGM_FI_DEV_POWER_USAGE']);
  write(counters, 'DCGM_FI_DEV_GPU_TMP, gauge, x\n');
  // What asked for it, what is wrong, where, and what may have been meant.
  await expect
    .poll(() => log.find((line) => line.includes('no field is called "DCGM_FI_DEV_GPU_TMP"')))
    .toMatch(/counters\.csv changed: .*counters\.csv, line 1.*did you mean: DCGM_FI_DEV_GPU_TEMP/);
  expect(await familiesOf(address)).toEqual(['DCGM_FI_DEV_GPU_TEMP', 'DCGM_FI_DEV_POWER_USAGE']);
  expect(await (await fetch(`http://${address}/health`)).text()).toBe('OK');
  process.kill(pid, 'SIGHUP');
  await expect.poll(() => log.some((line) => /SIGHUP: .*no field is called/.test(line))).toBe(true);
  write(counters, POWER);
  await expect.poll(async () => await familiesOf(address)).toEqual(['DCGM_FI_DEV_POWER_USAGE']);
});

test('what was sampled last is served on, however often it is reloaded before the next sample', async () => {
  const { args } = createPlace();
  const started = [...args, '--collect-interval', '3600000'];
  const { address, pid, log } = await startExporter(started, { QDB_CLIENT_CONF: undefined });
  await expect.poll(async () => await familiesOf(address)).toEqual(['DCGM_FI_DEV_GPU_TEMP']);
  for (const times of [1, 2, 3]) {
    process.kill(pid, 'SIGHUP');
    await expect
      .poll(() => log.filter((line) => line.includes('lanes exporter')).length)
      .toBeGreaterThan(times);
    expect(await familiesOf(address)).toEqual(['DCGM_FI_DEV_GPU_TEMP']);
  }
});

test('a port that is taken is refused before anything is sampled', async () => {
  const { args } = createPlace();
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    holder.close();
  });
  const { port } = holder.address() as AddressInfo;
  const { exitCode, stderr } = await runCommand(['exporter', ...args, '-a', `127.0.0.1:${port}`], {
    env: { QDB_CLIENT_CONF: undefined },
  });
  expect(exitCode).toBe(75);
  expect(stderr).toContain('dcgm-exporter');
  expect(stderr).not.toContain('devices, lanes');
});

test('a server that cannot be as it is told now stays as it was; one that can takes its place', async () => {
  const { args } = createPlace();
  const directory = args[args.indexOf('--state-dir') + 1]!;
  const config = join(directory, 'served.yaml');
  const web = join(directory, 'web.yml');
  writeFileSync(config, 'metrics: { concurrent_scrapes: 4 }\n');
  const port = await freePort();
  const told = ['exporter', ...args, '--config', config, '-a', `127.0.0.1:${port}`];
  const { address, pid, log } = await startExporter([], { QDB_CLIENT_CONF: undefined }, told);
  await expect.poll(async () => await familiesOf(address)).toEqual(['DCGM_FI_DEV_GPU_TEMP']);
  writeFileSync(web, 'basic_auth_users: { ada: plain }\n');
  writeFileSync(config, 'metrics: { web_config_file: web.yml }\n');
  process.kill(pid, 'SIGHUP');
  await expect.poll(() => log.some((line) => line.includes('nothing has changed'))).toBe(true);
  await expect.poll(async () => await familiesOf(address)).toEqual(['DCGM_FI_DEV_GPU_TEMP']);
  writeFileSync(web, `basic_auth_users: { ada: "${ADA}" }\n`);
  process.kill(pid, 'SIGHUP');
  await expect.poll(async () => (await fetch(`http://${address}/metrics`)).status).toBe(401);
  const authorization = `Basic ${Buffer.from('ada:opensesame').toString('base64')}`;
  const answer = await fetch(`http://${address}/metrics`, { headers: { authorization } });
  expect(await answer.text()).toContain('DCGM_FI_DEV_GPU_TEMP{');
});

/** Bcrypt, of the least cost that is taken. */
const ADA = hashSync('opensesame', 5);

async function freePort(): Promise<number> {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as AddressInfo;
  await new Promise((resolve) => holder.close(resolve));
  return port;
}

test('run serves the fields of its lanes where its configuration says so, and SIGTERM ends it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-run-metrics-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  const config = join(directory, 'gpuledger.yaml');
  writeFileSync(
    config,
    `source: synthetic
state_dir: ${directory}
questdb: { client_conf: "http::addr=127.0.0.1:1;" }
metrics: { listen: "127.0.0.1:0", compat: 4.8.2, job_shares: true }
lanes: [{ name: fast, interval: 1s, fields: [power_watts, gpu_temp_celsius] }]
`,
  );
  const { address, pid } = await startExporter([], {}, ['run', '--config', config]);
  await expect
    .poll(async () => await familiesOf(address))
    .toEqual(
      expect.arrayContaining([
        ...['DCGM_FI_DEV_POWER_USAGE', 'DCGM_FI_DEV_GPU_TEMP', 'gpuledger_job_share_ratio'],
        ...['gpuledger_rows_sampled_total', 'gpuledger_table_held'],
      ]),
    );
  process.kill(pid, 'SIGTERM');
  await expect.poll(async () => await familiesOf(address).catch(() => 'gone')).toBe('gone');
});
