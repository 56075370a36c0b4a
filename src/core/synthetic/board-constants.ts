/** Clocks in hertz. */
export const HERTZ = { idle: 345e6, max: 1980e6, memory: 3201e6, video: 1500e6, throttled: 1110e6 };
export const POWER_LIMIT_WATTS = 700;

/** What does not change on a healthy H200, in base units, by field id. */
export const CONSTANTS: ReadonlyMap<number, number> = new Map([
  [65, 0], // compute mode
  [66, 1], // persistence mode
  [67, 0], // MIG mode
  [101, HERTZ.memory],
  [110, HERTZ.max],
  [111, HERTZ.memory],
  [113, HERTZ.max],
  [114, HERTZ.memory],
  [115, 1545e6],
  [151, 95],
  [152, 87],
  [158, 90],
  [159, 92],
  [160, POWER_LIMIT_WATTS],
  [161, 200],
  [162, POWER_LIMIT_WATTS],
  [163, POWER_LIMIT_WATTS],
  [164, POWER_LIMIT_WATTS],
  [170, 3], // fabric manager: completed
  [174, 0],
  [190, 0],
  [235, 5], // PCIe generation and lanes
  [236, 16],
  [237, 5],
  [238, 16],
  [300, 1], // ECC on
  [385, 5120],
  ...[386, 387, 388, 389, 346].map((id) => [id, 0] as const),
  ...[230, 240, 241, 310, 312, 1422].map((id) => [id, 0] as const), // as long as nothing happens: see fault.ts
  ...[202, 206, 207, 311, 313].map((id) => [id, 0] as const), // replays, codecs, double-bit errors
  ...[242, 243, 244, 245, 246, 247].map((id) => [id, 0] as const), // violations that never happen here
  ...[393, 394, 395, 396].map((id) => [id, 0] as const), // remapped rows
  ...[409, 419, 429, 439, 497, 498, 499].map((id) => [id, 0] as const), // NVLink errors
  ...[1420, 1421, 1423, 1424, 1501, 1507, 1523].map((id) => [id, 0] as const),
]);
