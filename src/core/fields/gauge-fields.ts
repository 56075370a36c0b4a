/** DCGM field ids of the levels that reports show and that `job_figures` keeps for ever. */
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
