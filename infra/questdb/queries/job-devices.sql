/*
title: What a job did, device by device
about: GPU-hours, activity, idle time and energy of each device of a job, from the rollup by minutes, so also when the samples are gone. Energy is the counter's where it is known and moves, else the integral of power.
needs: gpu_<lane>_1m with SM activity, power and energy; gpu_owner_sets where devices are shared
shared: divided
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
  lane: { type: lane, meaning: whose rollup is read, columns: [sm_active_ratio, power_watts, energy_joules] }
*/
WITH mine AS (
  SELECT node, gpu, 1.0 AS part, dt_us, sm_active_ratio_dtsum AS sm, sm_active_ratio_dt AS sm_us, idle_dt_us,
    power_watts_dtsum AS watt_us, power_watts_dt AS watts_known_us, energy_rise_joules AS rise, energy_rise_dt_us AS rise_us
  FROM @lane_minutes
  WHERE job_id = @job AND owner_set IS NULL AND ts >= (SELECT timestamp_floor('1m', min(ts)) FROM gpu_ownership WHERE job_id = @job) AND ts <= @job_to
  UNION ALL
  SELECT s.node, s.gpu, o.part, s.dt_us, s.sm_active_ratio_dtsum, s.sm_active_ratio_dt, s.idle_dt_us,
    s.power_watts_dtsum, s.power_watts_dt, s.energy_rise_joules, s.energy_rise_dt_us
  FROM @lane_minutes s JOIN gpu_owner_sets o ON o.owner_set = s.owner_set
  WHERE o.job_id = @job AND s.owner_set IS NOT NULL AND s.ts >= (SELECT timestamp_floor('1m', min(ts)) FROM gpu_ownership WHERE job_id = @job) AND s.ts <= @job_to
), sums AS (
  SELECT node, gpu, sum(dt_us * part) AS us, sum(sm * part) AS sm, sum(sm_us * part) AS sm_us,
    sum(idle_dt_us * part) AS idle_us, sum(watt_us * part) AS watt_us, sum(watts_known_us * part) AS watts_known_us,
    sum(rise * part) AS rise, sum(rise_us) AS rise_us
  FROM mine
)
SELECT node, gpu, us / 3.6e9 AS gpu_hours, sm / sm_us AS sm_active_ratio,
  CASE WHEN sm_us > 0 THEN coalesce(idle_us, 0) / sm_us END AS idle_ratio, watt_us / watts_known_us AS power_watts,
  CASE WHEN rise_us > 0 AND NOT (rise = 0 AND watt_us > 0) THEN rise ELSE watt_us / 1e6 END / 3.6e6 AS kwh
FROM sums
ORDER BY node, gpu
