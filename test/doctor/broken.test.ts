/**
 * Goal: of a set-up with one thing wrong the doctor names that thing, and accuses nothing else; of a right one it says that all is fine.
 * Method: a machine made of files, the fakes of the libraries, and real servers; each row breaks one thing in the way in which it
 * breaks at a site, and the whole doctor looks at all of it.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/config-file.ts';
import type { Config } from '../../src/config/config.ts';
import { realDisk } from '../../src/disk/disk.ts';
import { openSpool } from '../../src/disk/spool.ts';
import { exitOf, type Finding } from '../../src/doctor/examine.ts';
import {
  createProofTables,
  dropLeftTables,
  dropProofTables,
  proofLanes,
  storeNowMs,
} from '../../src/doctor/proof/proof-tables.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { createTableSql, sampleTable } from '../../schemas/tables.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { requestPause } from '../../src/source/profiling-pause.ts';
import { httpServer, rawServer, type BadServer } from '../helpers/bad-server.ts';
import { loadFake } from '../helpers/fakes.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { ROOT, runToEnd, startProcess } from '../helpers/run-process.ts';
import { HOOK, JOURNAL, makeMachine, type MadeMachine } from './made-machine.ts';

const NOWHERE = 'http::addr=127.0.0.1:1;';
const ACCOUNT = 'username=gpuledger;password=a long one;';
const dcgm = loadFake('dcgm');
const nvml = loadFake('nvml');

let server: TestQuestdb;
/** It only reads, as that of readers should. */
let readers: TestQuestdb;
let db: QuestDb;
let foreign: BadServer;
let config: Config;
let made: MadeMachine;
let isStoreTouched = true;

beforeAll(async () => {
  process.env['QDB_DEV_MODE_ENABLED'] = 'true';
  [server, readers] = await Promise.all([startTestQuestdb(), startTestQuestdb()]);
  delete process.env['QDB_DEV_MODE_ENABLED'];
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  foreign = await httpServer((_, response) => response.end('<html>a printer</html>'));
  made = await makeMachine({ service: server.conf, reader: readers.conf });
  ({ config } = await loadConfig({ file: made.at('/etc/gpuledger/gpuledger.yaml'), env: {}, flags: [] }));
  made.remove();
  const ofReaders = await openQuestDb(readers.conf, { requestTimeoutMs: 60_000 });
  await applySchema(ofReaders, config.lanes, config.retention);
  await ofReaders.close();
  await restartedWith(readers, { QDB_HTTP_SECURITY_READONLY: 'true' });
});
afterAll(async () => {
  await Promise.all([db.close(), foreign.close()]);
  await Promise.all([server.stop(), readers.stop()]);
});

beforeEach(async () => {
  dcgm.reset();
  nvml.reset();
  if (isStoreTouched) await applySchema(db, config.lanes, config.retention, { movesAged: true });
  isStoreTouched = false;
  made = await makeMachine({ service: server.conf, reader: readers.conf });
});
afterEach(() => {
  made.remove();
});

/** Starts a server again with these variables; those of one that is started later are as before. */
async function restartedWith(which: TestQuestdb, variables: Readonly<Record<string, string>>): Promise<void> {
  Object.assign(process.env, variables);
  await which.restart();
  for (const name of Object.keys(variables)) Reflect.deleteProperty(process.env, name);
}

/** One thing that is wrong. */
interface Broken {
  /** Part and name of the check that has to say so. */
  readonly at: string;
  readonly says: RegExp;
  /** What is told beside the sentence, where that is a matter of its own. */
  readonly why?: RegExp;
  readonly mend?: string;
  readonly breakIt: () => unknown;
  /** What the next set-up would not find as it was. */
  readonly restore?: () => unknown;
}

const service = (text: string) => (): void => {
  made.configure({ questdb: `{client_conf: "${text}"}` });
};
const readersFile = '/home/ada/.config/gpuledger/client.conf';
const remove = (path: string) => (): void => {
  rmSync(made.at(path), { recursive: true });
};
const mode = (path: string, bits: number) => (): void => {
  chmodSync(made.at(path), bits);
};

