/** The same truth as test/fakes/world.h plays. `entity` is the GPU number, or 100 + instance number. */
export function truthDouble(field: number, entity: number, tsUs: number): number {
  if (field === 155) return 500 + entity;
  return ((field * 7 + entity * 3 + Math.floor(tsUs / 1000)) % 1000) / 1000;
}

export function truthInt(field: number, entity: number, tsUs: number): number {
  if (field === 156) return Math.floor(tsUs / 2) + entity;
  if (field === 112 || field === 230 || (field >= 300 && field < 400)) return 0;
  // Degrees and percent.
  if (field === 140 || field === 150 || (field >= 203 && field <= 207))
    return (field * 11 + entity * 5 + Math.floor(tsUs / 1000)) % 101;
  if (field === 236 || field === 238) return (field * 11 + entity * 5 + Math.floor(tsUs / 1000)) % 33;
  return (field * 11 + entity * 5 + Math.floor(tsUs / 1000)) % 1000;
}
