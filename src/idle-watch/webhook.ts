// Not undici's index, as in src/questdb/http.ts.
import request from 'undici/lib/api/api-request.js';
import Pool from 'undici/lib/dispatcher/pool.js';
import { OperatingError } from '../core/base/errors.ts';
import { fileReasonOf } from '../core/base/file-fault.ts';
import { readNamedFile } from '../disk/named-file.ts';
import type { Channel, Taken } from './channel.ts';

/** From connecting to the first line of the answer. */
const TIME_MS_MAX = 10_000;
const TOKEN_BYTES_MAX = 64 * 1024;
/** The receiver's word about what a message holds. */
const REFUSALS: ReadonlySet<number> = new Set([400, 413, 422]);

export interface WebhookOptions {
  readonly url: string;
  readonly tokenFile?: string;
  /** Of gpuledger. */
  readonly version: string;
  /** For tests. */
  readonly timeMsMax?: number;
}

/**
 * Posts messages as JSON. Anything but 2xx is no success: redirects are not followed, since what is told may be meant for one receiver alone. The
 * answer's text is not read. No message names more of the URL than its host, for its path may be a secret.
 */
export function openWebhook({ url, tokenFile, version, timeMsMax = TIME_MS_MAX }: WebhookOptions): Channel {
  const { origin, pathname, search, host } = new URL(url);
  const pool = new Pool(origin, { connections: 1, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
  const faultOf = (reason: string): OperatingError =>
    new OperatingError(`the webhook at ${host} ${reason}`, {
      code: 'idle_watch.webhook',
      exit: 'temporary',
      hints: ['it is tried again with the next looks', 'idle_watch.webhook in the configuration'],
    });
  const failed = (reason: string): Taken => ({ kind: 'failed', error: faultOf(reason) });

  return {
    async send({ json }, closing) {
      let authorization: Record<string, string>;
      try {
        authorization = tokenFile === undefined ? {} : { Authorization: `Bearer ${readToken(tokenFile)}` };
      } catch (thrown) {
        return failed(
          `gets nothing, since its token cannot be read from ${tokenFile!}: ${fileReasonOf(thrown)}`,
        );
      }
      const deadline = AbortSignal.timeout(timeMsMax);
      let status: number;
      try {
        const answer = await request.call(pool, {
          path: pathname + search,
          method: 'POST',
          headers: {
            ...authorization,
            'Content-Type': 'application/json; charset=utf-8',
            'User-Agent': `gpuledger/${version}`,
          },
          body: json,
          signal: AbortSignal.any([deadline, closing]),
        });
        status = answer.statusCode;
        // However long it is; its connection goes with it.
        answer.body.on('error', () => undefined).destroy();
      } catch (thrown) {
        if (closing.aborted) return failed('was not waited for');
        return failed(
          deadline.aborted
            ? `did not answer within ${timeMsMax / 1000} s`
            : `cannot be reached: ${reasonOf(thrown)}`,
        );
      }
      if (status >= 200 && status < 300) return { kind: 'told' };
      if (REFUSALS.has(status))
        return { kind: 'refused', error: faultOf(`refuses a message (HTTP ${status})`) };
      const more = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
      return failed(`was expected to answer 2xx, came ${status}${more}`);
    },
    close: () => pool.destroy(),
  };
}

/** @throws what the system says, or that it is no token */
function readToken(path: string): string {
  const token = readNamedFile(path, TOKEN_BYTES_MAX)?.toString('utf8').trim() ?? '';
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new Error('expected one line of visible ASCII characters, found something else');
  return token;
}

/** The system's or TLS's code: the message may hold more of the address. */
function reasonOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return reasonOf(thrown.errors[0]);
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'the connection broke';
}
