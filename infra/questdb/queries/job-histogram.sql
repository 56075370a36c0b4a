/*
title: How long a gauge of a job was where
about: The time of a job's devices by the level of any gauge, in bars of a width that you choose.
needs: samples (gpu_<lane>) with the gauge
shared: divided
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
  gauge: { type: gauge, default: sm_active_ratio, meaning: a column of the lane }
  bar: { type: number, default: 0.05, least: 1.0e-9, meaning: width of a bar in the unit of the gauge }
  lane: { type: lane, meaning: whose samples are read }
*/
WITH mine AS (
  SELECT dt_us * 1.0 AS us, @gauge AS x
  FROM @lane
  WHERE job_id = @job AND owner_set IS NULL AND ts > @job_from AND ts <= @job_to
  UNION ALL
  SELECT s.dt_us * o.part, s.x
  FROM (SELECT owner_set, dt_us, @gauge AS x FROM @lane WHERE owner_set IS NOT NULL AND ts > @job_from AND ts <= @job_to) s
  JOIN gpu_owner_sets o ON o.owner_set = s.owner_set
  WHERE o.job_id = @job
), bars AS (
  SELECT cast(floor(x / @bar + 1e-9) AS LONG) AS bar, sum(us) AS us FROM mine WHERE x IS NOT NULL
)
SELECT bar * @bar AS from_value, (bar + 1) * @bar AS to_value, us / 3.6e9 AS gpu_hours, us / sum(us) OVER () AS time_ratio
FROM bars
ORDER BY from_value
