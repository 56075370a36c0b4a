/*
title: When the devices of a job were most unlike
about: The means of a job's devices in each step of time, and how far the most and the least active lie apart, the widest first.
needs: samples (gpu_<lane>) with SM activity, two devices or more
shared: whole
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
  every: { type: bucket, default: 1m, meaning: length of a step }
  lane: { type: lane, meaning: whose samples are read, columns: [sm_active_ratio] }
  limit: { type: count, default: 20, least: 1, meaning: rows at most }
*/
WITH mine AS (
  SELECT ts, node, gpu, dt_us, sm_active_ratio
  FROM @lane
  WHERE job_id = @job AND owner_set IS NULL AND ts > @job_from AND ts <= @job_to
  UNION ALL
  SELECT s.ts, s.node, s.gpu, s.dt_us, s.sm_active_ratio
  FROM @lane s JOIN gpu_owner_sets o ON o.owner_set = s.owner_set
  WHERE o.job_id = @job AND s.owner_set IS NOT NULL AND s.ts > @job_from AND s.ts <= @job_to
)
, means AS (
  SELECT timestamp_floor(@every, ts) AS t, gpu,
    sum(sm_active_ratio * dt_us) / sum(CASE WHEN sm_active_ratio IS NOT NULL THEN dt_us END) AS sm
  FROM mine
)
SELECT t AS ts, count() AS devices, min(sm) AS least_active_ratio, avg(sm) AS mean_active_ratio, max(sm) AS most_active_ratio,
  max(sm) - min(sm) AS spread
FROM means
GROUP BY t
ORDER BY spread DESC, ts
LIMIT @limit
