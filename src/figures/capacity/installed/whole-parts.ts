import { INSTALLED_PARTS, type InstalledPart, type InstalledTimes } from './parts.ts';

/**
 * Parts as whole µs that add up to `totalUs`, by largest remainder. Parts of more than the total are made smaller alike, and what they leave
 * of it is `rest`.
 * @param totalUs a whole number
 */
export function wholeParts(
  parts: Readonly<Partial<Record<InstalledPart, number>>>,
  totalUs: number,
  rest: InstalledPart,
): InstalledTimes {
  const known = INSTALLED_PARTS.flatMap((part) => {
    const us = parts[part];
    return us === undefined || !(us > 0) ? [] : [{ part, us }];
  });
  const sumUs = known.reduce((sum, { us }) => sum + us, 0);
  const scale = sumUs > totalUs ? totalUs / sumUs : 1;
  const cut = known.map(({ part, us }) => ({ part, us: Math.floor(us * scale), left: (us * scale) % 1 }));
  const leftUs = totalUs - cut.reduce((sum, { us }) => sum + us, 0);
  const byLeft = [...cut].sort((a, b) => b.left - a.left);
  // What rounding took is theirs; what nobody named is the rest's.
  const roundedUs = Math.min(leftUs, Math.round(cut.reduce((sum, { left }) => sum + left, 0)));
  for (const one of byLeft.slice(0, roundedUs)) one.us += 1;
  const restUs = leftUs - Math.min(roundedUs, byLeft.length);
  const told = new Map<InstalledPart, number>(cut.map(({ part, us }) => [part, us]));
  told.set(rest, (told.get(rest) ?? 0) + restUs);
  return Object.fromEntries(
    INSTALLED_PARTS.flatMap((part) => {
      const us = told.get(part) ?? 0;
      return us === 0 ? [] : [[part, us] as const];
    }),
  );
}
