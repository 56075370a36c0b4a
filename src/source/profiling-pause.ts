import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { OperatingError } from '../core/base/errors.ts';
import { fileError } from '../core/base/file-fault.ts';
import type { EventSink } from '../core/sampling/source.ts';
import { realDisk, replaceFile } from '../disk/disk.ts';

/**
 * Requests to leave the profiling counters alone, one file each: `<name>.json` with `{"untilUs": …, "by": "…"}`. Whoever
 * may write into the directory may ask: an operator by `gpuledger profiling pause`, a job by the same command. A request
 * without an end holds until it is taken back.
 */
export interface PauseRequest {
  readonly name: string;
  /** Epoch µs; Infinity when it has no end. */
  readonly untilUs: number;
  readonly by: string;
}

/** Where the requests of a node lie, below its state directory. */
export function pauseDirectoryOf(stateDir: string): string {
  return join(stateDir, 'profiling-pause');
}

const NAME = /^[\w.-]{1,64}$/;
const REQUEST_BYTES_MAX = 4096;

/** The requests that are in force. What cannot be read is no request: it must not stop the recording. */
export function readPauseRequests(directory: string, nowUs: number): readonly PauseRequest[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    // The directory is made with the first request.
    return [];
  }
  const requests: PauseRequest[] = [];
  for (const file of names) {
    if (!file.endsWith('.json')) continue;
    const request = readRequest(join(directory, file), file.slice(0, -'.json'.length));
    if (request !== undefined && request.untilUs > nowUs) requests.push(request);
  }
  return requests;
}

function readRequest(path: string, name: string): PauseRequest | undefined {
  try {
    if (statSync(path).size > REQUEST_BYTES_MAX) return undefined;
    const parsed = JSON.parse(readFileSync(path, 'utf8')) as { untilUs?: unknown; by?: unknown } | null;
    const untilUs = typeof parsed?.untilUs === 'number' ? parsed.untilUs : Infinity;
    return { name, untilUs, by: typeof parsed?.by === 'string' ? parsed.by : name };
  } catch {
    // It was taken back just now, or it is no file of ours.
    return undefined;
  }
}

/** Asks for a pause. @throws OperatingError when the directory cannot be written. */
export function requestPause(directory: string, request: PauseRequest): void {
  if (!NAME.test(request.name)) throw badName(request.name);
  const path = join(directory, `${request.name}.json`);
  const untilUs = Number.isFinite(request.untilUs) ? request.untilUs : null;
  try {
    // Whoever asks is seldom the collector's user, who must be able to look and to read.
    const doesMake = !existsSync(directory);
    realDisk.makeDirectory(directory);
    if (doesMake) chmodSync(directory, 0o755);
    replaceFile(realDisk, path, Buffer.from(`${JSON.stringify({ untilUs, by: request.by })}\n`), 0o644);
  } catch (cause) {
    throw fileError('a pause request cannot be written', cause, {
      code: 'profiling.pause_write',
      exit: 'unavailable',
      where: directory,
      hints: ['the directory must be writable for whoever may ask: an operator, or (mode 1777) every job'],
    });
  }
}

/** Takes a request back. @returns false when there was none of that name. @throws OperatingError when it may not be removed. */
export function withdrawPause(directory: string, name: string): boolean {
  if (!NAME.test(name)) throw badName(name);
  const path = join(directory, `${name}.json`);
  try {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return false;
    rmSync(path, { force: true });
  } catch (cause) {
    throw fileError('a pause request cannot be taken back', cause, {
      code: 'profiling.pause_write',
      exit: 'unavailable',
      where: path,
    });
  }
  return true;
}

function badName(name: string): OperatingError {
  return new OperatingError(`pause request "${name}": a name is 1 to 64 letters, digits, ".", "_" or "-"`, {
    code: 'profiling.pause_name',
    exit: 'usage',
  });
}

/** Looks into the directory once a second, since `sample` may be called a hundred times in it. */
export function createPauseWatch(directory: string | undefined): (nowUs: number) => readonly PauseRequest[] {
  const everyUs = 1_000_000;
  let readAtUs = -Infinity;
  let requests: readonly PauseRequest[] = [];
  return (nowUs) => {
    if (directory === undefined) return requests;
    if (nowUs - readAtUs >= everyUs || nowUs < readAtUs) {
      readAtUs = nowUs;
      requests = readPauseRequests(directory, nowUs);
    }
    return requests;
  };
}

/** Tells a pause by one row: open when it begins, written again with its end. */
export function createPauseTeller(
  node: string,
  onEvent: EventSink,
): (requests: readonly PauseRequest[], nowUs: number) => void {
  let since: { readonly tsUs: number; readonly text: string } | undefined;
  return (requests, nowUs) => {
    if (requests.length > 0 === (since !== undefined)) return;
    const by = requests.map((request) => request.by).join(', ');
    const { tsUs, text } = since ?? { tsUs: nowUs, text: `profiling paused by ${by}` };
    const end = since === undefined ? {} : { endUs: nowUs };
    onEvent({ tsUs, ...end, node, kind: 'paused', subject: 'profiling', text });
    since = since === undefined ? { tsUs, text } : undefined;
  };
}
