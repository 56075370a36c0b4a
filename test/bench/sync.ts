import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createFakeSlurm, type FakeSlurm } from '../helpers/fake-slurm.ts';
import { startBenchServer } from './bench-server.ts';
import type { Bench, Measurement } from './measurement.ts';

const SQUEUE_BYTES = Number(process.env['GPULEDGER_BENCH_SQUEUE_BYTES'] ?? 600e6);
const SACCT_ROWS = Number(process.env['GPULEDGER_BENCH_SACCT_ROWS'] ?? 1_000_000);
const FINISHED_ROWS = 10_000;
/** One job in so many has GPUs. */
const GPU_EVERY = 20;
const MEGABYTES_MAX = 300;
const FINISHED_SECONDS_MAX = 5;

/**
 * The commands as a program: `say.js squeue BYTES EVERY FIRST_ID`, `say.js sacct ROWS EVERY FIRST_ID DELIMITER`. It prints as fast as it is read.
 */
const SAY = `
const { writeSync } = require('node:fs');
const [what, amount, every, firstId, delimiter] = process.argv.slice(2);
const START = 1700000000;
let text = '';
const say = (more) => {
  text += more;
  if (text.length > 1 << 16) flush();
};
const flush = () => {
  for (let bytes = Buffer.from(text); bytes.length > 0;) {
    try { bytes = bytes.subarray(writeSync(1, bytes)); } catch (error) { if (error.code !== 'EAGAIN') throw error; }
  }
  text = '';
};
const set = (number) => ({ set: true, infinite: false, number });
if (what === 'squeue') {
  const filler = Object.fromEntries(Array.from({ length: 20 }, (_, at) => ['another_key_' + at, set(at)]));
  const job = (id) => ({
    account: 'physics', cluster: 'atlas', job_id: id, name: 'train', user_name: 'ada', partition: 'gpu', qos: 'normal',
    job_state: [id % 3 === 0 ? 'COMPLETED' : 'RUNNING'], array_job_id: set(0), array_task_id: { set: false, infinite: false, number: 0 },
    het_job_id: set(0), restart_cnt: 0, node_count: set(1), nodes: 'n1', submit_time: set(START - 9), start_time: set(START + (id % 86400)),
    end_time: set(START + 90000), tres_alloc_str: id % every === 0 ? 'cpu=1,gres/gpu=1' : 'cpu=1',
    gres_detail: id % every === 0 ? ['gpu:h100:1(IDX:0)'] : [],
    exit_code: { status: ['SUCCESS'], return_code: set(0), signal: { id: { set: false, infinite: false, number: 0 }, name: '' } },
    ...filler,
  });
  const size = JSON.stringify(job(1), null, 2).length;
  say('{"jobs": [');
  for (let id = Number(firstId), bytes = 0; bytes < Number(amount); id += 1, bytes += size) {
    say((bytes === 0 ? '' : ',') + JSON.stringify(job(id), null, 2));
  }
  say('], "meta": {}, "errors": [], "warnings": []}');
} else {
  for (let id = Number(firstId); id < Number(firstId) + Number(amount); id += 1) {
    const start = START + (id % 86400);
    const tres = id % every === 0 ? 'billing=1,cpu=1,gres/gpu=1,mem=1G,node=1' : 'billing=1,cpu=1,mem=1G,node=1';
    const cells = [id, id, 'train', 'ada', 'physics', 'gpu', 'normal', 'COMPLETED', '0:0', start, start + 60, 1, tres, START - 9, 'atlas', 0, ''];
    say(cells.join(delimiter) + '\\n');
  }
}
flush();
`;

/** Sizes of what the commands say; ids count up from the first one. */
interface Replies {
  readonly squeueBytes: number;
  readonly sacctRows: number;
  readonly every: number;
  readonly firstId: number;
}

interface Finished {
  readonly seconds: number;
  /** The most that was resident, MB of 10⁶ bytes. */
  readonly megabytes: number;
  readonly stdout: string;
}

