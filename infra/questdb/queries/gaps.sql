/*
title: Where nothing was collected
about: The gaps, drops and pauses that collectors told of, by node and kind, with their total and longest time.
needs: gpu_events
shared: device
parameters:
  from: { type: time, default: -7d, meaning: begin of the window }
  to: { type: time, default: now, meaning: end of the window }
*/
SELECT node, kind, count() AS times, count_distinct(gpu) AS devices, sum(end_ts - ts) / 1e6 AS seconds, max(end_ts - ts) / 1e6 AS longest_seconds,
  max(ts) AS last_ts
FROM gpu_events
WHERE kind IN ('gap', 'drop', 'paused', 'engine_lost') AND ts > @from AND ts <= @to
GROUP BY node, kind
ORDER BY seconds DESC, node, kind
