import { isName, lineError, linesOf, type SecretFile } from './secret-file.ts';

/** Below it a hash is guessed too fast, above it a server without users would be busy with one that signs in. `htpasswd -B` has 5 where nobody asks for more. */
const COST_MIN = 5;
const COST_MAX = 14;
/** Worth a warning. */
const COST_WEAK_MAX = 9;

export interface User {
  /** `$2y$10$…`. */
  readonly hash: string;
  /** Of the hash: it takes 2^cost rounds. */
  readonly cost: number;
}

/** By name. */
export type Users = ReadonlyMap<string, User>;

/**
 * Lines `name:$2y$…` as `htpasswd -B` writes them; empty lines and such with `#` count for nothing.
 * @throws OperatingError `serve.file`, with the line and never what stands in it
 */
export function parseUsers(text: string, path: string): Users {
  const users = new Map<string, User>();
  const lines = new Map<string, number>();
  for (const { line, text: written } of linesOf(text)) {
    const colon = written.indexOf(':');
    const [name, hash] = [written.slice(0, colon), written.slice(colon + 1)];
    if (colon < 0)
      throw lineError(path, line, 'expected a name, a colon and a bcrypt hash, came no colon', [WAY(path)]);
    if (!isName(name))
      throw lineError(path, line, 'expected a name of 1 to 256 visible characters before the colon', [
        WAY(path),
      ]);
    const user = readHash(hash);
    if (typeof user === 'string') throw lineError(path, line, user, [WAY(path)]);
    const former = lines.get(name);
    if (former !== undefined)
      throw lineError(path, line, `line ${former} is of the same user: expected each of them once`, [
        'keep the newer of the two',
      ]);
    lines.set(name, line);
    users.set(name, user);
  }
  return users;
}

/** @returns what is wrong with a hash, without what it is: it may be a password */
export function readHash(hash: string): User | string {
  const cost = Number(/^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(hash)?.[1] ?? NaN);
  if (Number.isNaN(cost)) return `expected a bcrypt hash ($2y$…) behind the colon, came ${kindOf(hash)}`;
  if (cost < COST_MIN || cost > COST_MAX)
    return `expected a bcrypt hash of cost ${COST_MIN} to ${COST_MAX}, came one of ${cost}`;
  return { hash, cost };
}

/** Sentences for people: what of a file with users can be used and is hardly as it should be. */
export function usersWarnings(users: Users, { isPublic }: SecretFile, path: string): string[] {
  const weak = [...users.values()].filter(({ cost }) => cost <= COST_WEAK_MAX).length;
  return [
    ...(isPublic ? [`${path} holds hashes of passwords and everybody can read it: chmod o-r ${path}`] : []),
    ...(weak > 0
      ? [
          `${path}: ${weak} of ${users.size} hashes are of a cost below 10, and guessed fast once somebody has them: htpasswd -B -C 10`,
        ]
      : []),
  ];
}

const WAY = (path: string): string => `write it so: htpasswd -B -C 10 ${path} NAME`;

const KINDS: readonly [RegExp, string][] = [
  [/^$/, 'nothing'],
  [/^\$apr1\$|^\$1\$/, 'an MD5 hash, which is guessed too fast'],
  [/^\{SHA\}/i, 'a SHA-1 hash, which is guessed too fast'],
  [/^\{/, 'a hash of another kind'],
  [/^\$2x\$/, 'a hash of the faulty bcrypt of old'],
  [/^\$2[aby]\$/, 'a bcrypt hash that is cut off or has something behind it'],
  [/^\$/, 'a hash of another kind'],
];

/** Without what it is. */
function kindOf(hash: string): string {
  return KINDS.find(([form]) => form.test(hash))?.[1] ?? 'a password as it is or a hash of crypt';
}
