/** A real Prometheus for tests, on a free loopback port, and `gpuledger exporter` for it to scrape. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { killGroup, ROOT } from './run-process.ts';

/** Starts a program whose log says where it listens, and waits for that. Ends with the test. */
async function startListening(
  program: string,
  args: readonly string[],
  where: RegExp,
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<{ readonly address: string; readonly pid: number; readonly log: readonly string[] }> {
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const pid = child.pid!;
  onTestFinished(() => {
    killGroup(pid);
  });
  const log: string[] = [];
  const address = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr })
      .on('line', (line) => {
        log.push(line);
        const found = where.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      })
      .on('close', () => {
        reject(new Error(`${program} ended:\n${log.join('\n')}`));
      });
  });
  return { address, pid, log };
}

/** @param words the whole command line, where it is another one. @returns where it serves, as `127.0.0.1:PORT` */
export async function startExporter(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
  words: readonly string[] = ['exporter', '--address', '127.0.0.1:0', ...args],
): Promise<{ readonly address: string; readonly pid: number; readonly log: readonly string[] }> {
  return await startListening(
    process.execPath,
    [`${ROOT}bin/gpuledger.js`, ...words],
    /metrics at (\S+)\/metrics/,
    env,
  );
}

export interface TestPrometheus {
  /** Of an instant query: labels, and a value, or of a range vector all of them with their times in s. */
  query(promql: string): Promise<readonly PrometheusSeries[]>;
}

export interface PrometheusSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [atS: number, value: string];
  readonly values?: readonly (readonly [atS: number, value: string])[];
}

/**
 * Scrapes that address each second, and takes as many steps in a question that names none: else its first one waits for the
 * next full minute. @param cluster label of the target, as sites set it
 */
export async function startPrometheus(target: string, cluster = 'c1'): Promise<TestPrometheus> {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-prometheus-'));
  const config = join(directory, 'prometheus.yml');
  writeFileSync(
    config,
    `global: { scrape_interval: 1s, evaluation_interval: 1s }
scrape_configs: [{ job_name: gpus, static_configs: [{ targets: ['${target}'], labels: { cluster: '${cluster}' } }] }]
`,
  );
  const { address } = await startListening(
    'prometheus',
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
    ],
    /msg="Listening on" address=(\S+)/,
  );
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    async query(promql) {
      const url = `http://${address}/api/v1/query?query=${encodeURIComponent(promql)}`;
      const answer = (await (await fetch(url)).json()) as {
        status: string;
        error?: string;
        data: { result: PrometheusSeries[] };
      };
      if (answer.status !== 'success') throw new Error(`${promql}: ${answer.error ?? ''}`);
      return answer.data.result;
    },
  };
}
