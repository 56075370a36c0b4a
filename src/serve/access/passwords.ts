import { createHmac, randomBytes } from 'node:crypto';
import { compare } from 'bcryptjs';
import PQueue from 'p-queue';
import type { User, Users } from './users-file.ts';

/** How long a password that was right need not be checked again. */
const REMEMBERED_MS = 5 * 60_000;
const REMEMBERED_MAX = 10_000;
/** That wait for their turn: bcrypt takes one core, and leaves others of this process waiting. */
const WAITING_MAX = 32;
/** Of a user that there is not, where there are none. */
const COST_USUAL = 10;

/** `busy`: too many are being checked, it was not looked at. */
export type Verdict = 'right' | 'wrong' | 'busy';

export interface Passwords {
  /** Whether it was right within the last minutes. */
  isRemembered(users: Users, name: string, password: string): boolean;
  /** The check of the same name and password that has begun already: it is one try, however often it is sent. */
  underway(users: Users, name: string, password: string): Promise<Verdict> | undefined;
  /** Takes as long for a name that there is not as for one that there is. */
  check(users: Users, name: string, password: string): Promise<Verdict>;
}

/** @param nowMs monotonic */
export function createPasswords(nowMs: () => number): Passwords {
  // Of this process alone: what is remembered tells nothing without it.
  const secret = randomBytes(32);
  const rightUntilMs = new Map<string, number>();
  const running = new Map<string, Promise<Verdict>>();
  const queue = new PQueue({ concurrency: 1 });
  // With the hash, so that another password in the file ends what was remembered of the former one.
  const keyOf = (hash: string, name: string, password: string): string =>
    createHmac('sha256', secret)
      .update(JSON.stringify([hash, name, password]))
      .digest('base64');

  const hashOf = (users: Users, name: string): string =>
    users.get(name)?.hash ?? strangerHash(users, createHmac('sha256', secret).update(name).digest());
  const remember = (key: string): void => {
    rightUntilMs.delete(key);
    rightUntilMs.set(key, nowMs() + REMEMBERED_MS);
    if (rightUntilMs.size > REMEMBERED_MAX) rightUntilMs.delete(rightUntilMs.keys().next().value!);
  };
  const check = async (user: User | undefined, hash: string, password: string): Promise<boolean> => {
    const isRight = await compare(password, hash);
    return isRight && user !== undefined;
  };

  return {
    isRemembered(users, name, password) {
      const user = users.get(name);
      return user !== undefined && (rightUntilMs.get(keyOf(user.hash, name, password)) ?? 0) > nowMs();
    },
    underway: (users, name, password) => running.get(keyOf(hashOf(users, name), name, password)),
    async check(users, name, password) {
      const hash = hashOf(users, name);
      const key = keyOf(hash, name, password);
      if (queue.size >= WAITING_MAX) return 'busy';
      const verdict = queue
        .add(() => check(users.get(name), hash, password))
        .then((isRight): Verdict => (isRight ? 'right' : 'wrong'));
      running.set(key, verdict);
      try {
        if ((await verdict) === 'right') remember(key);
        return await verdict;
      } finally {
        running.delete(key);
      }
    },
  };
}

/** Of the cost of one of the users, of the same one for a name each time: what it takes tells not who is there. */
function strangerHash(users: Users, digest: Buffer): string {
  const costs = [...users.values()].map(({ cost }) => cost);
  const cost = costs[digest.readUInt32BE(0) % Math.max(1, costs.length)] ?? COST_USUAL;
  return `$2b$${String(cost).padStart(2, '0')}$${'.'.repeat(22)}${'.'.repeat(31)}`;
}
