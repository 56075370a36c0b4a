/*
title: What a device did before and after an event
about: Mean SM activity and power of the device in the time before each event and after it. A drop after an XID is a job that ended with it.
needs: gpu_events of devices, samples (gpu_<lane>)
shared: device
parameters:
  from: { type: time, default: -7d, meaning: begin of the window }
  to: { type: time, default: now, meaning: end of the window }
  kind: { type: kind, default: xid, meaning: "which events, as the column kind has it: xid, throttle, ecc, remap, health" }
  span: { type: duration, default: 30s, meaning: how much before and after }
  lane: { type: lane, meaning: whose samples are read, columns: [sm_active_ratio, power_watts] }
  limit: { type: count, default: 100, least: 1, meaning: rows at most }
*/
WITH happened AS (
  SELECT ts, node, gpu, code, job_id FROM gpu_events
  WHERE kind = @kind AND gpu IS NOT NULL AND ts > @from AND ts <= @to
), seen AS (
  SELECT e.ts AS ts, e.node AS node, e.gpu AS gpu, e.code AS code, e.job_id AS job_id, s.ts > e.ts AS is_after, s.dt_us AS us,
    s.sm_active_ratio AS sm, s.power_watts AS watts
  FROM happened e JOIN (SELECT ts, gpu, dt_us, sm_active_ratio, power_watts FROM @lane WHERE ts > @from - @span AND ts <= @to + @span) s ON s.gpu = e.gpu
  WHERE s.ts > e.ts - @span AND s.ts <= e.ts + @span
)
SELECT ts, node, gpu, code, job_id,
  sum(CASE WHEN NOT is_after THEN sm * us END) / sum(CASE WHEN NOT is_after AND sm IS NOT NULL THEN us END) AS sm_before_ratio,
  sum(CASE WHEN is_after THEN sm * us END) / sum(CASE WHEN is_after AND sm IS NOT NULL THEN us END) AS sm_after_ratio,
  sum(CASE WHEN NOT is_after THEN watts * us END) / sum(CASE WHEN NOT is_after AND watts IS NOT NULL THEN us END) AS before_watts,
  sum(CASE WHEN is_after THEN watts * us END) / sum(CASE WHEN is_after AND watts IS NOT NULL THEN us END) AS after_watts
FROM seen
GROUP BY ts, node, gpu, code, job_id
ORDER BY ts, gpu
LIMIT @limit