/** Runs a program to its end, and looks at its memory meanwhile. */
async function run(
  program: string,
  parameters: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Finished> {
  const startMs = performance.now();
  const child = spawn(program, parameters, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let megabytes = 0;
  const look = setInterval(() => (megabytes = Math.max(megabytes, peakMegabytes(child.pid!))), 50);
  const said: Buffer[] = [];
  let saidBytes = 0;
  child.stdout.on('data', (bytes: Buffer) => {
    saidBytes += bytes.length;
    if (saidBytes < 100_000) said.push(bytes);
  });
  const status = await new Promise((resolve) => child.once('close', resolve));
  clearInterval(look);
  if (status !== 0) throw new Error(`${program} ${parameters.join(' ')} ended with ${String(status)}`);
  return { seconds: (performance.now() - startMs) / 1000, megabytes, stdout: Buffer.concat(said).toString() };
}

function peakMegabytes(pid: number): number {
  try {
    const kilobytes = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return (Number(kilobytes ?? 0) * 1024) / 1e6;
  } catch {
    return 0; // it has ended since
  }
}

/** Slurm's commands that print what SAY makes; an amount of 0 is an empty reply. */
function putCommands(slurm: FakeSlurm, say: string, replies: Replies): void {
  const { squeueBytes, sacctRows, every, firstId } = replies;
  const node = `exec ${process.execPath} ${say}`;
  slurm.put(
    'squeue',
    `case " $* " in *" -O "*) exit 0;; esac\n${node} squeue ${squeueBytes} ${every} ${firstId}`,
  );
  const delimiter = 'for a in "$@"; do case $a in --delimiter=*) d=${a#*=};; esac; done';
  const help = '[ "$1" = --helpformat ] && { echo Submit Cluster Restarts SLUID; exit 0; }';
  slurm.put('sacct', `${help}\n${delimiter}\n${node} sacct ${sacctRows} ${every} ${firstId} "$d"`);
}

async function measure(): Promise<Measurement[]> {
  const server = await startBenchServer();
  const slurm = createFakeSlurm();
  const say = join(slurm.directory, 'say.cjs');
  writeFileSync(say, SAY);
  const env = { QDB_CLIENT_CONF: server.conf, PATH: slurm.path };
  const sync = async (replies: Replies): Promise<Finished> => {
    putCommands(slurm, say, replies);
    const finished = await run(process.execPath, ['bin/gpuledger.js', 'jobs', 'sync'], env);
    process.stderr.write(finished.stdout);
    return finished;
  };
  const nothing = { squeueBytes: 0, sacctRows: 0, every: GPU_EVERY, firstId: 1 };
  try {
    const empty = await sync(nothing);
    const finished = await sync({ ...nothing, sacctRows: FINISHED_ROWS, every: 1 });
    const squeue = await sync({ ...nothing, squeueBytes: SQUEUE_BYTES, firstId: 1_000_000 });
    const sacct = await sync({ ...nothing, sacctRows: SACCT_ROWS, firstId: 2_000_000 });
    const alone = async (...what: string[]): Promise<Finished> =>
      await run(process.execPath, [say, ...what], env);
    const squeueAlone = await alone('squeue', String(SQUEUE_BYTES), String(GPU_EVERY), '1');
    const sacctAlone = await alone('sacct', String(SACCT_ROWS), String(GPU_EVERY), '1', '|');
    const memory = ({ megabytes }: Finished): Pick<Measurement, 'value' | 'baseline' | 'unit' | 'goal'> => ({
      value: megabytes,
      baseline: empty.megabytes,
      unit: 'MB',
      goal: { text: `≤ ${MEGABYTES_MAX} MB`, isMet: megabytes <= MEGABYTES_MAX },
    });
    const isQuick = finished.seconds <= FINISHED_SECONDS_MAX;
    return [
      {
        name: 'sync_finished_seconds',
        value: finished.seconds,
        baseline: empty.seconds,
        unit: 's',
        goal: { text: `≤ ${FINISHED_SECONDS_MAX} s`, isMet: isQuick },
      },
      { name: 'sync_squeue_seconds', value: squeue.seconds, baseline: squeueAlone.seconds, unit: 's' },
      { name: 'sync_squeue_rss_mb', ...memory(squeue) },
      { name: 'sync_sacct_seconds', value: sacct.seconds, baseline: sacctAlone.seconds, unit: 's' },
      { name: 'sync_sacct_rss_mb', ...memory(sacct) },
    ];
  } finally {
    slurm.close();
    await server.close();
  }
}

export const syncBench: Bench = {
  name: 'sync',
  about: `jobs sync of ${FINISHED_ROWS} finished jobs, of ${SQUEUE_BYTES / 1e6} MB of squeue, of ${SACCT_ROWS} rows of sacct, beside the store`,
  measure,
};
