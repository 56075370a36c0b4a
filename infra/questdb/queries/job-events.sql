/*
title: What happened to a job's devices and nodes
about: XIDs, throttling, gaps and other events of a job's devices while it had them, and of its nodes as a whole. An event of some length counts where it lies within the job's time at all.
needs: gpu_events, gpu_ownership
shared: whole
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
  limit: { type: count, default: 200, least: 1, meaning: rows at most }
*/
WITH stay AS (
  SELECT ts AS begin_ts, coalesce(end_ts, now()) AS end_ts, node, gpu FROM gpu_ownership WHERE job_id = @job
), nodes AS (
  SELECT node, min(begin_ts) AS begin_ts, max(end_ts) AS end_ts FROM stay
)
SELECT * FROM (
  SELECT e.ts AS ts, e.end_ts AS end_ts, e.node AS node, e.gpu AS gpu, e.kind AS kind, e.code AS code, e.subject AS subject, e.text AS text
  FROM gpu_events e JOIN stay ON stay.gpu = e.gpu
  WHERE e.gpu IS NOT NULL AND e.ts <= stay.end_ts AND coalesce(e.end_ts, e.ts) > stay.begin_ts
  UNION ALL
  SELECT e.ts, e.end_ts, e.node, e.gpu, e.kind, e.code, e.subject, e.text
  FROM gpu_events e JOIN nodes ON nodes.node = e.node
  WHERE e.gpu IS NULL AND e.ts <= nodes.end_ts AND coalesce(e.end_ts, e.ts) > nodes.begin_ts
)
ORDER BY ts, gpu, kind
LIMIT @limit
