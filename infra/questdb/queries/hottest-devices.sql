/*
title: The hottest devices
about: The mean and highest temperature of each device, the hottest first. A device far above its neighbours is a fan, a filter or a place in the rack.
needs: gpu_<lane>_1h with the temperature
shared: device
parameters:
  from: { type: time, default: -7d, meaning: begin of the window; the bucket that holds it counts whole }
  to: { type: time, default: now, meaning: end of the window; the bucket that holds it counts whole }
  lane: { type: lane, meaning: whose rollup is read, columns: [gpu_temp_celsius] }
  limit: { type: count, default: 20, least: 1, meaning: rows at most }
*/
SELECT node, gpu, max(gpu_temp_celsius_max) AS max_celsius, sum(gpu_temp_celsius_dtsum) / sum(gpu_temp_celsius_dt) AS mean_celsius,
  sum(gpu_temp_celsius_dt) / 3.6e9 AS hours
FROM @lane_hours
WHERE ts >= timestamp_floor('1h', @from) AND ts < @to
GROUP BY node, gpu
ORDER BY max_celsius DESC, mean_celsius DESC, gpu
LIMIT @limit
