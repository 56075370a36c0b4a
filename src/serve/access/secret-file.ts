import { statSync } from 'node:fs';
import { OperatingError } from '../../core/base/errors.ts';
import { fileError } from '../../core/base/file-fault.ts';
import { readNamedFile } from '../../disk/named-file.ts';

/** Ten thousand users take less. */
const FILE_BYTES_MAX = 1024 * 1024;

/** Everybody else than owner and group. */
const OTHERS = { read: 0o004, write: 0o002 } as const;

export interface SecretFile {
  readonly text: string;
  /** Everybody on this machine may read it. */
  readonly isPublic: boolean;
}

/**
 * A file that says who may see what, whole. Whoever may write it could let himself in, so that one which everybody may write is refused.
 * @param what for people: `the users file`
 * @throws OperatingError `serve.file`
 */
export function readSecretFile(path: string, what: string): SecretFile {
  const detail = { code: 'serve.file', exit: 'config', where: path } as const;
  let bytes: Buffer | undefined;
  let mode: number;
  try {
    bytes = readNamedFile(path, FILE_BYTES_MAX);
    ({ mode } = statSync(path));
  } catch (thrown) {
    throw fileError(`${what} cannot be read`, thrown, detail);
  }
  if (bytes === undefined)
    throw new OperatingError(`${what}: expected at most ${FILE_BYTES_MAX / 1024} KiB, found more`, detail);
  if ((mode & OTHERS.write) !== 0)
    throw new OperatingError(
      `${what} can be written by everybody on this machine, who could let themselves in`,
      {
        ...detail,
        hints: [`chmod o-w ${path}`],
      },
    );
  return { text: textOf(bytes, `${what} is no text in UTF-8`, path), isPublic: (mode & OTHERS.read) !== 0 };
}

function textOf(bytes: Buffer, sentence: string, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (thrown) {
    throw new OperatingError(sentence, { code: 'serve.file', exit: 'config', where, cause: thrown });
  }
}

/** A line that says something, with its number from 1 on. */
export interface FileLine {
  readonly line: number;
  readonly text: string;
}

/** Without empty ones and comments (`#` at the start); ended by LF or CRLF. */
export function linesOf(text: string): FileLine[] {
  return text.split('\n').flatMap((raw, index) => {
    const line = raw.trimEnd();
    return line === '' || line.startsWith('#') ? [] : [{ line: index + 1, text: line }];
  });
}

/** A line that is not as expected. What stands there is not shown: it may be a password. */
export function lineError(
  path: string,
  line: number,
  sentence: string,
  hints: readonly string[],
): OperatingError {
  return new OperatingError(sentence, {
    code: 'serve.file',
    exit: 'config',
    where: `${path}, line ${line}`,
    hints,
  });
}

/** As people, tokens and accounts may be called: whoever shows it must still escape it. */
export function isName(text: string): boolean {
  return /^[^\p{C}\p{Z}:]{1,256}$/u.test(text);
}
