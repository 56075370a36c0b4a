/*
title: The devices that there are
about: The newest entry of each device, with what it is and when it last gave a sample. MIG instances stand beside their GPU.
needs: gpu_inventory, gpu_<lane>_1d
shared: device
parameters:
  node: { type: node, default: "", meaning: only this node }
  at: { type: time, default: now, meaning: the moment to look at }
  back: { type: duration, default: 60d, meaning: how far to look for samples }
  lane: { type: lane, meaning: whose rollup is read }
*/
WITH signs AS (
  SELECT gpu, max(last_ts) AS last_ts FROM @lane_days WHERE ts > @at - @back AND ts <= @at
), newest AS (
  SELECT ts, cluster, node, gpu, gpu_index, model, memory_bytes, mig_profile, driver, source FROM gpu_inventory WHERE ts <= @at LATEST ON ts PARTITION BY gpu
)
SELECT n.cluster, n.node, n.gpu_index, n.gpu, n.model, n.memory_bytes, n.mig_profile, n.driver, n.source, n.ts AS told_ts, signs.last_ts AS last_sample_ts
FROM newest n LEFT JOIN signs ON signs.gpu = n.gpu
WHERE @node = '' OR n.node = @node
ORDER BY n.cluster, n.node, n.gpu_index, n.gpu
