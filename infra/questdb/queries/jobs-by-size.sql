/*
title: Jobs by size and end
about: How many job runs of each number of GPUs ended in which state, how long they ran, and how long they had waited. A state is what the scheduler says; where a hook alone told of jobs it is empty.
needs: jobs; the waiting time needs the time of submission (gpuledger jobs sync)
shared: whole
parameters:
  from: { type: time, default: -30d, meaning: only runs that began after it }
  to: { type: time, default: now, meaning: only runs that began before it }
  account: { type: account, default: "", meaning: only this account }
*/
SELECT gpus, state, count() AS runs, avg(end_ts - ts) / 3.6e9 AS mean_hours, max(end_ts - ts) / 3.6e9 AS longest_hours,
  sum(gpus * (end_ts - ts)) / 3.6e9 AS gpu_hours, avg(ts - submit_ts) / 3.6e9 AS mean_wait_hours
FROM jobs
WHERE ts > @from AND ts <= @to AND end_ts IS NOT NULL AND (@account = '' OR account = @account)
GROUP BY gpus, state
ORDER BY gpu_hours DESC, gpus, state
