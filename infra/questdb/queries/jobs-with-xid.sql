/*
title: Jobs that an XID met
about: Every job that owned a device when an XID came there, with the state in which the scheduler saw it end.
needs: gpu_events, gpu_ownership, jobs for the names
shared: whole
parameters:
  from: { type: time, default: -7d, meaning: begin of the window }
  to: { type: time, default: now, meaning: end of the window }
  limit: { type: count, default: 200, least: 1, meaning: rows at most }
*/
WITH xids AS (
  SELECT ts, node, gpu, code FROM gpu_events WHERE kind = 'xid' AND gpu IS NOT NULL AND ts > @from AND ts <= @to
), met AS (
  SELECT x.ts AS ts, x.node AS node, x.gpu AS gpu, x.code AS code, o.job_id AS job_id
  FROM xids x JOIN gpu_ownership o ON o.gpu = x.gpu
  WHERE x.ts > o.ts AND (o.end_ts IS NULL OR x.ts <= o.end_ts)
), names AS (
  SELECT job_id, user, account, state, exit_code, end_ts FROM (SELECT ts, job_id, user, account, state, exit_code, end_ts FROM jobs LATEST ON ts PARTITION BY job_id)
)
SELECT met.ts, met.node, met.gpu, met.code, met.job_id, names.user, names.account, names.state, names.exit_code,
  (names.end_ts - met.ts) / 1e6 AS seconds_until_end
FROM met LEFT JOIN names ON names.job_id = met.job_id
ORDER BY met.ts, met.gpu, met.job_id
LIMIT @limit
