/*
title: Idle GPU-hours while jobs waited
about: For each hour the GPU-hours that owned devices idled, beside how many jobs waited in it and how many GPUs they had asked for. A job waits from its submission to its start; those that were withdrawn before it, and those that wait still, are not known here.
needs: gpu_<lane>_1h with SM activity; jobs with the time of submission, which Slurm tells (gpuledger jobs sync)
shared: device
parameters:
  from: { type: time, default: -2d, meaning: begin of the window; the hour that holds it counts whole }
  to: { type: time, default: now, meaning: end of the window; the hour that holds it counts whole }
  back: { type: duration, default: 14d, meaning: the longest wait that is looked for }
  lane: { type: lane, meaning: whose rollup is read, columns: [sm_active_ratio] }
*/
WITH hours AS (
  SELECT ts, coalesce(sum(CASE WHEN owners > 0 THEN idle_dt_us END), 0) / 3.6e9 AS idle_gpu_hours,
    coalesce(sum(CASE WHEN owners = 0 THEN dt_us END), 0) / 3.6e9 AS free_gpu_hours
  FROM @lane_hours WHERE owners IS NOT NULL AND ts >= timestamp_floor('1h', @from) AND ts < @to
), waits AS (
  SELECT job_id, submit_ts, ts AS begin_ts, gpus FROM jobs WHERE submit_ts < ts AND ts >= timestamp_floor('1h', @from) AND ts < @to + @back
), beside AS (
  SELECT h.ts AS ts, count() AS jobs, sum(w.gpus) AS gpus FROM hours h CROSS JOIN waits w
  WHERE w.submit_ts < dateadd('h', 1, h.ts) AND w.begin_ts > h.ts
)
SELECT h.ts, h.idle_gpu_hours, h.free_gpu_hours, coalesce(b.jobs, 0) AS waiting_jobs, coalesce(b.gpus, 0) AS waiting_gpus
FROM hours h LEFT JOIN beside b ON b.ts = h.ts
ORDER BY h.ts
