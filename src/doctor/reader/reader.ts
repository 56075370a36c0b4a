import { ownClientFile } from '../../config/reading/usual-files.ts';
import { CLIENT_FILE } from '../../config/settings.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { openQuestDb, type QuestDb } from '../../questdb/http.ts';
import { fine, wrong, type Check } from '../check.ts';
import { sentence } from '../configuration.ts';
import { PATIENCE_MS_MAX, type Facts } from '../facts.ts';
import { NotTold } from '../not-told.ts';
import { lookAtStore } from '../store/schema.ts';

const VERSION_SQL = 'SELECT max(version) FROM gpuledger_schema';

export const clientConf: Check = {
  part: 'reader',
  name: 'client.conf',
  why: 'it says where the store is: without it reports ask this machine itself',
  async look(facts) {
    try {
      const { files, warnings } = await facts.loaded('reader');
      if (warnings.length > 0) return wrong(warnings.join('; '), ['gpuledger config check --reader']);
      if (files.length > 0) return fine(files.join(' and '));
      if (isNamedByEnvironment(facts)) return fine('QDB_CLIENT_CONF of the environment');
      if (await doesAnswer(facts)) return fine('none, and a store of this machine answers');
      return wrong(`neither ${CLIENT_FILE} nor ${ownClientFile(facts.machine.env)}`, [
        `those who run gpuledger here write ${CLIENT_FILE}: docs/install.md`,
      ]);
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      return wrong(sentence(thrown), [...thrown.hints, 'gpuledger config check --reader']);
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
      if (!(thrown instanceof OperatingError)) throw thrown;
      return thrown.code === 'questdb.no_table'
        ? wrong(`${db.where} has no tables of gpuledger`, [
            'is it the store that the nodes write to? gpuledger config print --reader',
          ])
        : wrong(sentence(thrown), thrown.hints);
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
      if (!(thrown instanceof OperatingError)) throw thrown;
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
    if (!(thrown instanceof OperatingError)) throw thrown;
    if (thrown.code === 'questdb.read_only' || thrown.code === 'questdb.unauthorized') return false;
    if (thrown.code === 'questdb.no_table') throw new NotTold('there is no table to try it on');
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
    if (thrown instanceof OperatingError) return false;
    throw thrown;
  }
}
