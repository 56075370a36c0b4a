/*
title: The collectors, and how they are doing
about: The newest report of each lane of each collector. How old it is, what it costs, what waits to be sent, and what was lost.
needs: collector_stats
shared: device
parameters:
  at: { type: time, default: now, meaning: the moment to look at }
  within: { type: duration, default: 1d, meaning: how old the newest report may be }
*/
SELECT node, lane, version, (@at - ts) / 1e6 AS age_seconds, cpu_ratio, rss_bytes, held_rows, spooled_rows, refused_rows, dropped_rows,
  oldest_unsent_ms / 1e3 AS oldest_unsent_seconds, late_ticks, sample_ms_max
FROM collector_stats
WHERE ts > @at - @within AND ts <= @at
LATEST ON ts PARTITION BY node, lane
ORDER BY age_seconds DESC, node, lane
