/*
title: The power that a node reaches, beside what slower gauges show
about: The 99th percentile of the power of single devices by node over time, at the interval of the lane, beside that of means over a longer time. The first is what a fuse sees, the second what a slow gauge shows. Percentiles are known to 1 W.
needs: samples (gpu_<lane>) with power, best of a lane at 100 ms
shared: device
parameters:
  from: { type: time, default: -1h, meaning: begin of the window }
  to: { type: time, default: now, meaning: end of the window }
  slow: { type: bucket, default: 30s, meaning: over how long the means go }
  lane: { type: lane, meaning: whose samples are read, columns: [power_watts] }
*/
WITH bars AS (
  SELECT node, cast(power_watts AS LONG) AS bar, sum(dt_us) AS us FROM @lane
  WHERE ts > @from AND ts <= @to AND power_watts IS NOT NULL
), ranked AS (
  SELECT node, bar, sum(us) OVER (PARTITION BY node ORDER BY bar) AS upto, sum(us) OVER (PARTITION BY node) AS whole FROM bars
), fast AS (
  SELECT node, min(bar) AS p99 FROM ranked WHERE upto >= 0.99 * whole
), means AS (
  SELECT node, gpu, timestamp_floor(@slow, ts) AS t, sum(power_watts * dt_us) / sum(dt_us) AS watts, sum(dt_us) AS us FROM @lane
  WHERE ts > @from AND ts <= @to AND power_watts IS NOT NULL
), slowbars AS (
  SELECT node, cast(watts AS LONG) AS bar, sum(us) AS us FROM means
), slowranked AS (
  SELECT node, bar, sum(us) OVER (PARTITION BY node ORDER BY bar) AS upto, sum(us) OVER (PARTITION BY node) AS whole FROM slowbars
), slowp99 AS (
  SELECT node, min(bar) AS p99 FROM slowranked WHERE upto >= 0.99 * whole
), peaks AS (
  SELECT node, max(power_watts) AS peak FROM @lane WHERE ts > @from AND ts <= @to
)
SELECT fast.node, fast.p99 AS p99_watts, slowp99.p99 AS slow_p99_watts, peaks.peak AS peak_watts
FROM fast JOIN slowp99 ON slowp99.node = fast.node JOIN peaks ON peaks.node = fast.node
ORDER BY p99_watts DESC, fast.node
