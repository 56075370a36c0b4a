/*
title: Which device of a job works longest, and which is fed late
about: The mean activity of each device beside the mean of the others. Devices of one job wait for the slowest, so the one that computes longest has the highest SM activity, and one whose input comes late the lowest engine activity. In how many slices of time it was that one tells chance from habit. With two or three devices, or ranks that do different work, it accuses nobody.
needs: samples (gpu_<lane>) of a part of the job in which it worked
shared: whole
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
  slice: { type: bucket, default: 1m, meaning: length of a slice }
  above: { type: number, default: 0.05, least: 0, most: 1, meaning: slices in which all devices together were less active do not count }
  lane: { type: lane, meaning: whose samples are read, columns: [sm_active_ratio, gr_engine_active_ratio] }
*/
WITH mine AS (
  SELECT ts, node, gpu, dt_us, sm_active_ratio, gr_engine_active_ratio
  FROM @lane
  WHERE job_id = @job AND owner_set IS NULL AND ts > @job_from AND ts <= @job_to
  UNION ALL
  SELECT s.ts, s.node, s.gpu, s.dt_us, s.sm_active_ratio, s.gr_engine_active_ratio
  FROM @lane s JOIN gpu_owner_sets o ON o.owner_set = s.owner_set
  WHERE o.job_id = @job AND s.owner_set IS NOT NULL AND s.ts > @job_from AND s.ts <= @job_to
)
, slices AS (
  SELECT timestamp_floor(@slice, ts) AS t, node, gpu,
    sum(sm_active_ratio * dt_us) AS sm, sum(CASE WHEN sm_active_ratio IS NOT NULL THEN dt_us END) AS sm_us,
    sum(gr_engine_active_ratio * dt_us) AS engine, sum(CASE WHEN gr_engine_active_ratio IS NOT NULL THEN dt_us END) AS engine_us
  FROM mine
), sliced AS (
  SELECT t, node, gpu, sm, sm_us, engine, engine_us, sm / sm_us AS sm_mean, engine / engine_us AS engine_mean FROM slices
), ranked AS (
  SELECT node, gpu, sm, sm_us, engine, engine_us, sum(sm) OVER (PARTITION BY t) AS all_sm, sum(sm_us) OVER (PARTITION BY t) AS all_us,
    rank() OVER (PARTITION BY t ORDER BY sm_mean DESC) AS sm_rank, rank() OVER (PARTITION BY t ORDER BY engine_mean) AS engine_rank
  FROM sliced
), means AS (
  SELECT node, gpu, sum(sm) / sum(sm_us) AS sm, sum(engine) / sum(engine_us) AS engine,
    sum(CASE WHEN sm_rank = 1 THEN 1 ELSE 0 END) * 1.0 / count() AS highest,
    sum(CASE WHEN engine_rank = 1 THEN 1 ELSE 0 END) * 1.0 / count() AS lowest, count() AS slices
  FROM ranked
  WHERE all_sm >= @above * all_us
), others AS (
  SELECT node, gpu, sm, engine, highest, lowest, slices,
    (sum(sm) OVER () - sm) / (count() OVER () - 1) AS other_sm, (sum(engine) OVER () - engine) / (count() OVER () - 1) AS other_engine
  FROM means
)
SELECT node, gpu, slices, sm AS sm_active_ratio, sm - other_sm AS sm_above_others, highest AS highest_in_ratio,
  engine AS engine_active_ratio, engine - other_engine AS engine_above_others, lowest AS lowest_engine_in_ratio
FROM others
ORDER BY sm_above_others DESC, gpu
