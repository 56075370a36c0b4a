import * as z from 'zod';
import type { Key } from './keys.ts';
import * as values from './values.ts';

/** From a table of keys to zod, and to the names that the code uses. */

type KeyTable = Readonly<Record<string, Key>>;

/** The zod type of each key. */
export type Shape<Keys extends KeyTable> = { [Name in keyof Keys]: ReturnType<Keys[Name]['type']> };

/** What the keys hold, by the names in the code. */
export type Named<Keys extends KeyTable> = Renamed<Keys, z.output<z.ZodObject<Shape<Keys>, z.core.$strict>>>;

/** The names of the file replaced by those of the code; what may be absent still may. */
export type Renamed<Keys, Held> = {
  readonly [Name in keyof Held as NameInCode<Keys, Name & string>]: Held[Name];
};

type NameInCode<Keys, Name extends string> = Name extends keyof Keys
  ? Keys[Name] extends { readonly as: infer As extends string }
    ? As
    : CamelCase<Name>
  : never;

type CamelCase<Name extends string> = Name extends `${infer First}_${infer Rest}`
  ? `${First}${Capitalize<CamelCase<Rest>>}`
  : Name;

export function shapeOf<Keys extends KeyTable>(keys: Keys): Shape<Keys> {
  const shape = Object.entries(keys).map(([name, key]) => [name, key.type(values)]);
  return Object.fromEntries(shape) as Shape<Keys>;
}

export function nameInCode(name: string, as: string | undefined): string {
  return as ?? name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** How the value of a key is read from text, which is all that flags and the environment have. */
export type Kind = 'text' | 'path' | 'whole' | 'truth';

export function kindOf(type: z.core.$ZodType): Kind {
  const inner = unwrapped(type);
  if (inner === values.path) return 'path';
  if (inner instanceof z.ZodNumber) return 'whole';
  return inner instanceof z.ZodBoolean ? 'truth' : 'text';
}

/** Without its default, and as if it had to be there. */
export function unwrapped(type: z.core.$ZodType): z.core.$ZodType {
  return type instanceof z.ZodPrefault || type instanceof z.ZodDefault || type instanceof z.ZodExactOptional
    ? unwrapped(type.unwrap())
    : type;
}
