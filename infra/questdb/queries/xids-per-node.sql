/*
title: XIDs by node
about: How often each XID came on each node, on how many devices, and when first and last.
needs: gpu_events
shared: device
parameters:
  from: { type: time, default: -7d, meaning: begin of the window }
  to: { type: time, default: now, meaning: end of the window }
  node: { type: node, default: "", meaning: only this node }
*/
SELECT node, code, count() AS times, count_distinct(gpu) AS devices, count_distinct(job_id) AS jobs, min(ts) AS first_ts, max(ts) AS last_ts
FROM gpu_events
WHERE kind = 'xid' AND ts > @from AND ts <= @to AND (@node = '' OR node = @node)
GROUP BY node, code
ORDER BY times DESC, node, code
