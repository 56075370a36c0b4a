/*
title: GPU-hours of jobs that failed
about: Job runs that ended otherwise than well, with what they had by then, the most GPU-hours first. A run counts as failed whose state is not COMPLETED, or, where nobody told a state, whose exit code is not 0.
needs: jobs, job_figures
shared: divided
parameters:
  from: { type: time, default: -7d, meaning: begin of the window }
  to: { type: time, default: now, meaning: end of the window }
  limit: { type: count, default: 50, least: 1, meaning: rows at most }
*/
WITH ended AS (
  SELECT ts, end_ts, job_id, run, user, account, name, state, exit_code FROM jobs
  WHERE end_ts > @from AND end_ts <= @to AND ((state IS NOT NULL AND state != 'COMPLETED') OR (state IS NULL AND exit_code != 0))
), newest AS (
  SELECT job_id, run, gpu, attributed_us, power_joules, written_ts,
    row_number() OVER (PARTITION BY job_id, run, gpu ORDER BY written_ts DESC) AS n
  FROM job_figures WHERE end_ts > @from
), figures AS (
  SELECT job_id, run, count() AS devices, sum(attributed_us) AS us, sum(power_joules) AS joules FROM newest WHERE n = 1
)
SELECT e.job_id, e.run, e.user, e.account, e.name, e.state, e.exit_code, e.end_ts, f.devices, f.us / 3.6e9 AS gpu_hours, f.joules / 3.6e6 AS kwh
FROM ended e JOIN figures f ON f.job_id = e.job_id AND f.run = e.run
ORDER BY gpu_hours DESC, e.job_id, e.run
LIMIT @limit
