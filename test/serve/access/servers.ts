import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { loadConfig } from '../../../src/config/config-file.ts';
import type { CostRates } from '../../../src/core/costs/costs.ts';
import type { Notice } from '../../../src/core/base/notice.ts';
import type { QuestDb } from '../../../src/questdb/http.ts';
import { openAccess } from '../../../src/serve/access/access.ts';
import { startServing, type Running } from '../../../src/serve/start.ts';
import type { TestQuestdb } from '../../helpers/questdb.ts';
import { basic } from './ask.ts';
import { ADAS, BOBS, EVES, insertJob, openStore } from './store.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures/tls');

export const TOKENS = {
  ada: 'a'.repeat(64),
  bob: 'b'.repeat(64),
  expired: 'c'.repeat(64),
  stranger: 'd'.repeat(64),
};
export const ADA = basic('ada', 'pw of ada');
export const PROXY = '127.0.0.99';

export function sha256(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** What time of every GPU costs: without prices there are no bills. */
const COSTS: CostRates = {
  ...{ currency: 'EUR', gpuHour: { models: new Map(), others: 1 } },
  ...{ rgu: undefined, kwhPrice: undefined, pue: undefined, gramsPerKwh: undefined },
};

/** Ways to be known, as `serve` of the configuration. */
const KINDS = {
  signedIn: 'users_file: users\n  tokens_file: tokens\n  roles_file: roles\n  url: https://gpu.example.org/',
  behindProxy: `proxy_header: x-forwarded-user\n  proxy_addresses: ${PROXY}\n  roles_file: roles`,
  open: 'url: https://gpu.example.org/',
  overTls: 'users_file: users\n  tls_cert: cert.pem\n  tls_key: key.pem',
} as const;
export type Kind = keyof typeof KINDS;

export interface Servers {
  readonly db: QuestDb;
  readonly ports: Readonly<Record<Kind, number>>;
  readonly told: readonly Notice[];
  stop(): Promise<void>;
}

/** One server of each kind, as `gpuledger serve` makes it of a configuration, on a store that holds jobs of ada and eve, and not yet bob's. */
export async function startServers(server: TestQuestdb): Promise<Servers> {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-refused-'));
  writeFiles(directory);
  const db = await openStore(server.conf);
  await insertJob(db, ADAS);
  await insertJob(db, EVES);
  const told: Notice[] = [];
  const running: Running[] = [];
  const ports: Partial<Record<Kind, number>> = {};
  for (const kind of Object.keys(KINDS) as Kind[]) {
    const file = join(directory, `${kind}.yaml`);
    writeFileSync(file, `serve:\n  listen: 127.0.0.1:0\n  ${KINDS[kind]}\n`);
    const { config } = await loadConfig({ file, env: {}, flags: [] });
    const tell = (notice: Notice): void => {
      told.push(notice);
    };
    const access = openAccess({ serve: config.serve, tell });
    const one = await startServing({ db, config, costs: COSTS, access, tell }, config.serve.listen);
    running.push(one);
    ports[kind] = Number(new URL(one.url).port);
  }
  return {
    db,
    ports: ports as Record<Kind, number>,
    told,
    async stop() {
      for (const one of running) await one.close();
      await db.close();
      await server.stop();
      rmSync(directory, { recursive: true });
    },
  };
}

function writeFiles(directory: string): void {
  const write = (name: string, text: string): void => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
  };
  const users = {
    ada: 'pw of ada',
    eve: 'pw of eve',
    carol: 'pw of carol',
    mia: 'pw of mia',
    [BOBS.user]: 'pw of bob',
  };
  write(
    'users',
    Object.entries(users)
      .map(([name, password]) => `${name}:${hashSync(password, 5)}\n`)
      .join(''),
  );
  write(
    'tokens',
    `ada:${sha256(TOKENS.ada)}:2999-12-31\n${BOBS.user}:${sha256(TOKENS.bob)}\nada:${sha256(TOKENS.expired)}:2020-01-01\n`,
  );
  write('roles', 'operators: [carol]\naccounts:\n  physics: [mia]\nnames:\n  ada@example.org: ada\n');
  copyFileSync(join(FIXTURES, 'server.pem'), join(directory, 'cert.pem'));
  copyFileSync(join(FIXTURES, 'server-key.pem'), join(directory, 'key.pem'));
  chmodSync(join(directory, 'key.pem'), 0o600);
}

let places = 0;
/** An address of its own on this machine for each that is refused, so that none is slowed down for another one. */
export function ownPlace(): string {
  places += 1;
  return `127.1.${Math.floor(places / 250)}.${(places % 250) + 1}`;
}