const ON_NODE: Readonly<Record<string, Broken>> = {
  'a key that is misspelt': {
    at: 'node configuration',
    says: /unknown key "nodee".*did you mean|nodee/s,
    breakIt: () => {
      made.configure({ nodee: 'n1' });
    },
  },
  'a configuration that is a directory': {
    at: 'node configuration',
    says: /it is a directory/,
    breakIt: () => {
      remove('/etc/gpuledger/gpuledger.yaml')();
      mkdirSync(made.at('/etc/gpuledger/gpuledger.yaml'));
    },
  },
  'a secret that everybody may read': {
    at: 'node configuration',
    says: /everybody can read it/,
    why: /^who comes by the secret of the store/,
    breakIt: () => {
      made.write('/etc/gpuledger/questdb.conf', `${server.conf}username=a;password=b;`);
      made.configure({ questdb: '{client_conf_file: questdb.conf}' });
    },
  },
  'a secret that goes over a network as it is': {
    at: 'node configuration',
    says: /goes to 0\.0\.0\.0 unencrypted: use https::/,
    why: /^who comes by the secret of the store/,
    breakIt: () => {
      // It is this machine, too, and no address of its loopback.
      service(`${server.conf.replace('127.0.0.1', '0.0.0.0')}${ACCOUNT}`)();
      made.own('/etc/gpuledger/gpuledger.yaml', 0, made.ids.gpuledger, 0o640);
    },
  },
  'a half-removed installation': {
    at: 'node installation',
    says: /half removed: \/usr\/lib\/gpuledger\/node is missing/,
    breakIt: remove('/usr/lib/gpuledger/node'),
  },
  'a service file edited by hand': {
    at: 'node service',
    says: /was edited/,
    breakIt: () => {
      made.replace('/usr/lib/systemd/system/gpuledger.service', 'Restart=on-failure', 'Restart=no');
    },
  },
  'a copy of the service file in /etc': {
    at: 'node service',
    says: /stands in place of the unit of the package/,
    breakIt: () => {
      made.write(
        '/etc/systemd/system/gpuledger.service',
        made.read('/usr/lib/systemd/system/gpuledger.service'),
      );
    },
  },
  'a masked service': {
    at: 'node service',
    says: /is masked/,
    breakIt: () => {
      symlinkSync('/dev/null', made.at('/etc/systemd/system/gpuledger.service'));
    },
  },
  'no collector': {
    at: 'node collector',
    says: /no collector runs/,
    breakIt: () => {
      made.stopCollector();
    },
  },
  'a collector that hangs': {
    at: 'node collector',
    says: /has written no status for 3\d\d s/,
    breakIt: () => {
      made.writeStatus(300_000);
    },
  },
  'a state directory of another user': {
    at: 'node state directory',
    says: /is root:root 0751: gpuledger may not write there/,
    breakIt: () => {
      made.own('/var/lib/gpuledger', 0, 0, 0o751);
    },
  },
  'a state directory that everybody may look into': {
    at: 'node state directory',
    says: /everybody may look into/,
    breakIt: mode('/var/lib/gpuledger', 0o755),
  },
  'no user of the service': {
    at: 'node state directory',
    says: /runs as gpuledger, and there is no such user/,
    breakIt: () => {
      made.replace('/etc/passwd', /gpuledger:x.*\n/, '');
    },
  },
  'rows that wait for days': {
    at: 'node spool',
    says: /3 rows wait .* the oldest for 2880 min/,
    breakIt: async () => {
      const spool = openSpool(join(made.stateDir, 'delivery/gpu_doctored/spool'), {
        ...{
          disk: realDisk,
          settledSequence: 0,
          bytesMax: 1e9,
          ageMsMax: 1e12,
          nowMs: () => Date.now() - 48 * 3600e3,
        },
        ...{ onDropped: () => undefined, tell: () => undefined },
      });
      await spool.append({ body: Buffer.from('x 1\n'), rows: 3, journal: 1, toTick: 1 });
      spool.close();
    },
  },
  'rows that were refused': {
    at: 'node spool',
    says: /refused rows: 12 bytes of dead letters/,
    breakIt: () => {
      mkdirSync(join(made.stateDir, 'delivery/gpu_doctored'), { recursive: true });
      mkdirSync(join(made.stateDir, 'dead-letter'));
      writeFileSync(join(made.stateDir, 'dead-letter/gpu_doctored.jsonl'), '{"rows": 1}\n');
    },
  },
  'a damaged segment': {
    at: 'node spool',
    says: /1 damaged segment/,
    breakIt: () => {
      mkdirSync(join(made.stateDir, 'delivery/gpu_doctored/spool/damaged'), { recursive: true });
      writeFileSync(join(made.stateDir, 'delivery/gpu_doctored/spool/damaged/1.seg'), 'x');
    },
  },
  'no driver library': {
    at: 'node driver',
    says: /libnvidia-ml\.so\.1 not found/,
    breakIt: () => {
      made.configure({ nvml: '{library: /nonexistent/libnvidia-ml.so.1}' });
    },
  },
  'a driver that is not loaded': {
    at: 'node driver',
    says: /nvmlInit_v2 answered DRIVER_NOT_LOADED/,
    breakIt: () => {
      nvml.set('init_fails', 9);
    },
  },
  'a GPU that fell off the bus': {
    at: 'node driver',
    says: /GPU 2 cannot be had: GPU_IS_LOST/,
    breakIt: () => {
      nvml.set('lost_gpu', 3);
    },
  },
  'no libdcgm': {
    at: 'node libdcgm',
    says: /libdcgm\.so\.4 not found/,
    breakIt: () => {
      made.configure({ dcgm: '{library: /nonexistent}' });
    },
  },
  'an engine that is away': {
    at: 'node engine',
    says: /CONNECTION_NOT_VALID.*nothing listens there/s,
    breakIt: () => {
      made.configure({ dcgm: `{library: ${dcgm.path}, engine: "127.0.0.1:1"}` });
      dcgm.set('engine_alive', 0);
    },
  },
  'an engine that is older than the library': {
    at: 'node engine',
    says: /libdcgm 4\.7\.0 is newer than the engine/,
    breakIt: () => {
      made.configure({ dcgm: `{library: ${dcgm.path}, engine: localhost}` });
      dcgm.set('library_minor', 7);
    },
  },
  'an engine of another major version': {
    at: 'node engine',
    says: /libdcgm is 4\.6\.0, and there answers DCGM 3\.6/,
    breakIt: () => {
      made.configure({ dcgm: `{library: ${dcgm.path}, engine: localhost}` });
      dcgm.set('engine_major', 3);
    },
  },
  'the engine of a GPU operator beside ours, on GPUs before Hopper': {
    at: 'node other engines',
    says: /nv-hostengine \(process 4711\) beside ours, and GPU 0, 1, .* older than Hopper/,
    breakIt: () => {
      made.write('/proc/4711/comm', 'nv-hostengine\n');
      nvml.set('gpm', 0);
    },
  },
  'a device that is named and not there': {
    at: 'node devices',
    says: /names g:9, which this node does not have/,
    breakIt: () => {
      made.configure({ devices: '"g:0,9"' });
    },
  },
  'no device of those that are named': {
    at: 'node devices',
    says: /no device of n1 is selected/,
    breakIt: () => {
      made.configure({ devices: '"i:9"' });
    },
  },
  'profiling that needs root': {
    at: 'node profiling',
    says: /refused: REQUIRES_ROOT/,
    breakIt: () => {
      dcgm.set('prof_needs_root', 1);
    },
  },
  'no profiling module': {
    at: 'node profiling',
    says: /refused: MODULE_NOT_LOADED/,
    breakIt: () => {
      dcgm.set('prof_module_missing', 1);
    },
  },
  'counters for administrators alone': {
    at: 'node profiling',
    says: /to administrators alone, and the service is none/,
    breakIt: () => {
      made.write('/proc/driver/nvidia/params', 'ResmanDebugLevel: 4294967295\nRmProfilingAdminOnly: 1\n');
      nvml.set('gpm', 0);
    },
  },
  'a pause that nobody took back': {
    at: 'node profiling',
    says: /paused by ada, without an end/,
    breakIt: () => {
      requestPause(join(made.stateDir, 'profiling-pause'), {
        name: 'operator',
        untilUs: Infinity,
        by: 'ada',
      });
    },
  },
  'no directory of pause requests': {
    at: 'node pause requests',
    says: /profiling-pause is not there/,
    breakIt: remove('/var/lib/gpuledger/profiling-pause'),
  },
  'a directory of pause requests that the collector may not read': {
    at: 'node pause requests',
    says: /is root:root 0700: the collector \(gpuledger\) may not read/,
    breakIt: () => {
      made.own('/var/lib/gpuledger/profiling-pause', 0, 0, 0o700);
    },
  },
  'a directory of pause requests in which anybody takes back those of others': {
    at: 'node pause requests',
    says: /0777: everybody may take back/,
    breakIt: mode('/var/lib/gpuledger/profiling-pause', 0o777),
  },
  'a clock that nobody keeps right': {
    at: 'node clock',
    says: /nobody keeps the clock/,
    breakIt: () => {
      made.setClockErrorUs(16_000_000);
    },
  },
  'too few open files': {
    at: 'node open files',
    says: /at most 256/,
    breakIt: () => {
      made.replace(`/proc/${process.pid}/limits`, /(Max open files +)\d+( +)\d+/, '$1256$2256');
    },
  },
  'no real-time grant': {
    at: 'node real-time grant',
    says: /not granted/,
    breakIt: () => {
      made.replace(`/proc/${process.pid}/limits`, /(Max realtime priority +)1( +)1/, '$10$20');
    },
  },
  'no journal': { at: 'node job journal', says: /is not there/, breakIt: remove(JOURNAL) },
  'a journal that every user may write into': {
    at: 'node job journal',
    says: /every user may enter/,
    breakIt: mode(JOURNAL, 0o1777),
  },
  'a journal of root': {
    at: 'node job journal',
    says: /the collector \(gpuledger\) may not remove/,
    breakIt: () => {
      made.own(JOURNAL, 0, made.ids.gpuledger, 0o3770);
    },
  },
  'a journal of another group': {
    at: 'node job journal',
    says: /SlurmUser, of the group gpuledger, may not write/,
    breakIt: () => {
      made.own(JOURNAL, made.ids.gpuledger, 0, 0o3770);
    },
  },
  'a journal that its group may not write into': {
    at: 'node job journal',
    says: /its group may not write/,
    breakIt: mode(JOURNAL, 0o3750),
  },
  'a journal in which anybody removes the records of others': {
    at: 'node job journal',
    says: /may remove the records of others/,
    breakIt: mode(JOURNAL, 0o2770),
  },
  'a hook that cannot be run': { at: 'node hook', says: /it cannot be run/, breakIt: mode(HOOK, 0o644) },
  'a hook that SlurmUser cannot run': {
    at: 'node hook',
    says: /SlurmUser cannot/,
    breakIt: mode(HOOK, 0o750),
  },
  'a hook that others may change': {
    at: 'node hook',
    says: /others than root may change/,
    breakIt: () => {
      chownSync(made.at(HOOK), made.ids.slurm, 0);
    },
  },
  'an Epilog that is missing': {
    at: 'node slurm.conf',
    says: /Epilog does not call gpuledger-hook/,
    breakIt: () => {
      made.replace('/etc/slurm/slurm.conf', /Epilog=.*\n/, '');
    },
  },
  'PrologFlags without Alloc': {
    at: 'node slurm.conf',
    says: /PrologFlags has no Alloc/,
    mend: 'PrologFlags=Serial,NoHold,Alloc in /etc/slurm/slurm.conf, then: scontrol reconfigure',
    breakIt: () => {
      made.replace('/etc/slurm/slurm.conf', 'PrologFlags=Alloc', 'PrologFlags=Serial,NoHold');
    },
  },
  'a SlurmUser outside of the group': {
    at: 'node SlurmUser',
    says: /slurm is no member of the group gpuledger/,
    breakIt: () => {
      made.replace('/etc/group', ':slurm\n', ':\n');
    },
  },
  'a hook that records nothing': {
    at: 'node chain',
    says: /wrote no record/,
    breakIt: () => {
      made.replace(HOOK, 'if [ "$1" != record ]', 'exit 0\nif [ "$1" != record ]');
    },
  },
};

