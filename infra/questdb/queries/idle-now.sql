/*
title: Devices that idle while a job owns them
about: Each device whose newest sample within the last minutes is below the limit although it is owned, since when, and by whom. Where several jobs own it no single job is named.
needs: samples (gpu_<lane>) with SM activity, jobs for the names
shared: device
parameters:
  at: { type: time, default: now, meaning: the moment to look at }
  within: { type: duration, default: 5m, meaning: how old the newest sample may be }
  back: { type: duration, default: 6h, meaning: how far to look for the last activity }
  below: { type: number, default: 0.05, least: 0, most: 1, meaning: SM activity below which a device is idle }
  lane: { type: lane, meaning: whose samples are read, columns: [sm_active_ratio, power_watts] }
*/
WITH newest AS (
  SELECT ts, cluster, node, gpu, job_id, owners, sm_active_ratio AS sm, power_watts AS watts
  FROM @lane WHERE ts > @at - @within AND ts <= @at LATEST ON ts PARTITION BY gpu
), active AS (
  SELECT gpu, max(ts) AS last_ts FROM @lane WHERE ts > @at - @back AND ts <= @at AND sm_active_ratio >= @below
), names AS (
  SELECT job_id, user, account, name FROM (SELECT ts, job_id, user, account, name FROM jobs LATEST ON ts PARTITION BY job_id)
)
SELECT n.node, n.gpu, n.owners, n.job_id, names.user, names.account, names.name, n.sm AS sm_active_ratio, n.watts AS power_watts,
  active.last_ts AS last_active_ts, (n.ts - active.last_ts) / 60e6 AS idle_minutes
FROM newest n LEFT JOIN active ON active.gpu = n.gpu LEFT JOIN names ON names.job_id = n.job_id
WHERE n.owners > 0 AND n.sm < @below
ORDER BY idle_minutes DESC, n.node, n.gpu
