import { ownClientFile } from '../../config/reading/usual-files.ts';
import { CLIENT_FILE } from '../../config/settings.ts';
import { openQuestDb, type QuestDb } from '../../questdb/http.ts';
import { fine, wrong, wrongBy, type Check } from '../check.ts';
import { warned } from '../configuration.ts';
import { PATIENCE_MS_MAX, type Facts } from '../facts.ts';
import { NotTold } from '../not-told.ts';
import { operating } from '../operating.ts';
import { lookAtStore } from '../store/schema.ts';

const CHECK = 'gpuledger config check --reader';
const VERSION_SQL = 'SELECT max(version) FROM gpuledger_schema';

export const clientConf: Check = {
  part: 'reader',
  name: 'client.conf',
  why: 'it says where the store is: without it reports ask this machine itself',
  async look(facts) {
    try {
      const loaded = await facts.loaded('reader');
      const { files, warnings } = loaded;
      if (warnings.length > 0) return warned(loaded, '', CHECK);
      if (files.length > 0) return fine(files.join(' and '));
      if (isNamedByEnvironment(facts)) return fine('QDB_CLIENT_CONF of the environment');
      if (await doesAnswer(facts)) return fine('none, and a store of this machine answers');
      return wrong(`neither ${CLIENT_FILE} nor ${ownClientFile(facts.machine.env)}`, [
        `those who run gpuledger here write ${CLIENT_FILE}: docs/install.md`,
      ]);
    } catch (thrown) {
      return wrongBy(operating(thrown), CHECK);
    }
  },
};

export const readersStore: Check = {
  part: 'reader',
  name: 'store',
  why: 'reports and queries are answered by it',
  async look(facts) {
    await facts.config('reader');
    const { files } = await facts.loaded('reader');
    if (files.length === 0 && !isNamedByEnvironment(facts) && !(await doesAnswer(facts)))
      throw new NotTold('nothing says where it is: see client.conf');
    return await lookAtStore(facts, 'reader');
  },
};

export const mayRead: Check = {
  part: 'reader',
  name: 'reading',
  why: 'what may not be read is in no report',
  async look(facts) {
    const db = await facts.store('reader');
    try {
      await db.exec(VERSION_SQL);
      return fine('the tables can be read');
    } catch (thrown) {
      const error = operating(thrown);
      return error.code === 'questdb.no_table'
        ? wrong(`${db.where} has no tables of gpuledger`, [
            'is it the store that the nodes write to? gpuledger config print --reader',
          ])
        : wrongBy(error);
    }
  },
};

/** QuestDB has one account of HTTP, which may do all: who has it is trusted. Wrong is a store that asks nobody for it. */
export const mayNotWrite: Check = {
  part: 'reader',
  name: 'writing',
  why: 'who may write may change what others are billed for',
  async look(facts) {
    const db = await facts.store('reader');
    try {
      // A table of somebody else's has no such column, and shall get none.
      await db.exec(VERSION_SQL);
    } catch (thrown) {
      operating(thrown);
      throw new NotTold('there is no table of gpuledger to try it on');
    }
    if (!(await mayChange(db))) return fine('refused, as it should be');
    const { questdb } = await facts.config('reader');
    const nobody = await openQuestDb(questdb.clientConf, {
      requestTimeoutMs: PATIENCE_MS_MAX,
      isAccountLeftOut: true,
    });
    try {
      if (await mayChange(nobody))
        return wrong(`whoever reaches ${db.where} may change its tables: it asks for no password`, [
          'http.user and http.password in server.conf of QuestDB: docs/install.md',
          'those who are not to have that account: gpuledger serve (docs/serve.md)',
        ]);
    } finally {
      await nobody.close();
    }
    return fine(
      'this account may change tables, too, and nobody without it: it is for those you trust with that',
    );
  },
};

async function mayChange(db: QuestDb): Promise<boolean> {
  try {
    // It is there: where this is permitted, nothing changes.
    await db.exec('ALTER TABLE gpuledger_schema ADD COLUMN IF NOT EXISTS version LONG');
    return true;
  } catch (thrown) {
    const { code } = operating(thrown);
    if (code === 'questdb.read_only' || code === 'questdb.unauthorized') return false;
    if (code === 'questdb.no_table') throw new NotTold('there is no table to try it on');
    throw thrown;
  }
}

function isNamedByEnvironment({ machine }: Facts): boolean {
  return machine.env['QDB_CLIENT_CONF'] !== undefined;
}

async function doesAnswer(facts: Facts): Promise<boolean> {
  try {
    await facts.reached('reader');
    return true;
  } catch (thrown) {
    operating(thrown);
    return false;
  }
}
