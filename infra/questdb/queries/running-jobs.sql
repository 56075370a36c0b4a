/*
title: The jobs that run, and what they do
about: Every job that owns a device at a moment, with its devices and their mean activity in the last minutes.
needs: gpu_ownership, jobs for the names, samples (gpu_<lane>) with SM activity and power
shared: divided
parameters:
  at: { type: time, default: now, meaning: the moment to look at }
  within: { type: duration, default: 10m, meaning: over how long the means go }
  user: { type: user, default: "", meaning: only the jobs of this user }
  lane: { type: lane, meaning: whose samples are read, columns: [sm_active_ratio, power_watts] }
*/
WITH live AS (
  SELECT job_id, min(ts) AS begin_ts, count_distinct(gpu) AS devices, count_distinct(node) AS nodes
  FROM gpu_ownership WHERE ts < @at AND (end_ts IS NULL OR end_ts >= @at)
), names AS (
  SELECT job_id, user, account, name FROM (SELECT ts, job_id, user, account, name FROM jobs WHERE ts <= @at LATEST ON ts PARTITION BY job_id)
), parts AS (
  SELECT job_id, dt_us * 1.0 AS us, sm_active_ratio AS sm, power_watts AS watts
  FROM @lane WHERE job_id IS NOT NULL AND owner_set IS NULL AND ts > @at - @within AND ts <= @at
  UNION ALL
  SELECT o.job_id, s.dt_us * o.part, s.sm_active_ratio, s.power_watts
  FROM @lane s JOIN gpu_owner_sets o ON o.owner_set = s.owner_set
  WHERE s.owner_set IS NOT NULL AND s.ts > @at - @within AND s.ts <= @at
), means AS (
  SELECT job_id, sum(sm * us) / sum(CASE WHEN sm IS NOT NULL THEN us END) AS sm,
    sum(watts * us) / sum(CASE WHEN watts IS NOT NULL THEN us END) AS watts
  FROM parts
)
SELECT live.job_id, names.user, names.account, names.name, live.begin_ts, live.nodes, live.devices,
  means.sm AS sm_active_ratio, means.watts AS power_watts
FROM live LEFT JOIN names ON names.job_id = live.job_id LEFT JOIN means ON means.job_id = live.job_id
WHERE @user = '' OR names.user = @user
ORDER BY live.begin_ts, live.job_id
