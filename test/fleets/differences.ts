/** Compares what a report says, as JSON, with what is expected of every field; a field of which nothing is expected is a difference. */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Says what is wrong with a value; undefined where it is right. */
export type Check = (got: Json | undefined) => string | undefined;

/** A value as it must stand there (undefined: not at all), a check, or the same of each field or element. */
export type Expected =
  | string
  | number
  | boolean
  | null
  | undefined
  | Check
  | readonly Expected[]
  | { readonly [key: string]: Expected };

export interface Difference {
  readonly path: string;
  readonly expected: string;
  readonly got: string;
  /** It is none: nobody can tell what must stand there, for this reason. */
  readonly left?: string;
}

export function differencesOf(expected: Expected, got: Json | undefined, path = ''): Difference[] {
  if (typeof expected === 'function') {
    const wrong = expected(got);
    return wrong === undefined ? [] : [{ path, expected: wrong, got: shown(got) }];
  }
  if (typeof expected === 'object' && expected !== null && typeof got === 'object' && got !== null) {
    const [wanted, there] = [new Map(Object.entries(expected)), new Map(Object.entries(got))];
    const keys = new Set([...wanted.keys(), ...there.keys()]);
    return [...keys].flatMap((key) =>
      differencesOf(wanted.get(key), there.get(key), path === '' ? key : `${path}.${key}`),
    );
  }
  return Object.is(expected, got) ? [] : [{ path, expected: shown(expected), got: shown(got) }];
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 120);
}

/** Floating sums may be added in another order: 1e-9 of the value. Undefined: nothing must stand there. */
export function near(value: number | undefined, scale = Math.abs(value ?? 0)): Expected {
  if (value === undefined) return undefined;
  return (got) =>
    typeof got === 'number' && Math.abs(got - value) <= 1e-9 * scale + 1e-9 ? undefined : `about ${value}`;
}

/** Whatever stands there: who uses it counts it as left out, and says why. */
export const NOT_COMPARED: Check = () => undefined;
