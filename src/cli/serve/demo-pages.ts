import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../config/config-file.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { createLog } from '../log.ts';
import { openPages } from './open-pages.ts';

/** The usual one, else any that is free. */
const ADDRESSES = ['127.0.0.1:8470', '127.0.0.1:0'];

/**
 * Serves the demo's pages by a configuration of its own, which it leaves beside the data, whatever is configured on this machine.
 * @throws what `openPages` throws
 */
export async function openDemoPages(
  dataDir: string,
  clientConf: string,
): Promise<Awaited<ReturnType<typeof openPages>>> {
  const tell = createLog('human', 'warn');
  for (const listen of ADDRESSES)
    try {
      const file = join(dataDir, 'gpuledger.yaml');
      writeFileSync(
        file,
        `questdb: ${JSON.stringify({ client_conf: clientConf })}\nserve: ${JSON.stringify({ listen })}\n`,
      );
      const { config } = await loadConfig({ file, env: {}, flags: [] });
      return await openPages(config, tell);
    } catch (thrown) {
      const isTaken = thrown instanceof OperatingError && thrown.code === 'serve.port_taken';
      if (!isTaken || listen === ADDRESSES.at(-1)) throw thrown;
    }
  throw new OperatingError('no port of this machine is free', {
    code: 'serve.port_taken',
    exit: 'temporary',
  });
}
