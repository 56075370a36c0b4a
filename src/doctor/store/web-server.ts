import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isHealthAnswer } from '../../../schemas/reports/health-answer.ts';
import { formatListenAddress } from '../../config/addresses.ts';
import { fine, wrong, type Check } from '../check.ts';
import { isOn } from '../machine.ts';

const ENABLED = '/etc/systemd/system/multi-user.target.wants/gpuledger-serve.service';
const PATIENCE_MS = 5_000;
const ANSWER_BYTES_MAX = 65_536;

export const webServer: Check = {
  part: 'store',
  name: 'web server',
  why: 'where another program has the port, readers get its pages, or none',
  async look(facts) {
    const { serve } = await facts.config();
    if (!isOn(facts.machine, ENABLED)) return undefined;
    const where = formatListenAddress(serve.listen);
    const answer = await healthOf(serve.listen, serve.tlsCert !== undefined);
    if (answer === 'refused')
      return wrong(`it is enabled, and nothing listens on ${where}`, [
        'systemctl start gpuledger-serve',
        'what kept it: journalctl -u gpuledger-serve -n 20',
      ]);
    if (!answer.isOurs)
      return wrong(`another program listens on ${where}`, [
        `who it is: ss -ltnp 'sport = :${serve.listen.port}'`,
        'or take another port: serve.listen in the configuration',
      ]);
    return fine(`gpuledger answers on ${where}`);
  },
};

/** Ours says its state, or in words of its own what it is refused. */
async function healthOf(
  { host, port }: { readonly host: string; readonly port: number },
  isTls: boolean,
): Promise<'refused' | { readonly isOurs: boolean }> {
  // In all: who answers byte by byte is never silent.
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const options = { host: nearestOf(host), port, path: '/healthz', signal };
  return await new Promise((resolve) => {
    // Nothing is told to whoever answers, so its certificate need not be believed.
    const asked = isTls ? requestHttps({ ...options, rejectUnauthorized: false }) : requestHttp(options);
    asked.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.length > ANSWER_BYTES_MAX) asked.destroy();
      });
      response.on('close', () => {
        resolve({ isOurs: isHealthAnswer(text) });
      });
    });
    asked.on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ECONNREFUSED' ? 'refused' : { isOurs: false });
    });
    asked.end();
  });
}

/** An address that stands for all of this machine is none to ask. */
function nearestOf(host: string): string {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
}
