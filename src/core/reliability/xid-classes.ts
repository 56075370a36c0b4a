/**
 * What the driver's error numbers (XIDs) are about, and which of them end all that runs on the GPU, as NVIDIA's catalogue has it
 * (docs.nvidia.com/deploy/xid-errors). The same number may mean less on one model than on another; numbers that are not here are `other`.
 */

/** `application`: what a program did; `memory`, `link` (NVLink), `gpu` (it hangs, or is gone): what hardware or driver did. */
export const XID_CLASSES = ['gpu', 'memory', 'link', 'application', 'other'] as const;
export type XidClass = (typeof XID_CLASSES)[number];

const CODES_OF_CLASS: Readonly<Record<Exclude<XidClass, 'other'>, readonly number[]>> = {
  // Halted or fell off the bus, its firmware does not answer.
  gpu: [61, 62, 79, 109, 110, 119, 120, 143],
  // ECC, retired pages and remapped rows.
  memory: [48, 63, 64, 92, 94, 95, 140],
  link: [74, 121],
  // An exception, a page that is not there, a channel that was torn down with its program.
  application: [13, 31, 43, 45, 68, 69],
};

/** After these a GPU has to be reset, or its node started again. A contained memory error (94) ends one program; 63 and 92 end nothing. */
const FATAL_CODES: ReadonlySet<number> = new Set([48, 62, 64, 74, 79, 95, 119, 120, 140, 143]);

const CLASS_OF_CODE: ReadonlyMap<number, XidClass> = new Map(
  XID_CLASSES.flatMap((name) =>
    name === 'other' ? [] : CODES_OF_CLASS[name].map((code): [number, XidClass] => [code, name]),
  ),
);

/** @param code undefined where the event had none */
export function xidClassOf(code: number | undefined): XidClass {
  return (code === undefined ? undefined : CLASS_OF_CODE.get(code)) ?? 'other';
}

/** Whether it ends whatever runs on the GPU. */
export function isFatalXid(code: number | undefined): boolean {
  return code !== undefined && FATAL_CODES.has(code);
}
