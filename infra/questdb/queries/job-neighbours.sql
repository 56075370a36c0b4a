/*
title: With whom a job shared its devices
about: The other jobs that owned a device of this job at the same time, for how long, and which parts both were told to have.
needs: gpu_ownership
shared: whole
parameters:
  job: { type: job, meaning: the id as the samples have it (of an array its task) }
*/
WITH mine AS (
  SELECT gpu, node, ts, coalesce(end_ts, now()) AS end_ts, share FROM gpu_ownership WHERE job_id = @job
), theirs AS (
  SELECT gpu, job_id, ts, coalesce(end_ts, now()) AS end_ts, share FROM gpu_ownership WHERE job_id != @job
), pairs AS (
  SELECT mine.node AS node, mine.gpu AS gpu, theirs.job_id AS other, mine.share AS own_share, theirs.share AS other_share,
    CASE WHEN mine.ts > theirs.ts THEN mine.ts ELSE theirs.ts END AS from_ts,
    CASE WHEN mine.end_ts < theirs.end_ts THEN mine.end_ts ELSE theirs.end_ts END AS to_ts
  FROM mine JOIN theirs ON theirs.gpu = mine.gpu
)
SELECT node, gpu, other AS job_id, from_ts, to_ts, (to_ts - from_ts) / 1e6 AS seconds, own_share, other_share
FROM pairs
WHERE from_ts < to_ts
ORDER BY from_ts, gpu, job_id
