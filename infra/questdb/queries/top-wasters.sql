/*
title: Who leaves most GPU-hours unused
about: The GPU-hours that jobs had and did not use, which is their time less their SM activity, summed by user, account or job, the most first. Not the lowest percentage, since that is of small jobs. Where the jobs are not known the name is empty.
needs: gpu_<lane>_1h with SM activity, jobs, gpu_owner_sets where devices are shared
shared: divided
parameters:
  from: { type: time, default: -7d, meaning: begin of the window; the bucket that holds it counts whole }
  to: { type: time, default: now, meaning: end of the window; the bucket that holds it counts whole }
  by: { type: word, choices: [user, account, partition, qos, job], default: account, meaning: whose rows }
  lane: { type: lane, meaning: whose rollup is read, columns: [sm_active_ratio] }
  limit: { type: count, default: 20, least: 1, meaning: rows at most }
*/
WITH parts AS (
  SELECT job_id, dt_us * 1.0 AS us, sm_active_ratio_dtsum AS sm, sm_active_ratio_dt * 1.0 AS sm_us, idle_dt_us * 1.0 AS idle_us
  FROM @lane_hours
  WHERE job_id IS NOT NULL AND owner_set IS NULL AND ts >= timestamp_floor('1h', @from) AND ts < @to
  UNION ALL
  SELECT o.job_id, s.dt_us * o.part, s.sm_active_ratio_dtsum * o.part, s.sm_active_ratio_dt * o.part, s.idle_dt_us * o.part
  FROM @lane_hours s JOIN gpu_owner_sets o ON o.owner_set = s.owner_set
  WHERE s.owner_set IS NOT NULL AND s.ts >= timestamp_floor('1h', @from) AND s.ts < @to
), jobsums AS (
  SELECT job_id, sum(us) AS us, sum(sm) AS sm, sum(sm_us) AS sm_us, sum(idle_us) AS idle_us FROM parts
), names AS (
  SELECT job_id, CASE @by WHEN 'user' THEN user WHEN 'account' THEN cast(account AS VARCHAR) WHEN 'partition' THEN cast("partition" AS VARCHAR)
    WHEN 'qos' THEN cast(qos AS VARCHAR) END AS who
  FROM (SELECT ts, job_id, user, account, "partition", qos FROM jobs LATEST ON ts PARTITION BY job_id)
), told AS (
  SELECT CASE @by WHEN 'job' THEN j.job_id ELSE names.who END AS who, j.us AS us, j.sm AS sm, j.sm_us AS sm_us, j.idle_us AS idle_us
  FROM jobsums j LEFT JOIN names ON names.job_id = j.job_id
)
SELECT who, count() AS jobs, sum(us) / 3.6e9 AS gpu_hours, (sum(sm_us) - sum(sm)) / 3.6e9 AS unused_gpu_hours,
  coalesce(sum(idle_us), 0) / 3.6e9 AS idle_gpu_hours, sum(sm) / sum(sm_us) AS sm_active_ratio
FROM told
GROUP BY who
ORDER BY unused_gpu_hours DESC, who
LIMIT @limit
