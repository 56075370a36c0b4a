/*
title: The longest idle stretches of a job
about: Where and when devices of a job did nothing, the longest first. A stretch is of samples below the limit that follow each other without a gap.
needs: samples (gpu_<lane>) with SM activity
shared: whole
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
  below: { type: number, default: 0.05, least: 0, most: 1, meaning: SM activity below which a device is idle }
  lane: { type: lane, meaning: whose samples are read, columns: [sm_active_ratio] }
  limit: { type: count, default: 10, least: 1, meaning: rows at most }
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
, marked AS (
  SELECT ts, node, gpu, dt_us, sm_active_ratio AS sm,
    sum(CASE WHEN sm_active_ratio < @below AND dt_us > 0 THEN 0 ELSE 1 END) OVER (PARTITION BY gpu ORDER BY ts) AS stretch
  FROM (mine ORDER BY ts)
)
SELECT node, gpu, cast(min(ts - dt_us) AS TIMESTAMP) AS from_ts, max(ts) AS to_ts, sum(dt_us) / 1e6 AS seconds, max(sm) AS sm_max_ratio
FROM marked
WHERE sm < @below AND dt_us > 0
GROUP BY node, gpu, stretch
ORDER BY seconds DESC, from_ts, gpu
LIMIT @limit
