import { request as requestHttp, type IncomingHttpHeaders } from 'node:http';
import { request as requestHttps } from 'node:https';
import { formatListenAddress, type ListenAddress } from '../config/addresses.ts';
import { NotTold } from './not-told.ts';

const PATIENCE_MS = 5_000;
const ANSWER_BYTES_MAX = 65_536;

/** What a port of this machine answers; `no answer`: something listens, and says nothing that is HTTP. */
export type PortAnswer =
  'refused' | 'no answer' | { readonly headers: IncomingHttpHeaders; readonly text: string };

/** Asks for a path, without credentials. @throws NotTold where no such address can be reached */
export async function askPort(
  listen: ListenAddress,
  path: string,
  { isTls }: { readonly isTls: boolean },
): Promise<PortAnswer> {
  // In all: who answers byte by byte is never silent.
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const options = { host: nearestOf(listen.host), port: listen.port, path, signal, agent: false };
  return await new Promise((resolve, reject) => {
    // Nothing is told to whoever answers, so its certificate need not be believed.
    const asked = isTls ? requestHttps({ ...options, rejectUnauthorized: false }) : requestHttp(options);
    asked.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.length > ANSWER_BYTES_MAX) asked.destroy();
      });
      response.on('close', () => {
        resolve({ headers: response.headers, text });
      });
    });
    let isConnected = false;
    asked.on('socket', (socket) => {
      socket.once('connect', () => {
        isConnected = true;
      });
    });
    asked.on('error', ({ code = '' }: NodeJS.ErrnoException) => {
      if (isConnected) resolve('no answer');
      else if (code === 'ECONNREFUSED') resolve('refused');
      else reject(unreachable(listen, signal.aborted ? `no answer in ${PATIENCE_MS / 1000} s` : code));
    });
    asked.end();
  });
}

function unreachable(listen: ListenAddress, code: string): NotTold {
  return new NotTold(`${formatListenAddress(listen)} cannot be reached from here (${code})`, {
    mend: ['the addresses of this machine: ip address'],
  });
}

/** An address that stands for all of this machine is none to ask. */
function nearestOf(host: string): string {
  return host === '0.0.0.0' || host === '' ? '127.0.0.1' : host === '::' ? '::1' : host;
}
