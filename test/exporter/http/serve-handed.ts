/** A process that serves metrics at LISTEN (`systemd`, `127.0.0.1:81`), and prints where that is, or why it does not. Ends with its stdin. */
import { parseMetricsAddress } from '../../../src/config/addresses.ts';
import { OperatingError } from '../../../src/core/base/errors.ts';
import { serveMetrics } from '../../../src/exporter/http/serve-metrics.ts';
import { TEXT, TYPE } from './metrics-text.ts';

const where = process.env['LISTEN']!;
try {
  const server = await serveMetrics({
    listen: where === 'systemd' ? where : parseMetricsAddress(where)!,
    readTimeoutMs: 600_000,
    writeTimeoutMs: 600_000,
    concurrentScrapesMax: 16,
    render: () => ({ text: TEXT, contentType: TYPE }),
    isReloading: () => false,
    tell: () => undefined,
  });
  process.stdout.write(`${JSON.stringify({ address: server.address })}\n`);
  process.stdin.on('end', () => void server.close()).resume();
} catch (thrown) {
  if (!(thrown instanceof OperatingError)) throw thrown;
  const { code, exit, message } = thrown;
  process.stdout.write(`${JSON.stringify({ code, exit, message })}\n`);
}
