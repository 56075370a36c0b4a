/*
title: Activity by day and GPU of a node
about: A row for each day and node, a column for each GPU of it, by the number that it has there (0 to 7). An empty cell is a day without samples.
needs: gpu_<lane>_1d with SM activity, gpu_inventory for the numbers
shared: device
parameters:
  from: { type: time, default: -7d, meaning: begin of the window; the bucket that holds it counts whole }
  to: { type: time, default: now, meaning: end of the window; the bucket that holds it counts whole }
  node: { type: node, default: "", meaning: only this node }
  lane: { type: lane, meaning: whose rollup is read, columns: [sm_active_ratio] }
*/
WITH numbered AS (
  SELECT gpu, gpu_index FROM gpu_inventory WHERE parent IS NULL LATEST ON ts PARTITION BY gpu
), means AS (
  SELECT s.ts AS day, s.node AS node, i.gpu_index AS gpu_index, sum(s.sm_active_ratio_dtsum) / sum(s.sm_active_ratio_dt) AS sm
  FROM @lane_days s JOIN numbered i ON i.gpu = s.gpu
  WHERE s.ts >= timestamp_floor('1d', @from) AND s.ts < @to AND (@node = '' OR s.node = @node)
)
SELECT * FROM means
PIVOT (max(sm) FOR gpu_index IN (0 AS gpu0, 1 AS gpu1, 2 AS gpu2, 3 AS gpu3, 4 AS gpu4, 5 AS gpu5, 6 AS gpu6, 7 AS gpu7) GROUP BY day, node)
ORDER BY day, node
