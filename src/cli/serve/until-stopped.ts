import type { LoadedConfig } from '../../config/config-file.ts';
import { createLog } from '../log.ts';
import { openPages } from './open-pages.ts';

/**
 * Serves until a signal to stop; who is being answered then gets no more.
 * @param stopped resolves with the name of the first signal to stop @throws what `openPages` throws
 */
export async function serveUntilStopped(
  { config, warnings }: LoadedConfig,
  stopped: Promise<string>,
): Promise<void> {
  const tell = createLog(config.log.format, config.log.level);
  for (const sentence of warnings) tell({ level: 'warn', code: 'config.warning', sentence });
  const { url, where, close } = await openPages(config, tell);
  tell({ level: 'info', code: 'serve.started', sentence: `pages of ${where} at ${url}`, data: { url } });
  const signal = await stopped;
  tell({ level: 'info', code: 'serve.stopping', sentence: `stopping on ${signal}` });
  await close();
}
