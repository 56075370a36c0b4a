import type { LoadedConfig } from '../../config/config-file.ts';
import { openQuestDb } from '../../questdb/http.ts';
import { openAccess } from '../../serve/access/access.ts';
import { startServing } from '../../serve/start.ts';
import { createLog } from '../log.ts';
import { reportCosts } from '../report-costs.ts';

/**
 * Serves until a signal to stop, then lets who is being answered have his answer for a moment.
 * @param stopped resolves with the name of the first signal to stop
 * @throws OperatingError `serve.port_taken`, `serve.address`, `serve.file`, `serve.tls`, `page.incomplete`, and what `openQuestDb` throws
 */
export async function serveUntilStopped(
  { config, warnings }: LoadedConfig,
  stopped: Promise<string>,
): Promise<void> {
  const tell = createLog(config.log.format, config.log.level);
  for (const sentence of warnings) tell({ level: 'warn', code: 'config.warning', sentence });
  const access = openAccess({ serve: config.serve, tell });
  const { clientConf, requestTimeoutMs } = config.questdb;
  const db = await openQuestDb(clientConf, { requestTimeoutMs });
  try {
    const serving = await startServing(
      { db, config, costs: reportCosts(config), access, tell },
      config.serve.listen,
    );
    const sentence = `pages of ${db.where} at ${serving.url}`;
    tell({ level: 'info', code: 'serve.started', sentence, data: { url: serving.url } });
    const signal = await stopped;
    tell({ level: 'info', code: 'serve.stopping', sentence: `stopping on ${signal}` });
    await serving.close();
  } finally {
    await db.close();
  }
}