const MORE_ON_NODE: Readonly<Record<string, Broken>> = {
  'a source that cannot be opened': {
    at: 'node sampling',
    says: /nonexistent\.jsonl/,
    breakIt: () => {
      made.configure({ source: 'recording', recording: '{file: nonexistent.jsonl}' });
    },
  },
  'a store that takes no rows': {
    at: 'node chain',
    says: /it is read-only/,
    breakIt: () => {
      service(readers.conf)();
    },
  },
};

const IN_STORE: Readonly<Record<string, Broken>> = {
  'no store': {
    at: 'store store',
    says: /no QuestDB at/,
    breakIt: () => {
      service(NOWHERE)();
    },
  },
  'something else in the place of the store': {
    at: 'store store',
    says: /is not a QuestDB/,
    breakIt: () => {
      service(`http::addr=${foreign.addr};`)();
    },
  },
  'a table that is missing': {
    at: 'store schema',
    says: /CREATE TABLE IF NOT EXISTS "gpu_events" is to be done/,
    breakIt: () => db.exec('DROP TABLE gpu_events'),
  },
  'a column that is missing': {
    at: 'store schema',
    says: /ALTER TABLE "jobs" ADD COLUMN IF NOT EXISTS "qos"/,
    breakIt: async () => {
      await db.exec('ALTER TABLE jobs DROP COLUMN qos');
      await waitForVisible(db, 'jobs');
    },
  },
  'a column of another type': {
    at: 'store schema',
    says: /column qos of table jobs should be VARCHAR and is LONG|column qos of table jobs should be SYMBOL and is LONG/,
    breakIt: async () => {
      await db.exec('ALTER TABLE jobs DROP COLUMN qos');
      await db.exec('ALTER TABLE jobs ADD COLUMN qos LONG');
      await waitForVisible(db, 'jobs');
    },
    restore: () => db.exec('DROP TABLE jobs'),
  },
  'a store of a newer version': {
    at: 'store schema',
    says: /schema version 99, made by a newer gpuledger/,
    breakIt: async () => {
      await db.exec('INSERT INTO gpuledger_schema (ts, version) VALUES (now(), 99)');
      await waitForVisible(db, 'gpuledger_schema');
    },
    restore: () => db.exec('DROP TABLE gpuledger_schema'),
  },
  'a rollup that is missing': {
    at: 'store schema',
    says: /CREATE MATERIALIZED VIEW .*gpu_slowly_1d/,
    breakIt: () => db.exec('DROP MATERIALIZED VIEW gpu_slowly_1d'),
  },
  'a table that is suspended': {
    at: 'store suspended tables',
    says: /^jobs \(/,
    breakIt: () => db.exec('ALTER TABLE jobs SUSPEND WAL'),
    restore: () => db.exec('ALTER TABLE jobs RESUME WAL'),
  },
  'a rollup that has ended': {
    at: 'store rollups',
    says: /not kept up to date any more: gpu_slowly_1d/,
    breakIt: async () => {
      await db.exec('TRUNCATE TABLE gpu_slowly');
      await expect
        .poll(
          async () =>
            (await db.exec("SELECT view_status FROM materialized_views() WHERE view_name = 'gpu_slowly_1m'"))
              .rows,
        )
        .toEqual([['invalid']]);
    },
  },
  'rows that are kept for another time': {
    at: 'store retention',
    says: /gpu_doctored \(14 DAYS\)/,
    breakIt: async () => {
      await db.exec('ALTER TABLE gpu_doctored SET TTL 2 DAYS');
      await waitForVisible(db, 'gpu_doctored');
    },
  },
  'a server that makes tables of its own accord': {
    at: 'store auto creation',
    says: /of its own accord/,
    breakIt: () =>
      restartedWith(server, { QDB_LINE_AUTO_CREATE_NEW_TABLES: 'true', QDB_DEV_MODE_ENABLED: 'true' }),
    restore: () => restartedWith(server, { QDB_DEV_MODE_ENABLED: 'true' }),
  },
  'more nodes than connections': {
    at: 'store connections',
    says: /257 nodes send, and http\.net\.connection\.limit is 256/,
    breakIt: () => tellNodes(257, Date.now() * 1000),
    restore: () => db.exec('DROP TABLE collector_stats'),
  },
  'a node without the lane by which time is told': {
    at: 'store time lane',
    says: /1 of 2 nodes send no lane doctored: n8/,
    breakIt: async () => {
      const ts = (Math.floor(Date.now() / 60_000) - 10) * 60e6;
      const of = (node: string): Row => ({ ts, node, gpu: `GPU-${node}`, dt_us: 100_000 });
      await insertRows(db, 'gpu_doctored', [{ ...of('n7'), sm_active_ratio: 0.5, power_watts: 300 }]);
      await insertRows(db, 'gpu_slowly', [of('n7'), of('n8')]);
      for (const [table, count] of [
        ['gpu_doctored', 1],
        ['gpu_slowly', 2],
      ] as const)
        await expect
          .poll(async () => (await db.exec(`SELECT count() FROM ${table}_1m`)).rows)
          .toEqual([[count]]);
    },
    restore: async () => {
      for (const table of ['gpu_doctored', 'gpu_slowly']) await db.exec(`DROP TABLE ${table}`);
    },
  },
  'a node that is silent': {
    at: 'store nodes',
    says: /1 of 1 are silent: node0 of alpha \(since/,
    breakIt: () => tellNodes(1, Date.now() * 1000 - 3600e6),
    restore: () => db.exec('DROP TABLE collector_stats'),
  },
};

async function tellNodes(count: number, tsUs: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, index) => ({
    ...{ ts: tsUs, cluster: 'alpha', node: `node${index}`, lane: 'doctored', sampled_rows: 1 },
  }));
  await insertRows(db, 'collector_stats', rows);
}

