/** A node, a store and a reader's machine as the install page leaves them, in a directory of their own, for the doctor to look at. */
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { lockDirectory } from '../../src/disk/state-lock.ts';
import { statusPath, writeStatus } from '../../src/disk/status-file.ts';
import { checksOf } from '../../src/doctor/all-checks.ts';
import { PARTS, type Part } from '../../src/doctor/check.ts';
import { examine, type Finding } from '../../src/doctor/examine.ts';
import { gatherFacts } from '../../src/doctor/facts.ts';
import type { Machine } from '../../src/doctor/machine.ts';
import { buildFake } from '../helpers/fakes.ts';
import { ROOT } from '../helpers/run-process.ts';

const GPULEDGER_ID = 64_990;
const SLURM_ID = 64_991;
const UNIT = '/usr/lib/systemd/system/gpuledger.service';
export const HOOK = '/usr/libexec/gpuledger/gpuledger-hook';
export const JOURNAL = '/run/gpuledger/jobs';

export interface MadeMachine {
  readonly machine: Machine;
  /** Where a path of it lies. */
  at(path: string): string;
  write(path: string, text: string): void;
  read(path: string): string;
  replace(path: string, from: string | RegExp, to: string): void;
  own(path: string, uid: number, gid: number, mode: number): void;
  /** The configuration of the collector is these lines, and those that every one has. */
  configure(lines: Readonly<Record<string, string>>): void;
  readonly ids: { readonly gpuledger: number; readonly slurm: number };
  readonly stateDir: string;
  setClockErrorUs(us: number | undefined): void;
  /** As the collector that runs writes it. */
  writeStatus(ageMs: number): void;
  stopCollector(): void;
  examine(parts?: readonly Part[], doesFix?: boolean): Promise<Finding[]>;
  remove(): void;
}

