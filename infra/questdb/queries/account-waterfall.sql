/*
title: Where the GPU-hours of an account went
about: The time that was seen of an account's jobs, by user, in four parts that add up to it. Unknown is without SM activity, idle below 5 %, used is SM activity times its time, and the rest was active and not used.
needs: gpu_<lane>_1h with SM activity, jobs, gpu_owner_sets where devices are shared
shared: divided
parameters:
  from: { type: time, default: -7d, meaning: begin of the window; the bucket that holds it counts whole }
  to: { type: time, default: now, meaning: end of the window; the bucket that holds it counts whole }
  account: { type: account, default: "", meaning: only this account }
  lane: { type: lane, meaning: whose rollup is read, columns: [sm_active_ratio] }
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
  SELECT job_id, sum(us) AS us, coalesce(sum(sm), 0) AS sm, coalesce(sum(sm_us), 0) AS sm_us, coalesce(sum(idle_us), 0) AS idle_us FROM parts
), names AS (
  SELECT job_id, user, account FROM (SELECT ts, job_id, user, account FROM jobs LATEST ON ts PARTITION BY job_id)
), told AS (
  SELECT names.account AS account, names.user AS user, j.us AS us, j.sm AS sm, j.sm_us AS sm_us, j.idle_us AS idle_us
  FROM jobsums j LEFT JOIN names ON names.job_id = j.job_id
  WHERE @account = '' OR names.account = @account
)
SELECT account, user, count() AS jobs, sum(us) / 3.6e9 AS gpu_hours, (sum(us) - sum(sm_us)) / 3.6e9 AS unknown_hours,
  sum(idle_us) / 3.6e9 AS idle_hours, (sum(sm_us) - sum(idle_us) - sum(sm)) / 3.6e9 AS active_unused_hours, sum(sm) / 3.6e9 AS used_hours
FROM told
GROUP BY account, user
ORDER BY gpu_hours DESC, account, user
