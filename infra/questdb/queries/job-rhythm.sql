/*
title: The rhythm of a job's steps
about: How much the activity of all devices of a job resembles itself so many ticks later, the most alike first. The first peak is the time of a step, or a multiple of it. A step shorter than two ticks shows as another, longer one; for anything but a look use gpuledger report job.
needs: samples (gpu_<lane>) of a part of the job in which it worked
shared: whole
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
  after: { type: duration, default: 5m, least: 0, meaning: how long after the job's start to begin }
  span: { type: duration, default: 10m, meaning: how much to look at }
  tick: { type: bucket, default: 1s, least: 100000, meaning: the interval of the lane }
  lags: { type: count, default: 120, least: 2, most: 1000, meaning: ticks of the longest step }
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
), series AS (
  SELECT timestamp_floor(@tick, m.ts) AS t,
    sum(m.sm_active_ratio * m.dt_us) / sum(CASE WHEN m.sm_active_ratio IS NOT NULL THEN m.dt_us END) AS x
  -- Not two bounds by subqueries: over a union they lose rows in QuestDB 9.3.4.
  FROM mine m CROSS JOIN (SELECT min(ts) AS begin_ts FROM gpu_ownership WHERE job_id = @job) b
  WHERE m.ts > b.begin_ts + @after AND m.ts <= b.begin_ts + @after + @span
), ticks AS (
  SELECT t, x, row_number() OVER (ORDER BY t) AS n FROM series
), later AS (
  SELECT l.x AS lag, k.n + l.x AS n, k.x AS x, k.t AS t FROM long_sequence(@lags) l CROSS JOIN ticks k
)
SELECT later.lag AS ticks, avg(ticks.t - later.t) / 1e6 AS seconds, corr(ticks.x, later.x) AS correlation, count() AS pairs
FROM later JOIN ticks ON ticks.n = later.n
GROUP BY later.lag
ORDER BY correlation DESC
LIMIT @limit
