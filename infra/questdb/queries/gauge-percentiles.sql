/*
title: Percentiles of a gauge by user or account
about: How long owned devices were at which level, as median, 95th and 99th percentile over time of SM, tensor or memory activity or power. Read from histograms, which outlive the samples, and known to the width of a bar.
needs: gpu_<lane>_<gauge>_hist_1h, jobs, gpu_owner_sets where devices are shared
shared: divided
parameters:
  from: { type: time, default: -7d, meaning: begin of the window; the bucket that holds it counts whole }
  to: { type: time, default: now, meaning: end of the window; the bucket that holds it counts whole }
  by: { type: word, choices: [user, account, partition, qos, job], default: account, meaning: whose rows }
  gauge: { type: gauge, default: sm_active_ratio, meaning: "one of sm_active_ratio, tensor_active_ratio, dram_active_ratio, power_watts" }
  lane: { type: lane, meaning: whose histogram is read }
  limit: { type: count, default: 50, least: 1, meaning: rows at most }
*/
WITH parts AS (
  SELECT job_id, bar, dt_us * 1.0 AS us FROM @lane_bars
  WHERE job_id IS NOT NULL AND owner_set IS NULL AND ts >= timestamp_floor('1h', @from) AND ts < @to
  UNION ALL
  SELECT o.job_id, s.bar, s.dt_us * o.part FROM @lane_bars s JOIN gpu_owner_sets o ON o.owner_set = s.owner_set
  WHERE s.owner_set IS NOT NULL AND s.ts >= timestamp_floor('1h', @from) AND s.ts < @to
), jobbars AS (
  SELECT job_id, bar, sum(us) AS us FROM parts
), names AS (
  SELECT job_id, CASE @by WHEN 'user' THEN user WHEN 'account' THEN cast(account AS VARCHAR) WHEN 'partition' THEN cast("partition" AS VARCHAR)
    WHEN 'qos' THEN cast(qos AS VARCHAR) END AS who
  FROM (SELECT ts, job_id, user, account, "partition", qos FROM jobs LATEST ON ts PARTITION BY job_id)
), told AS (
  SELECT CASE @by WHEN 'job' THEN j.job_id ELSE names.who END AS who, j.bar AS bar, j.us AS us FROM jobbars j LEFT JOIN names ON names.job_id = j.job_id
), bars AS (
  SELECT who, bar, sum(us) AS us FROM told
), ranked AS (
  SELECT who, bar, us, sum(us) OVER (PARTITION BY who ORDER BY bar) AS upto, sum(us) OVER (PARTITION BY who) AS whole FROM bars
)
SELECT who, sum(us) / 3.6e9 AS gpu_hours,
  min(CASE WHEN upto >= 0.5 * whole - 0.5 THEN bar END) * @gauge_width AS p50,
  min(CASE WHEN upto >= 0.95 * whole - 0.5 THEN bar END) * @gauge_width AS p95,
  min(CASE WHEN upto >= 0.99 * whole - 0.5 THEN bar END) * @gauge_width AS p99
FROM ranked
GROUP BY who
ORDER BY gpu_hours DESC, who
LIMIT @limit
