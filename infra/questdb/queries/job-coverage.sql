/*
title: How much of a job was seen
about: Of each device the time for which the job owned it, and for how much of that there are samples. What was not seen is not idle; it is not known. Breaks are samples before which nothing was seen.
needs: samples (gpu_<lane>), gpu_ownership
shared: whole
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
  lane: { type: lane, meaning: whose samples are read }
*/
WITH mine AS (
  SELECT ts, node, gpu, dt_us
  FROM @lane
  WHERE job_id = @job AND owner_set IS NULL AND ts > @job_from AND ts <= @job_to
  UNION ALL
  SELECT s.ts, s.node, s.gpu, s.dt_us
  FROM @lane s JOIN gpu_owner_sets o ON o.owner_set = s.owner_set
  WHERE o.job_id = @job AND s.owner_set IS NOT NULL AND s.ts > @job_from AND s.ts <= @job_to
)
, stay AS (
  SELECT node, gpu, sum(coalesce(end_ts, now()) - ts) AS owned_us FROM gpu_ownership WHERE job_id = @job
), seen AS (
  SELECT gpu, sum(dt_us) AS us, count() AS samples, sum(CASE WHEN dt_us = 0 THEN 1 ELSE 0 END) AS breaks FROM mine
)
SELECT stay.node, stay.gpu, stay.owned_us / 3.6e9 AS owned_hours, seen.samples, seen.us / 3.6e9 AS seen_hours,
  coalesce(seen.us, 0) * 1.0 / stay.owned_us AS seen_ratio, seen.breaks
FROM stay LEFT JOIN seen ON seen.gpu = stay.gpu
ORDER BY seen_ratio, stay.gpu
