/** The fields that gpuledger itself knows the meaning of, by their DCGM ids, and the numbers that go with them. */

/** Total energy consumption, a counter: a lane that holds it has the two columns of its rise too. */
export const ENERGY_FIELD_ID = 156;
/** The rise of that counter since its last known reading, and the time that the rise speaks for. */
export const ENERGY_RISE_COLUMN = 'energy_rise_joules';
export const ENERGY_RISE_DT_COLUMN = 'energy_rise_dt_us';

/** Reasons why the clocks are held down, a mask of bits. */
export const THROTTLE_FIELD_ID = 112;

/** Number of the last XID. */
export const XID_FIELD_ID = 230;

/** The levels that reports show and that `job_figures` keeps for ever. */
export const GAUGE_FIELD_IDS = {
  smActive: 1002,
  tensorActive: 1004,
  dramActive: 1005,
  engineActive: 1001,
  gpuUtil: 203,
  power: 155,
  memoryUsed: 252,
  pcieSent: 1009,
  pcieReceived: 1010,
  nvlinkSent: 1011,
  nvlinkReceived: 1012,
} as const;

/** Activity of the pipes of the SMs: reports tell what part of the SM activity it is. */
export const PIPE_FIELD_IDS = { tensor: 1004, fp64: 1006, fp32: 1007, fp16: 1008 } as const;
export type PipeKey = keyof typeof PIPE_FIELD_IDS;

/**
 * Below this part of the SMs a device counts as idle where nobody says otherwise. The 5 % are those of KempnerPulse's class
 * `idle`; a device at rest shows 0 to 1 %.
 */
export const IDLE_SM_RATIO = 0.05;

/**
 * Gauges of which rollups keep a histogram, and how many of their unit a bar is wide: a percentile that is read from it is known
 * to half a bar.
 */
export const HISTOGRAM_BAR_WIDTHS: ReadonlyMap<number, number> = new Map([
  [GAUGE_FIELD_IDS.smActive, 0.01],
  [GAUGE_FIELD_IDS.tensorActive, 0.01],
  [GAUGE_FIELD_IDS.dramActive, 0.01],
  [GAUGE_FIELD_IDS.power, 5],
]);
