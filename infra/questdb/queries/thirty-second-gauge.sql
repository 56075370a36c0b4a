/*
title: What a gauge read every 30 seconds would have said
about: The mean of a job's activity as all samples have it, beside what single readings every so often would have averaged to, over every moment at which they could have begun. The wider the band, the less such a gauge is worth for this job.
needs: samples (gpu_<lane>) at a shorter interval
shared: whole
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
  gauge: { type: gauge, default: sm_active_ratio, meaning: a column of the lane }
  every: { type: duration, default: 30s, meaning: how often the gauge is read }
  tick: { type: duration, default: 1s, least: 100000, meaning: the interval of the lane }
  lane: { type: lane, meaning: whose samples are read }
*/
WITH mine AS (
  SELECT ts, dt_us, @gauge AS x
  FROM @lane
  WHERE job_id = @job AND owner_set IS NULL AND ts > @job_from AND ts <= @job_to AND @gauge IS NOT NULL
  UNION ALL
  SELECT s.ts, s.dt_us, s.x
  FROM (SELECT ts, owner_set, dt_us, @gauge AS x FROM @lane WHERE owner_set IS NOT NULL AND ts > @job_from AND ts <= @job_to) s
  JOIN gpu_owner_sets o ON o.owner_set = s.owner_set
  WHERE o.job_id = @job AND s.x IS NOT NULL
), phases AS (
  SELECT (cast(ts AS LONG) / @tick) % (@every / @tick) AS phase, avg(x) AS mean, max(x) AS peak FROM mine
), told AS (
  SELECT sum(x * dt_us) / sum(dt_us) AS mean, max(x) AS peak, count() AS samples FROM mine
)
SELECT told.samples, count() AS phases, told.mean AS mean, min(phases.mean) AS least_told, max(phases.mean) AS most_told,
  told.peak AS peak, min(phases.peak) AS least_peak_told
FROM phases CROSS JOIN told
GROUP BY told.samples, told.mean, told.peak
