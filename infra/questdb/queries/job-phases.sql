/*
title: The course of a job in steps of time
about: For each step of time the devices, mean activity of SMs, tensor pipes and memory, mean power of a device, and the lowest and highest SM activity of a sample. Means are weighted by the time that samples speak for.
needs: samples (gpu_<lane>), which are kept for retention.raw
shared: divided
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
  every: { type: bucket, default: 5m, meaning: length of a step }
  lane: { type: lane, meaning: whose samples are read, columns: [sm_active_ratio, tensor_active_ratio, dram_active_ratio, power_watts] }
  limit: { type: count, default: 1000, least: 1, meaning: rows at most }
*/
WITH mine AS (
  SELECT ts, node, gpu, dt_us, 1.0 AS part, sm_active_ratio, tensor_active_ratio, dram_active_ratio, power_watts
  FROM @lane
  WHERE job_id = @job AND owner_set IS NULL AND ts > @job_from AND ts <= @job_to
  UNION ALL
  SELECT s.ts, s.node, s.gpu, s.dt_us, o.part, s.sm_active_ratio, s.tensor_active_ratio, s.dram_active_ratio, s.power_watts
  FROM @lane s JOIN gpu_owner_sets o ON o.owner_set = s.owner_set
  WHERE o.job_id = @job AND s.owner_set IS NOT NULL AND s.ts > @job_from AND s.ts <= @job_to
)
SELECT timestamp_floor(@every, ts) AS ts, count_distinct(gpu) AS devices, sum(dt_us * part) / 3.6e9 AS gpu_hours,
  sum(sm_active_ratio * dt_us * part) / sum(CASE WHEN sm_active_ratio IS NOT NULL THEN dt_us * part END) AS sm_active_ratio,
  min(sm_active_ratio) AS sm_min_ratio, max(sm_active_ratio) AS sm_max_ratio,
  sum(tensor_active_ratio * dt_us * part) / sum(CASE WHEN tensor_active_ratio IS NOT NULL THEN dt_us * part END) AS tensor_active_ratio,
  sum(dram_active_ratio * dt_us * part) / sum(CASE WHEN dram_active_ratio IS NOT NULL THEN dt_us * part END) AS dram_active_ratio,
  sum(power_watts * dt_us * part) / sum(CASE WHEN power_watts IS NOT NULL THEN dt_us * part END) AS power_watts
FROM mine
GROUP BY timestamp_floor(@every, ts)
ORDER BY ts
LIMIT @limit