const OF_READERS: Readonly<Record<string, Broken>> = {
  'a client.conf that is a directory': {
    at: 'reader client.conf',
    says: /it is a directory/,
    breakIt: () => {
      remove(readersFile)();
      mkdirSync(made.at(readersFile));
    },
  },
  'a client.conf with a key that is misspelt': {
    at: 'reader client.conf',
    says: /client_config/,
    breakIt: () => {
      made.replace(readersFile, 'client_conf', 'client_config');
    },
  },
  'readers who are shown another server': {
    at: 'reader store',
    says: /no QuestDB at/,
    breakIt: () => {
      made.write(readersFile, `questdb: {client_conf: "${NOWHERE}"}\n`);
    },
  },
  'a store that anybody may write to': {
    at: 'reader writing',
    says: /whoever reaches .* may change its tables/,
    breakIt: () => {
      made.write(readersFile, `questdb: {client_conf: "${server.conf}"}\n`);
    },
  },
  'an account that the store does not ask for': {
    at: 'reader writing',
    says: /whoever reaches .* may change its tables/,
    breakIt: () => {
      made.write(readersFile, `questdb: {client_conf: "${server.conf}${ACCOUNT}"}\n`);
      made.own(readersFile, 0, 0, 0o600);
    },
  },
};

function saidOf(findings: readonly Finding[], state: Finding['outcome']['state']): string[] {
  return findings
    .filter(({ outcome }) => outcome.state === state)
    .map(({ part, check, outcome }) => `${part} ${check}: ${outcome.what}`);
}

