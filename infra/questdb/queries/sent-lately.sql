/*
title: What each node sent lately
about: A row for each node of the last weeks, the most silent first. How long ago it last reported (the whole window, where it did not in it), how many rows its lanes sampled in the window and the store took, what waits on the node now, and what was refused or dropped in the window. For alerts. Nodes of one name in several clusters are one.
needs: collector_stats, gpu_inventory, gpu_<lane>_1d
shared: device
parameters:
  at: { type: time, default: now, meaning: the moment to look at }
  within: { type: duration, default: 10m, least: 60000000, meaning: how far back reports are read }
  back: { type: duration, default: 14d, meaning: 'nodes are told of that were started, or gave a sample, so long ago at most' }
  lane: { type: lane, meaning: whose rollup is read }
*/
WITH nodes AS (
  SELECT node FROM @lane_days WHERE ts > @at - @back AND ts <= @at
  UNION SELECT node FROM gpu_inventory WHERE ts > @at - @back AND ts <= @at
), reports AS (
  SELECT node, lane, max(ts) AS last_ts, last(held_rows) + last(spooled_rows) AS waiting,
    first(sampled_rows) AS sampled_before, last(sampled_rows) AS sampled,
    first(acknowledged_rows) AS acknowledged_before, last(acknowledged_rows) AS acknowledged,
    first(refused_rows) + first(dropped_rows) AS lost_before, last(refused_rows) + last(dropped_rows) AS lost
  FROM collector_stats WHERE ts > @at - @within AND ts <= @at
  GROUP BY node, lane
), told AS (
  SELECT node, max(last_ts) AS last_ts, sum(waiting) AS waiting,
    sum(sampled - CASE WHEN sampled >= sampled_before THEN sampled_before ELSE 0 END) AS sampled,
    sum(acknowledged - CASE WHEN acknowledged >= acknowledged_before THEN acknowledged_before ELSE 0 END) AS acknowledged,
    sum(lost - CASE WHEN lost >= lost_before THEN lost_before ELSE 0 END) AS lost
  FROM reports GROUP BY node
)
SELECT n.node, (@at - coalesce(t.last_ts, @at - @within)) / 1e6 AS silent_seconds, t.sampled AS sampled_rows, t.acknowledged AS acknowledged_rows,
  t.waiting AS waiting_rows, t.lost AS lost_rows
FROM nodes n LEFT JOIN told t ON t.node = n.node
ORDER BY silent_seconds DESC, n.node
