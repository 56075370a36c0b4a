import { openNamedFile, type NamedFile } from '../disk/named-file.ts';
import * as z from 'zod';
import {
  recordingHeaderSchema,
  recordingLineSchema,
  type RecordingHeader,
  type RecordingLine,
} from '../../schemas/recording.ts';
import { messageOf, OperatingError } from '../core/base/errors.ts';
import { fileError } from '../core/base/file-fault.ts';

/** Reads a recording from its beginning to its end, a line at a time, however large it is. */
export interface RecordingLines {
  readonly header: RecordingHeader['recording'];
  /** The next line; undefined at the end. A last line without its line feed was never finished, and is left out. */
  next(): RecordingLine | undefined;
  close(): void;
}

const CHUNK_BYTES = 1 << 18;
/** A tick of a thousand devices with a hundred fields has some 2 MB. */
const LINE_BYTES_MAX = 64 << 20;
const LINE_FEED = 0x0a;

/** @throws OperatingError when the file cannot be read or is no recording */
export function openRecordingLines(file: string): RecordingLines {
  const bytes = openLines(file);
  let lineNumber = 0;
  const parse = <T>(schema: z.ZodType<T>, line: string): T => {
    lineNumber += 1;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      throw malformed(file, lineNumber, `expected a JSON object, came ${messageOf(cause)}`, cause);
    }
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const kind = typeof value === 'object' && value !== null ? Object.keys(value).join(', ') : typeof value;
    const problem = result.error.issues[0]!;
    const where = problem.path.length === 0 ? '' : ` at ${problem.path.join('.')}`;
    throw malformed(
      file,
      lineNumber,
      `expected a line of a recording, came ${kind}: ${problem.message}${where}`,
      result.error,
    );
  };
  try {
    const first = bytes.next();
    if (first === undefined) throw malformed(file, 1, 'expected the first line of a recording, came none');
    const { recording } = parse(recordingHeaderSchema, first);
    return {
      header: recording,
      next: () => {
        const line = bytes.next();
        return line === undefined ? undefined : parse(recordingLineSchema, line);
      },
      close: () => {
        bytes.close();
      },
    };
  } catch (thrown) {
    bytes.close();
    throw thrown;
  }
}

function malformed(file: string, lineNumber: number, message: string, cause?: unknown): OperatingError {
  return new OperatingError(`recording: ${message}`, {
    code: 'recording.malformed',
    exit: 'data',
    where: `${file}, line ${lineNumber}`,
    hints: ['the format is described in docs/recording.md'],
    cause,
  });
}

function unreadable(file: string, cause: unknown): OperatingError {
  return fileError('the recording cannot be read', cause, {
    code: 'recording.unreadable',
    exit: 'config',
    where: file,
    hints: ['name the file: recording.file in the configuration'],
  });
}

function openLines(file: string): { next(): string | undefined; close(): void } {
  let named: NamedFile;
  try {
    named = openNamedFile(file);
  } catch (cause) {
    throw unreadable(file, cause);
  }
  let isOpen = true;
  let pending = Buffer.alloc(0);
  let scanned = 0;
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const read = (): number => {
    try {
      return named.read(chunk, 0);
    } catch (cause) {
      // A directory can be opened and not read.
      throw unreadable(file, cause);
    }
  };
  return {
    next() {
      for (;;) {
        const end = pending.indexOf(LINE_FEED, scanned);
        if (end >= 0) {
          const line = pending.toString('utf8', 0, end);
          pending = pending.subarray(end + 1);
          scanned = 0;
          return line;
        }
        scanned = pending.length;
        const count = isOpen && pending.length < LINE_BYTES_MAX ? read() : 0;
        if (count === 0) return undefined;
        pending = Buffer.concat([pending, chunk.subarray(0, count)]);
      }
    },
    close() {
      if (isOpen) named.close();
      isOpen = false;
    },
  };
}