// Files of other users are part of each set-up.
describe.runIf(process.getuid?.() === 0)('the doctor', () => {
  test('says of a right set-up that all is fine, and leaves the store as it was', async () => {
    const tables = async (): Promise<unknown> =>
      (await db.exec('SELECT table_name, table_row_count FROM tables() ORDER BY table_name')).rows;
    const before = await tables();
    const findings = await made.examine();
    expect([...saidOf(findings, 'wrong'), ...saidOf(findings, 'untold')]).toEqual([]);
    expect(exitOf(findings)).toBe('ok');
    expect(saidOf(findings, 'fine').find((line) => line.startsWith('node chain'))).toMatch(
      /a record by the hook, a tick of 2 lanes, 16 rows written, read back with their job, and removed/,
    );
    expect(await tables()).toEqual(before);
    expect(findings.map(({ part, check }) => `${part} ${check}`).sort()).toEqual(
      [...new Set(findings.map(({ part, check }) => `${part} ${check}`))].sort(),
    );
  });

  test.each(Object.entries({ ...ON_NODE, ...MORE_ON_NODE, ...IN_STORE, ...OF_READERS }))(
    '%s',
    async (name, broken) => {
      isStoreTouched = name in IN_STORE;
      try {
        await broken.breakIt();
        const findings = await made.examine();
        const [accused, ...others] = findings.filter(({ outcome }) => outcome.state === 'wrong');
        expect(others.map(({ part, check, outcome }) => `${part} ${check}: ${outcome.what}`)).toEqual([]);
        expect(accused, 'nothing was accused').toBeDefined();
        const { part, check, outcome, why } = accused!;
        expect(`${part} ${check}`).toBe(broken.at);
        expect(outcome.what).toMatch(broken.says);
        expect(why).toMatch(broken.why ?? /./);
        const mend = outcome.state === 'wrong' ? outcome.mend : [];
        expect(mend.length).toBeGreaterThan(0);
        if (broken.mend !== undefined) expect(mend).toContain(broken.mend);
        expect(exitOf(findings)).toBe('unavailable');
      } finally {
        await broken.restore?.();
      }
    },
  );
});

describe.runIf(process.getuid?.() === 0)('what mends a directory of an odd name', () => {
  const ODD = `/run/o'd d$(touch x);"j"`;

  test('is typed as it is told', async () => {
    made.configure({ jobs: `{journal_dir: ${JSON.stringify(made.at(ODD))}}` });
    mkdirSync(made.at(ODD), { recursive: true });
    made.own(ODD, made.ids.gpuledger, made.ids.gpuledger, 0o777);
    const journal = async (): Promise<Finding['outcome']> =>
      (await made.examine(['node'])).find(({ check }) => check === 'job journal')!.outcome;
    const found = await journal();
    expect(found).toMatchObject({ state: 'wrong', what: expect.stringContaining('0777') as string });
    const [command = ''] = found.state === 'wrong' ? found.mend : [];
    expect(await runToEnd('sh', ['-c', command])).toMatchObject({ exitCode: 0, stderr: '' });
    expect((await journal()).state).toBe('fine');
  });
});