/** @param stores configuration strings: that of the nodes, and that of readers */
export async function makeMachine(stores: {
  readonly service: string;
  readonly reader: string;
}): Promise<MadeMachine> {
  const root = mkdtempSync(join(tmpdir(), 'gpuledger-machine-'));
  chmodSync(root, 0o755);
  const at = (path: string): string => join(root, path);
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), text);
  };
  const own = (path: string, uid: number, gid: number, mode: number): void => {
    chownSync(at(path), uid, gid);
    chmodSync(at(path), mode);
  };
  const stateDir = at('/var/lib/gpuledger');
  let clockErrorUs: number | undefined = 1_200;
  const machine: Machine = {
    root,
    env: { HOME: at('/home/ada'), PATH: process.env['PATH'] },
    hostname: 'n1',
    clockErrorUs: () => Promise.resolve(clockErrorUs),
  };
  const configure = (lines: Readonly<Record<string, string>>): void => {
    write('/etc/gpuledger/gpuledger.yaml', configText({ root, stateDir, conf: stores.service, lines }));
  };
  install(root, write);
  for (const path of ['/etc/passwd', '/etc/group', '/etc/slurm/slurm.conf']) write(path, SYSTEM_FILES[path]!);
  configure({});
  write('/home/ada/.config/gpuledger/client.conf', `questdb: {client_conf: "${stores.reader}"}\n`);
  for (const path of [join(stateDir, 'profiling-pause'), at(JOURNAL)]) mkdirSync(path, { recursive: true });
  own('/var/lib/gpuledger', GPULEDGER_ID, GPULEDGER_ID, 0o751);
  own('/var/lib/gpuledger/profiling-pause', GPULEDGER_ID, GPULEDGER_ID, 0o755);
  own(JOURNAL, GPULEDGER_ID, GPULEDGER_ID, 0o3770);
  for (const kind of ['limits', 'status'])
    write(
      `/proc/${process.pid}/${kind}`,
      readFileSync(join(import.meta.dirname, `proc-${kind}.txt`), 'utf8'),
    );
  const release = await lockDirectory(join(stateDir, 'delivery'));
  const writeStatusOf = (ageMs: number): void => {
    writeStatus(statusPath(stateDir), statusOf(Date.now() - ageMs));
  };
  writeStatusOf(2_000);
  return {
    machine,
    at,
    write,
    read: (path) => readFileSync(at(path), 'utf8'),
    replace: (path, from, to) => {
      const text = readFileSync(at(path), 'utf8');
      const changed = text.replace(from, to);
      if (changed === text) throw new Error(`${path} has no ${String(from)}`);
      writeFileSync(at(path), changed);
    },
    own,
    configure,
    ids: { gpuledger: GPULEDGER_ID, slurm: SLURM_ID },
    stateDir,
    setClockErrorUs: (us) => {
      clockErrorUs = us;
    },
    writeStatus: writeStatusOf,
    stopCollector: release,
    async examine(parts = PARTS, doesFix = false) {
      // Each part as its user would: readers have no file of services named.
      const findings: Finding[] = [];
      for (const group of [
        parts.filter((part) => part !== 'reader'),
        parts.filter((part) => part === 'reader'),
      ]) {
        const file = group[0] === 'reader' ? undefined : at('/etc/gpuledger/gpuledger.yaml');
        const facts = gatherFacts(machine, file);
        try {
          findings.push(...(await examine(checksOf(group), facts, { doesFix, onCheck: () => undefined })));
        } finally {
          await facts.close();
        }
      }
      return findings;
    },
    remove: () => {
      release();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** What a package puts there. */
function install(root: string, write: (path: string, text: string) => void): void {
  const copy = (from: string, to: string, mode: number): void => {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    cpSync(join(ROOT, from), join(root, to));
    chmodSync(join(root, to), mode);
  };
  for (const path of [
    'bin/gpuledger',
    'lib/gpuledger/node',
    'lib/gpuledger/bin/gpuledger.js',
    'lib/gpuledger/dist/main.js',
  ])
    write(`/usr/${path}`, '');
  copy('infra/slurm/gpuledger-hook', HOOK, 0o755);
  copy('infra/systemd/gpuledger.service', UNIT, 0o644);
  copy('infra/systemd/gpuledger.sysusers', '/usr/lib/sysusers.d/gpuledger.conf', 0o644);
  copy('infra/slurm/gpuledger-tmpfiles.conf', '/usr/lib/tmpfiles.d/gpuledger.conf', 0o644);
  const wants = '/etc/systemd/system/multi-user.target.wants';
  mkdirSync(join(root, wants), { recursive: true });
  symlinkSync(UNIT, join(root, wants, 'gpuledger.service'));
}

const SYSTEM_FILES: Readonly<Record<string, string>> = {
  '/etc/passwd': `root:x:0:0:root:/root:/bin/bash
gpuledger:x:${GPULEDGER_ID}:${GPULEDGER_ID}:gpuledger collector:/var/lib/gpuledger:/usr/sbin/nologin
slurm:x:${SLURM_ID}:${SLURM_ID}::/nonexistent:/usr/sbin/nologin
`,
  '/etc/group': `root:x:0:
gpuledger:x:${GPULEDGER_ID}:slurm
slurm:x:${SLURM_ID}:
`,
  '/etc/slurm/slurm.conf': `ClusterName=alpha
SlurmctldHost=n1(10.0.0.1)
SlurmUser=slurm
Prolog=${HOOK}
Epilog=${HOOK}
PrologSlurmctld=${HOOK}
EpilogSlurmctld=${HOOK}
PrologFlags=Alloc
`,
};

interface ConfigParts {
  readonly root: string;
  readonly stateDir: string;
  readonly conf: string;
  readonly lines: Readonly<Record<string, string>>;
}

function configText({ root, stateDir, conf, lines }: ConfigParts): string {
  const values: Readonly<Record<string, string>> = {
    node: 'n1',
    cluster: 'alpha',
    state_dir: stateDir,
    source: 'dcgm',
    dcgm: `{library: ${buildFake('dcgm')}}`,
    nvml: `{library: ${buildFake('nvml')}}`,
    questdb: `{client_conf: "${conf}"}`,
    jobs: `{journal_dir: ${join(root, JOURNAL)}}`,
    ...lines,
  };
  const lanes = `lanes:
  - {name: doctored, interval: 100ms, fields: [1002, 155, 156]}
  - {name: slowly, schedule: "0 0 * * * *", fields: [150]}
`;
  return Object.entries(values)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('')
    .concat(lanes);
}

function statusOf(atMs: number): Parameters<typeof writeStatus>[1] {
  const counts = {
    sampledRows: 80,
    acknowledgedRows: 72,
    heldRows: 8,
    spooledRows: 0,
    refusedRows: 0,
    droppedRows: 0,
  };
  return {
    ...{ pid: process.pid, atMs, startMs: atMs - 60_000, node: 'n1', source: 'dcgm', deviceCount: 8 },
    ...{ description: 'DCGM 4.6.0 embedded', store: 'http://127.0.0.1:9000', rssBytes: 1e8 },
    lanes: [
      {
        ...{ lane: 'doctored', table: 'gpu_doctored', intervalMs: 100, ...counts, spoolBytes: 0 },
        ...{ lastAcknowledgedMs: atMs, lastSendMs: 12, ringFillRatio: 0.1 },
      },
    ],
  };
}
