/*
title: Which pipes a job used while its SMs worked
about: Of each device the SM activity, and which part of it tensor, FP64, FP32 and FP16 pipes, memory and the engine were busy for. Much SM activity without any of them is waiting in a kernel.
needs: samples (gpu_<lane>) with the activity of pipes
shared: divided
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
  lane: { type: lane, meaning: whose samples are read, columns: [sm_active_ratio, tensor_active_ratio, fp64_active_ratio, fp32_active_ratio, fp16_active_ratio, dram_active_ratio] }
*/
WITH mine AS (
  SELECT ts, node, gpu, dt_us, 1.0 AS part, sm_active_ratio, tensor_active_ratio, fp64_active_ratio, fp32_active_ratio, fp16_active_ratio, dram_active_ratio
  FROM @lane
  WHERE job_id = @job AND owner_set IS NULL AND ts > @job_from AND ts <= @job_to
  UNION ALL
  SELECT s.ts, s.node, s.gpu, s.dt_us, o.part, s.sm_active_ratio, s.tensor_active_ratio, s.fp64_active_ratio, s.fp32_active_ratio, s.fp16_active_ratio, s.dram_active_ratio
  FROM @lane s JOIN gpu_owner_sets o ON o.owner_set = s.owner_set
  WHERE o.job_id = @job AND s.owner_set IS NOT NULL AND s.ts > @job_from AND s.ts <= @job_to
)
, known AS (
  SELECT node, gpu, sm_active_ratio * dt_us * part AS sm, CASE WHEN sm_active_ratio IS NOT NULL THEN dt_us * part END AS us,
    tensor_active_ratio * dt_us * part AS tensor, fp64_active_ratio * dt_us * part AS fp64, fp32_active_ratio * dt_us * part AS fp32,
    fp16_active_ratio * dt_us * part AS fp16, dram_active_ratio * dt_us * part AS dram
  FROM mine
)
SELECT node, gpu, sum(sm) / sum(us) AS sm_active_ratio,
  sum(tensor) / sum(CASE WHEN tensor IS NOT NULL THEN sm END) AS tensor_of_sm, sum(fp64) / sum(CASE WHEN fp64 IS NOT NULL THEN sm END) AS fp64_of_sm,
  sum(fp32) / sum(CASE WHEN fp32 IS NOT NULL THEN sm END) AS fp32_of_sm, sum(fp16) / sum(CASE WHEN fp16 IS NOT NULL THEN sm END) AS fp16_of_sm,
  sum(dram) / sum(CASE WHEN dram IS NOT NULL THEN sm END) AS dram_of_sm
FROM known
GROUP BY node, gpu
ORDER BY node, gpu