test('a TMPDIR that is not there is named, and accuses nobody', async () => {
  const before = process.env['TMPDIR'];
  const away = made.at('/tmp that is not there');
  try {
    process.env['TMPDIR'] = away;
    const findings = await made.examine(['node', 'store']);
    expect(saidOf(findings, 'wrong')).toEqual([]);
    const [untold, ...others] = findings.filter(({ outcome }) => outcome.state === 'untold');
    expect(others).toEqual([]);
    expect(untold).toMatchObject({
      check: 'chain',
      outcome: {
        what: expect.stringMatching(/cannot be made: .*ENOENT.* that is not there\)$/) as string,
        mend: expect.arrayContaining([
          'name another directory: TMPDIR=/tmp gpuledger doctor --node',
        ]) as string[],
      },
    });
  } finally {
    if (before === undefined) Reflect.deleteProperty(process.env, 'TMPDIR');
    else process.env['TMPDIR'] = before;
  }
});

describe.runIf(process.getuid?.() === 0)('where the web server is enabled', () => {
  const nameOf = async (listen: string): Promise<Finding> => {
    made.configure({ serve: `{listen: "${listen}"}` });
    made.write('/etc/systemd/system/multi-user.target.wants/gpuledger-serve.service', '');
    const findings = await made.examine(['store']);
    const wrongs = saidOf(findings, 'wrong').filter((line) => !line.startsWith('store web server'));
    expect(wrongs).toEqual([]);
    return findings.find(({ check }) => check === 'web server')!;
  };

  test('nothing listens on its port', async () => {
    const { outcome } = await nameOf('127.0.0.1:1');
    expect(outcome).toMatchObject({
      state: 'wrong',
      what: 'it is enabled, and nothing listens on 127.0.0.1:1',
    });
  });

  test('another program has its port', async () => {
    const { outcome } = await nameOf(foreign.addr);
    expect(outcome).toMatchObject({ state: 'wrong', what: `another program listens on ${foreign.addr}` });
  });

  test('one that answers byte by byte has its port', async () => {
    const slow = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const drip = setInterval(() => socket.write('x'), 500);
      socket.on('close', () => {
        clearInterval(drip);
      });
    });
    try {
      const { outcome } = await nameOf(slow.addr);
      expect(outcome).toMatchObject({ state: 'wrong', what: `another program listens on ${slow.addr}` });
    } finally {
      await slow.close();
    }
  });

  test('it has its port', async () => {
    // It says where it listens on standard error.
    const words = [process.execPath, `${ROOT}bin/gpuledger.js`, 'serve', '--listen', '127.0.0.1:0'];
    const { nextLine } = startProcess('sh', ['-c', 'exec "$@" 2>&1', 'sh', ...words], {
      env: { QDB_CLIENT_CONF: server.conf },
    });
    const [, listen = ''] = / at http:\/\/(127\.0\.0\.1:\d+)/.exec(await nextLine()) ?? [];
    expect((await nameOf(listen)).outcome).toMatchObject({
      state: 'fine',
      what: `gpuledger answers on ${listen}`,
    });
  });
});

describe.runIf(process.getuid?.() === 0)('what only the service is told', () => {
  const DROP_IN = '/etc/systemd/system/gpuledger.service.d/own.conf';

  test.each([
    [
      'its environment file',
      '/etc/gpuledger/environment',
      (conf: string) => `# of ours\nQDB_CLIENT_CONF="${conf}"\n`,
    ],
    ['a drop-in', DROP_IN, (conf: string) => `[Service]\nEnvironment="QDB_CLIENT_CONF=${conf}"\n`],
    [
      'a drop-in that names another file',
      DROP_IN,
      () => '[Service]\nEnvironmentFile=\nEnvironmentFile=/etc/gpuledger/other\n',
    ],
  ])('%s', async (_, path, textOf) => {
    made.configure({ questdb: '{}' });
    made.write('/etc/gpuledger/other', `QDB_CLIENT_CONF=${server.conf}\n`);
    made.write(path, textOf(server.conf));
    const findings = await made.examine(['store']);
    expect([...saidOf(findings, 'wrong'), ...saidOf(findings, 'untold')]).toEqual([]);
    expect(saidOf(findings, 'fine')).toContainEqual(expect.stringContaining(server.httpUrl));
  });
});

