import type { Tell } from '../../core/base/notice.ts';
import { createPasswords, type Verdict } from './passwords.ts';
import { waiting, type Refusal } from './refusal.ts';
import { createSlowDown } from './slow-down.ts';
import type { Users } from './users-file.ts';

/** Tries of those who say who they are. Wrong ones are slowed down, by address and by name. */
export interface SignIn {
  readonly byPassword: (
    address: string,
    name: string,
    password: string,
    users: Users,
  ) => Promise<'right' | 'wrong' | Refusal>;
  /** A try, which costs one where it fails. */
  readonly attempt: (
    address: string,
    name: string | undefined,
    check: () => Promise<Verdict>,
  ) => Promise<Verdict | Refusal>;
}

export interface SignInOptions {
  readonly tell: Tell;
  /** Monotonic. */
  readonly nowMs: () => number;
}

const BUSY_MS = 2000;

export function createSignIn({ tell, nowMs }: SignInOptions): SignIn {
  const slowDown = createSlowDown(nowMs);
  const passwords = createPasswords(nowMs);
  const attempt: SignIn['attempt'] = async (address, name, check) => {
    const waitMs = slowDown.take(address, name);
    if (waitMs > 0) {
      const sentence = `wrong names, passwords or tokens from ${address}: further tries wait`;
      tell({ level: 'warn', code: 'serve.slowed', sentence });
      return waiting(429, 'Too many wrong names, passwords or tokens: wait before the next try.', waitMs);
    }
    const verdict = await check();
    if (verdict !== 'wrong') slowDown.giveBack(address, name);
    return verdict;
  };
  return {
    attempt,
    async byPassword(address, name, password, users) {
      if (passwords.isRemembered(users, name, password)) return 'right';
      const verdict = await (passwords.underway(users, name, password) ??
        attempt(address, name, () => passwords.check(users, name, password)));
      if (verdict === 'busy') return waiting(503, 'Too many sign in at once: try again.', BUSY_MS);
      return verdict;
    },
  };
}
