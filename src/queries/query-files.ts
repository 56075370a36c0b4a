import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nearestWords } from '../../schemas/nearest.ts';
import { readNamedQuery, type NamedQuery } from '../../schemas/query-file.ts';
import { OperatingError } from '../core/base/errors.ts';
import { fileError } from '../core/base/file-fault.ts';
import { installedPath } from '../disk/installed-path.ts';

const FOLDER = 'infra/questdb/queries';
const ENDING = '.sql';

/**
 * The named queries that come with gpuledger, by name.
 * @throws OperatingError `query.file`
 */
export function readNamedQueries(): NamedQuery[] {
  const folder = queryFolder();
  return queryNames(folder).map((name) => readFrom(folder, name));
}

/** @throws OperatingError `query.unknown` (exit `usage`), and `query.file` */
export function findNamedQuery(name: string): NamedQuery {
  const folder = queryFolder();
  const names = queryNames(folder);
  if (names.includes(name)) return readFrom(folder, name);
  const nearest = nearestWords(name, names, 3);
  throw new OperatingError(
    name === '' ? 'expected the name of a query, came nothing' : `there is no query "${shortened(name)}"`,
    {
      code: 'query.unknown',
      exit: 'usage',
      hints: [
        ...(nearest.length === 0 ? [] : [`did you mean: ${nearest.join(', ')}`]),
        'all of them: gpuledger query list',
      ],
    },
  );
}

const SHOWN_CHARACTERS_MAX = 60;

/** What was typed, as far as a message needs it. */
function shortened(text: string): string {
  return text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text;
}

function queryFolder(): string {
  const folder = installedPath(FOLDER);
  if (folder !== undefined) return folder;
  throw new OperatingError(`${FOLDER} of this installation is missing`, {
    code: 'query.file',
    exit: 'unavailable',
    hints: ['install gpuledger again'],
  });
}

function queryNames(folder: string): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(ENDING))
    .map((file) => file.slice(0, -ENDING.length))
    .sort();
}

function readFrom(folder: string, name: string): NamedQuery {
  const path = join(folder, name + ENDING);
  try {
    return readNamedQuery(name, readFileSync(path, 'utf8'));
  } catch (thrown) {
    if (thrown instanceof OperatingError) throw thrown;
    throw fileError('a named query cannot be read', thrown, {
      code: 'query.file',
      exit: 'unavailable',
      where: path,
      hints: ['install gpuledger again'],
    });
  }
}