describe.runIf(process.getuid?.() === 0)('a doctor without rights', () => {
  const NOBODY = 65_534;

  async function asNobody<T>(work: () => Promise<T>): Promise<T> {
    const [groups, gid] = [process.getgroups!(), process.getegid!()];
    process.setgroups!([]);
    process.setegid!(NOBODY);
    process.seteuid!(NOBODY);
    try {
      return await work();
    } finally {
      process.seteuid!(0);
      process.setegid!(gid);
      process.setgroups!(groups);
    }
  }

  test('accuses nobody of what it may not look at', async () => {
    const findings = await asNobody(() => made.examine(['node', 'store']));
    expect(saidOf(findings, 'wrong')).toEqual([]);
    const untold = saidOf(findings, 'untold');
    for (const check of ['collector', 'spool', 'open files', 'real-time grant'])
      expect(untold).toContainEqual(expect.stringMatching(new RegExp(`^node ${check}: .* needs root`)));
    expect(exitOf(findings)).toBe('permission');
  });

  test('says so of an environment of the service that is not its to read', async () => {
    made.write('/etc/gpuledger/environment', `QDB_CLIENT_CONF=${server.conf}\n`);
    made.own('/etc/gpuledger/environment', 0, made.ids.gpuledger, 0o640);
    const findings = await asNobody(() => made.examine(['store']));
    expect(saidOf(findings, 'wrong')).toEqual([]);
    expect(saidOf(findings, 'untold')[0]).toMatch(
      /^store configuration: \/etc\/gpuledger\/environment .* needs root/,
    );
    expect(exitOf(findings)).toBe('permission');
  });

  test('says so of a configuration that is not its to read, and of what hangs on it', async () => {
    made.own('/etc/gpuledger/gpuledger.yaml', 0, made.ids.gpuledger, 0o640);
    const findings = await asNobody(() => made.examine(['node', 'store']));
    expect(saidOf(findings, 'wrong')).toEqual([]);
    expect(saidOf(findings, 'untold')).toContainEqual(
      expect.stringMatching(/^node configuration: .*no permission \(EACCES\)/),
    );
    expect(saidOf(findings, 'untold')).toContain('node chain: the configuration cannot be used');
    expect(exitOf(findings)).toBe('permission');
  });

  test('of readers says whom to ask for the secret', async () => {
    made.write('/etc/gpuledger/questdb-reader.conf', readers.conf);
    made.own('/etc/gpuledger/questdb-reader.conf', 0, 0, 0o640);
    made.write(
      readersFile,
      `questdb: {client_conf_file: ${made.at('/etc/gpuledger/questdb-reader.conf')}}\n`,
    );
    const [found, ...others] = await asNobody(() => made.examine(['reader']));
    expect(found?.outcome).toMatchObject({
      state: 'wrong',
      what: expect.stringMatching(/no permission \(EACCES\)/) as string,
      mend: expect.arrayContaining([expect.stringMatching(/ask root for a place in that group/)]) as string[],
    });
    expect(others.map(({ outcome }) => outcome.state)).toEqual(['untold', 'untold', 'untold']);
  });
});

describe.runIf(process.getuid?.() === 0)('of a store that asks for a password', () => {
  beforeAll(() => restartedWith(readers, { QDB_HTTP_USER: 'gpuledger', QDB_HTTP_PASSWORD: 'a long one' }));
  afterAll(() => restartedWith(readers, { QDB_HTTP_SECURITY_READONLY: 'true' }));

  test('the account of HTTP, which may do all, accuses nobody', async () => {
    made.write(readersFile, `questdb: {client_conf: "${readers.conf}${ACCOUNT}"}\n`);
    made.own(readersFile, 0, 0, 0o600);
    const findings = await made.examine(['reader']);
    expect([...saidOf(findings, 'wrong'), ...saidOf(findings, 'untold')]).toEqual([]);
    expect(saidOf(findings, 'fine')).toContainEqual(
      expect.stringMatching(/^reader writing: this account may change tables, too, and nobody without it/),
    );
  });
});

test('a table of somebody else that has the name of ours gets no column', async () => {
  const foreignStore = await startTestQuestdb();
  try {
    const other = await openQuestDb(foreignStore.conf, { requestTimeoutMs: 60_000 });
    await other.exec(
      'CREATE TABLE gpuledger_schema (ts TIMESTAMP, x LONG) TIMESTAMP(ts) PARTITION BY DAY WAL',
    );
    made.write(readersFile, `questdb: {client_conf: "${foreignStore.conf}"}\n`);
    const findings = await made.examine(['reader']);
    expect(saidOf(findings, 'untold')).toContainEqual(
      expect.stringMatching(/^reader writing: there is no table of gpuledger/),
    );
    expect((await other.exec('SELECT "column" FROM table_columns(\'gpuledger_schema\')')).rows).toEqual([
      ['ts'],
      ['x'],
    ]);
    await other.close();
  } finally {
    await foreignStore.stop();
  }
});

describe.runIf(process.getuid?.() === 0)('a doctor that is stopped in its proof', () => {
  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('by %s leaves no tables and no directory', async (signal, code) => {
    const tables = async (): Promise<unknown> =>
      (await db.exec("SELECT table_name FROM tables() WHERE table_name LIKE 'doctor_proof%'")).rows;
    const temporary = made.at('/tmp');
    mkdirSync(temporary);
    const { child } = startProcess(process.execPath, [`${ROOT}bin/gpuledger.js`, 'doctor', '--node'], {
      env: { TMPDIR: temporary, GPULEDGER_SOURCE: 'synthetic', QDB_CLIENT_CONF: server.conf },
    });
    await expect.poll(tables, { interval: 10 }).not.toEqual([]);
    const ended = once(child, 'exit');
    child.kill(signal);
    expect(await ended).toEqual([code, null]);
    expect(await tables()).toEqual([]);
    expect(readdirSync(temporary)).toEqual([]);
  });
});

