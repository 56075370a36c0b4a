/*
title: Who had a device
about: The jobs that owned a device within the window, with the time of each and the part that it was told to have.
needs: gpu_ownership, jobs for the names
shared: whole
parameters:
  device: { type: device, meaning: "its UUID, as the column gpu has it" }
  from: { type: time, default: -7d, meaning: begin of the window }
  to: { type: time, default: now, meaning: end of the window }
  limit: { type: count, default: 200, least: 1, meaning: rows at most }
*/
WITH stay AS (
  SELECT ts, end_ts, node, job_id, run, share FROM gpu_ownership WHERE gpu = @device AND ts < @to AND (end_ts IS NULL OR end_ts > @from)
), names AS (
  SELECT job_id, user, account, name FROM (SELECT ts, job_id, user, account, name FROM jobs LATEST ON ts PARTITION BY job_id)
)
SELECT stay.ts AS begin_ts, stay.end_ts, stay.node, stay.job_id, stay.run, names.user, names.account, names.name, stay.share
FROM stay LEFT JOIN names ON names.job_id = stay.job_id
ORDER BY begin_ts, stay.job_id
LIMIT @limit
