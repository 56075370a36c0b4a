import type { FastifyError, FastifySchemaValidationError } from 'fastify';
import { OperatingError, type ExitName } from '../core/base/errors.ts';
import type { ErrorCode } from '../core/base/error-codes.ts';
import { RETRY_AFTER_SECONDS } from './store-questions.ts';

/** Why somebody does not get what was asked for, as he may be told. */
export interface Refusal {
  /** Of HTTP. */
  readonly status: number;
  readonly code: string;
  readonly sentence: string;
  /** Ways out, one a line. */
  readonly hints: readonly string[];
  /** Worth trying again after so long. */
  readonly retryAfterSeconds: number | undefined;
  /** A defect, or a store that was set up wrongly: whoever operates the server has to hear of it. */
  readonly isTold: boolean;
}

/** What HTTP says where an error of the command line has an exit code. */
const STATUS_OF_EXIT: Readonly<Record<ExitName, number>> = {
  ok: 500,
  usage: 400,
  data: 500,
  unavailable: 503,
  software: 500,
  temporary: 503,
  permission: 503,
  config: 503,
};

/** Where that is not enough. */
const STATUS_OF_CODE: Readonly<Partial<Record<ErrorCode, number>>> = {
  'bill.no_costs': 404,
  'bill.no_version': 404,
  'query.unknown': 404,
  'questdb.too_large': 422,
  'report.unknown_cluster': 404,
  'report.unknown_name': 404,
  'report.unknown_job': 404,
  'report.unknown_node': 404,
  'report.unknown_run': 404,
  'serve.unknown_page': 404,
};

/** What those hear of a store in trouble who do not operate it: its address and its state are none of their business. */
const STORE_AWAY = 'the store of the samples does not answer now';
const DEFECT = 'gpuledger could not answer that, by a defect of its own, which its log tells of';

/**
 * What is told of anything that was thrown, to whom.
 * @param isOperator hears what a command line would say
 */
export function refusalOf(thrown: unknown, isOperator: boolean): Refusal {
  if (thrown instanceof OperatingError) return ofWorld(thrown, isOperator);
  const { validation, statusCode = 500, message, code } = thrown as Partial<FastifyError>;
  if (validation !== undefined)
    return refusal(400, 'serve.parameter', parameterText(validation) ?? message ?? '');
  if (statusCode >= 400 && statusCode < 500)
    return refusal(statusCode, 'serve.request', `the request is not as expected (${code ?? ''})`);
  return { ...refusal(500, 'serve.defect', DEFECT), isTold: true };
}

/** `run: a run is a whole number from 0 on`, of each that is wrong. */
function parameterText(wrong: readonly Partial<FastifySchemaValidationError>[]): string | undefined {
  const told = wrong.map(({ instancePath = '', message = '' }) =>
    [instancePath.slice(1), message].filter((part) => part !== '').join(': '),
  );
  return told.length === 0 ? undefined : told.join('; ');
}

function ofWorld(error: OperatingError, isOperator: boolean): Refusal {
  const { code, exit, message, hints } = error;
  const status = STATUS_OF_CODE[code] ?? STATUS_OF_EXIT[exit];
  const isRetried = status === 503;
  const isTold = status === 500 || (isRetried && exit !== 'temporary');
  const own = { ...refusal(status, code, message, hints), isTold };
  if (status < 500 || isOperator || code.startsWith('serve.'))
    return { ...own, retryAfterSeconds: isRetried ? RETRY_AFTER_SECONDS : undefined };
  return isRetried
    ? {
        ...refusal(503, 'serve.store', STORE_AWAY, [`again in ${RETRY_AFTER_SECONDS} s`]),
        isTold,
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      }
    : { ...refusal(500, 'serve.defect', DEFECT), isTold };
}

function refusal(status: number, code: string, sentence: string, hints: readonly string[] = []): Refusal {
  return { status, code, sentence, hints, retryAfterSeconds: undefined, isTold: false };
}