test.runIf(process.getuid?.() === 0)(
  'no client.conf is wrong, unless a store of this machine answers',
  async () => {
    remove(readersFile)();
    const asked = fetch('http://127.0.0.1:9000/exec?query=select%201');
    const isThere = await asked.then(
      ({ ok }) => ok,
      () => false,
    );
    const findings = await made.examine(['reader']);
    const [found] = findings.filter(({ check }) => check === 'client.conf');
    expect(found!.outcome.state).toBe(isThere ? 'fine' : 'wrong');
    expect(found!.outcome.what).toMatch(isThere ? /^none, and a store/ : /^neither /);
    if (!isThere) expect(saidOf(findings, 'wrong')).toHaveLength(1);
  },
);

describe.runIf(process.getuid?.() === 0)('what the doctor mends', () => {
  const stateOf = (findings: readonly Finding[], name: string): Finding =>
    findings.find(({ part, check }) => `${part} ${check}` === name)!;

  test('a journal, by the rule of tmpfiles, and only when it is asked to', async () => {
    remove('/run/gpuledger')();
    expect(stateOf(await made.examine(['node']), 'node job journal').outcome.state).toBe('wrong');
    expect(existsSync(made.at(JOURNAL))).toBe(false);
    const mended = stateOf(await made.examine(['node'], true), 'node job journal');
    expect(mended.done).toMatch(/was made \(3770\)/);
    expect(mended.outcome.state).toBe('fine');
    const { uid, gid, mode: bits } = statSync(made.at(JOURNAL));
    expect([uid, gid, bits & 0o7777]).toEqual([made.ids.gpuledger, made.ids.gpuledger, 0o3770]);
    expect(statSync(made.at('/run/gpuledger')).mode & 0o7777).toBe(0o755);
  });

  test('the schema', async () => {
    await db.exec('DROP TABLE gpu_events');
    const mended = stateOf(await made.examine(['store'], true), 'store schema');
    expect(mended.done).toBe('1 change by gpuledger schema apply');
    expect(mended.outcome.state).toBe('fine');
  });

  test('no store of a newer version', async () => {
    await db.exec('INSERT INTO gpuledger_schema (ts, version) VALUES (now(), 99)');
    await waitForVisible(db, 'gpuledger_schema');
    const found = stateOf(await made.examine(['store'], true), 'store schema');
    expect([found.done, found.outcome.state]).toEqual([undefined, 'wrong']);
    expect((await db.exec('SELECT max(version) FROM gpuledger_schema')).rows).toEqual([[99]]);
    await db.exec('DROP TABLE gpuledger_schema');
    isStoreTouched = true;
  });

  test.each([
    ['behind', -7_200_000],
    ['ahead', 7_200_000],
  ])('no tables of a proof that runs, by a doctor whose clock is two hours %s', async (_, ms) => {
    const lane = { ...config.lanes[0]! };
    const tables = proofLanes([lane], await storeNowMs(db));
    await createProofTables(db, tables);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });
    try {
      const own = proofLanes([lane], await storeNowMs(db));
      await createProofTables(db, own);
      await dropLeftTables(db, await storeNowMs(db));
      vi.useRealTimers();
      // To one whose clock is right.
      await dropLeftTables(db, await storeNowMs(db));
      const left = await db.exec(
        "SELECT table_name FROM tables() WHERE table_name LIKE 'doctor_proof%' ORDER BY 1",
      );
      expect(left.rows).toEqual([...tables, ...own].map(({ table }) => [table]).toSorted());
      await dropProofTables(db, [...tables, ...own]);
    } finally {
      vi.useRealTimers();
    }
  });

  test('tables that a proof which was killed has left, once they are old, and no others', async () => {
    const tables = async (): Promise<unknown> =>
      (await db.exec("SELECT table_name FROM tables() WHERE table_name LIKE 'doctor_proof%' ORDER BY 1"))
        .rows;
    const [old, young] = [3_700_000, 60_000].map((ms) => `doctor_proof_${Date.now() - ms}_1_x`) as [
      string,
      string,
    ];
    const lane = { ...config.lanes[0]!, table: old };
    const ofProof = createTableSql(sampleTable(lane, { raw: '' }));
    const foreignTables = ['doctor_proof_1_2_mine', `${old}_of_others`, `${old}_with_jobs`, 'doctor_proofs'];
    for (const name of [old, young, foreignTables[2]!]) await db.exec(ofProof.replace(old, name));
    for (const name of [foreignTables[0]!, foreignTables[1]!, foreignTables[3]!])
      await db.exec(`CREATE TABLE ${name} (ts TIMESTAMP) TIMESTAMP(ts) PARTITION BY DAY WAL`);
    await db.exec(
      `INSERT INTO ${old} (ts, gpu, job_id) VALUES (now(), 'a', 'gpuledger-doctor-1'), (now(), 'b', null)`,
    );
    await db.exec(`INSERT INTO ${foreignTables[2]!} (ts, gpu, job_id) VALUES (now(), 'a', '4217')`);
    for (const name of [old, foreignTables[2]!]) await waitForVisible(db, name);
    await made.examine(['node']);
    const left = [young, ...foreignTables];
    expect(await tables()).toEqual(left.toSorted().map((name) => [name]));
    for (const name of left) await db.exec(`DROP TABLE ${name}`);
  });
});

test('at least 25 set-ups are broken, each by another name', () => {
  const all = [ON_NODE, MORE_ON_NODE, IN_STORE, OF_READERS].flatMap((table) => Object.keys(table));
  expect(new Set(all).size).toBe(all.length);
  expect(all.length).toBeGreaterThanOrEqual(25);
});
