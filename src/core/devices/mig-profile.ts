/** What a library tells of a GPU instance. */
export interface MigShape {
  /** Its name, `NVIDIA H200 MIG 3g.71gb`, where the library gives one. */
  readonly name: string | undefined;
  /** Compute slices. */
  readonly slices: number;
  readonly memoryBytes: number;
  /** Of the whole GPU; 0 when that is not known. */
  readonly gpuMemoryBytes: number;
}

/**
 * `3g.71gb`, the same whichever library tells: what the driver's own name ends with, or reckoned as the driver does, from
 * the eighths of the memory that the instance has. The memory alone would not do: a 3g.71gb has 69.8 GiB or 74.9 GB.
 */
export function migProfileOf({ name, slices, memoryBytes, gpuMemoryBytes }: MigShape): string {
  // A compute instance that is a part of a 3g.71gb says `1c.3g.71gb`.
  const told = / MIG (?:\d+c\.)?(\S+)$/.exec(name ?? '')?.[1];
  if (told !== undefined) return told;
  if (gpuMemoryBytes === 0) return `${slices}g`;
  const eighths = Math.round((8 * memoryBytes) / gpuMemoryBytes);
  return `${slices}g.${Math.round((Math.ceil(gpuMemoryBytes / 2 ** 30) * eighths) / 8)}gb`;
}
