import type { Config } from '../../config/config.ts';
import type { Tell } from '../../core/base/notice.ts';
import { openQuestDb } from '../../questdb/http.ts';
import { openAccess } from '../../serve/access/access.ts';
import { startServing } from '../../serve/start.ts';
import { reportCosts } from '../report-costs.ts';

/** A web server that listens, and what it reads. */
interface OpenPages {
  /** `http://127.0.0.1:8470/`. */
  readonly url: string;
  /** Of the store. */
  readonly where: string;
  readonly close: () => Promise<void>;
}

/** @throws OperatingError `serve.port_taken`, `serve.address`, `serve.file`, `serve.tls`, `page.incomplete`, and what `openQuestDb` throws */
export async function openPages(config: Config, tell: Tell): Promise<OpenPages> {
  const access = openAccess({ serve: config.serve, tell });
  const { clientConf, requestTimeoutMs } = config.questdb;
  const db = await openQuestDb(clientConf, { requestTimeoutMs });
  try {
    const serving = await startServing(
      { db, config, costs: reportCosts(config), access, tell },
      config.serve.listen,
    );
    return {
      url: serving.url,
      where: db.where,
      close: async () => {
        await serving.close();
        await db.close();
      },
    };
  } catch (thrown) {
    await db.close();
    throw thrown;
  }
}
