/*
title: How late a job began to compute, and how long it kept devices afterwards
about: Of each device the time from the job's start to the end of the first active sample, and from the last one to the job's end, or to now while it runs. Without any activity both are empty.
needs: samples (gpu_<lane>) with SM activity, gpu_ownership
shared: whole
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
  active: { type: number, default: 0.05, least: 0, most: 1, meaning: SM activity from which a sample is active }
  lane: { type: lane, meaning: whose samples are read, columns: [sm_active_ratio] }
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
, stay AS (
  SELECT node, gpu, min(ts) AS begin_ts, max(coalesce(end_ts, now())) AS end_ts FROM gpu_ownership WHERE job_id = @job
), active AS (
  SELECT gpu, min(ts) AS first_ts, max(ts) AS last_ts FROM mine WHERE sm_active_ratio >= @active
)
SELECT stay.node, stay.gpu, stay.begin_ts, active.first_ts, active.last_ts, stay.end_ts,
  (active.first_ts - stay.begin_ts) / 1e6 AS first_light_seconds, (stay.end_ts - active.last_ts) / 1e6 AS idle_tail_seconds
FROM stay LEFT JOIN active ON active.gpu = stay.gpu
ORDER BY stay.node, stay.gpu
