/*
title: Memory that grows, and when it will be full
about: A straight line through the memory used on each device of a job. A slope with a correlation near 1 is a leak or a cache that grows; hours until full counts from the last sample at that slope.
needs: samples (gpu_<lane>) with memory used; gpu_inventory for the size of the memory
shared: whole
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
  after: { type: duration, default: 10m, least: 0, meaning: how much of the beginning to leave out }
  lane: { type: lane, meaning: whose samples are read, columns: [fb_used_bytes] }
*/
WITH mine AS (
  SELECT ts, node, gpu, dt_us, fb_used_bytes
  FROM @lane
  WHERE job_id = @job AND owner_set IS NULL AND ts > @job_from AND ts <= @job_to
  UNION ALL
  SELECT s.ts, s.node, s.gpu, s.dt_us, s.fb_used_bytes
  FROM @lane s JOIN gpu_owner_sets o ON o.owner_set = s.owner_set
  WHERE o.job_id = @job AND s.owner_set IS NOT NULL AND s.ts > @job_from AND s.ts <= @job_to
)
, samples AS (
  SELECT m.ts AS ts, m.node AS node, m.gpu AS gpu, m.fb_used_bytes AS bytes, (m.ts - b.begin_ts) / 3.6e9 AS hours
  FROM mine m CROSS JOIN (SELECT min(ts) AS begin_ts FROM gpu_ownership WHERE job_id = @job) b
  WHERE m.ts > b.begin_ts + @after AND m.fb_used_bytes IS NOT NULL
), lines AS (
  SELECT node, gpu, regr_slope(bytes, hours) AS slope, corr(bytes, hours) AS correlation, last(bytes) AS last_bytes, count() AS samples
  FROM (samples ORDER BY ts)
)
SELECT l.node, l.gpu, l.samples, l.last_bytes, i.memory_bytes, l.slope AS bytes_per_hour, l.correlation,
  CASE WHEN l.slope > 0 THEN (i.memory_bytes - l.last_bytes) / l.slope END AS hours_until_full
FROM lines l LEFT JOIN (SELECT gpu, memory_bytes FROM gpu_inventory LATEST ON ts PARTITION BY gpu) i ON i.gpu = l.gpu
ORDER BY bytes_per_hour DESC, l.gpu
