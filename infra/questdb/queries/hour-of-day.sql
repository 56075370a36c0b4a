/*
title: When in the day GPUs are owned and used
about: By hour of the day (UTC) how much of the seen time of all devices was owned, and how active owned devices were.
needs: gpu_<lane>_1h with SM activity
shared: device
parameters:
  from: { type: time, default: -7d, meaning: begin of the window; the bucket that holds it counts whole }
  to: { type: time, default: now, meaning: end of the window; the bucket that holds it counts whole }
  lane: { type: lane, meaning: whose rollup is read, columns: [sm_active_ratio] }
*/
SELECT hour, sum(dt_us) / 3.6e9 AS gpu_hours, coalesce(sum(CASE WHEN owners > 0 THEN dt_us END), 0) * 1.0 / sum(dt_us) AS owned_ratio,
  sum(CASE WHEN owners > 0 THEN sm END) / sum(CASE WHEN owners > 0 THEN sm_us END) AS sm_active_ratio
-- Not GROUP BY hour(ts) over the rollup itself: QuestDB 9.3.4 leaves out the WHERE.
FROM (
  SELECT hour(ts) AS hour, owners, dt_us, sm_active_ratio_dtsum AS sm, sm_active_ratio_dt AS sm_us
  FROM @lane_hours WHERE owners IS NOT NULL AND ts >= timestamp_floor('1h', @from) AND ts < @to
)
GROUP BY hour
ORDER BY hour
