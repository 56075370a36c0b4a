/*
title: Throttling by node and reason
about: How often the clocks of a node's devices were held down, for which reason and how long. Time that lies before or after the window does not count; what lasts counts to the window's end.
needs: gpu_events of kind throttle
shared: device
parameters:
  from: { type: time, default: -7d, meaning: begin of the window }
  to: { type: time, default: now, meaning: end of the window }
*/
WITH spans AS (
  SELECT node, gpu, subject, CASE WHEN ts < @from THEN @from ELSE ts END AS from_ts,
    CASE WHEN end_ts IS NULL OR end_ts > @to THEN @to ELSE end_ts END AS to_ts
  FROM gpu_events
  WHERE kind = 'throttle' AND ts <= @to AND (end_ts IS NULL OR end_ts > @from)
)
SELECT node, subject AS reason, count() AS times, count_distinct(gpu) AS devices, sum(to_ts - from_ts) / 1e6 AS seconds
FROM spans
GROUP BY node, subject
ORDER BY seconds DESC, node, reason
