/*
title: How hard a job makes the power swing
about: Of each device the moment at whose end power had swung most within a short time, from the least to the most watts; facilities care for the sum of such swings.
needs: samples (gpu_<lane>) with power
shared: whole
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
  within: { type: duration, default: 10s, least: 100000, meaning: how long a swing may take }
  lane: { type: lane, meaning: whose samples are read, columns: [power_watts] }
*/
WITH mine AS (
  SELECT ts, node, gpu, dt_us, power_watts
  FROM @lane
  WHERE job_id = @job AND owner_set IS NULL AND ts > @job_from AND ts <= @job_to
  UNION ALL
  SELECT s.ts, s.node, s.gpu, s.dt_us, s.power_watts
  FROM @lane s JOIN gpu_owner_sets o ON o.owner_set = s.owner_set
  WHERE o.job_id = @job AND s.owner_set IS NOT NULL AND s.ts > @job_from AND s.ts <= @job_to
)
, swings AS (
  SELECT ts, node, gpu,
    min(power_watts) OVER (PARTITION BY gpu ORDER BY ts RANGE BETWEEN @within PRECEDING AND CURRENT ROW) AS low,
    max(power_watts) OVER (PARTITION BY gpu ORDER BY ts RANGE BETWEEN @within PRECEDING AND CURRENT ROW) AS high
  FROM ((mine ORDER BY ts) TIMESTAMP(ts))
), widths AS (
  SELECT ts, node, gpu, low, high, high - low AS swing FROM swings
), ranked AS (
  SELECT ts, node, gpu, low, high, swing, row_number() OVER (PARTITION BY gpu ORDER BY swing DESC, ts) AS n FROM widths
)
SELECT node, gpu, ts, low AS low_watts, high AS high_watts, swing AS swing_watts
FROM ranked
WHERE n = 1
ORDER BY swing_watts DESC, gpu
