/**
 * Below this part of the SMs a device counts as idle, wherever idleness is summed: in the rollups, the reports and the
 * synthetic truth. The 5 % are those of KempnerPulse's class `idle`; a device at rest shows 0 to 1 %.
 */
export const IDLE_SM_RATIO = 0.05;

/** DCGM's SM activity, by which idleness is told. */
export const SM_ACTIVE_FIELD_ID = 1002;
