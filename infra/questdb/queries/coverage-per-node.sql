/*
title: How much of each node was seen
about: The time that samples speak for, of the time between the first and the last sign of each device in the window. What is missing was a gap, wherever it came from. Breaks are samples before which nothing was seen, the first ones among them.
needs: gpu_<lane>_1h
shared: device
parameters:
  from: { type: time, default: -7d, meaning: begin of the window; the bucket that holds it counts whole }
  to: { type: time, default: now, meaning: end of the window; the bucket that holds it counts whole }
  node: { type: node, default: "", meaning: only this node }
  lane: { type: lane, meaning: whose rollup is read }
*/
WITH devices AS (
  SELECT node, gpu, sum(dt_us) AS us, sum(row_count) AS row_count, sum(step_count) AS step_count,
    max(last_ts) - min(first_ts - first_dt_us) AS span_us
  FROM @lane_hours WHERE ts >= timestamp_floor('1h', @from) AND ts < @to AND (@node = '' OR node = @node)
)
SELECT node, count() AS devices, sum(row_count) AS samples, sum(row_count - step_count) AS breaks, sum(us) / 3.6e9 AS seen_hours,
  sum(span_us) / 3.6e9 AS span_hours, sum(us) * 1.0 / sum(span_us) AS seen_ratio
FROM devices
GROUP BY node
ORDER BY seen_ratio, node
