/*
title: The fleet by day
about: For each day the devices that were seen, their time, how much of it was owned, the activity of owned devices, and all energy. Energy is the counter's where a device has one that moves, else the integral of power.
needs: gpu_<lane>_1d with SM activity, power and energy
shared: device
parameters:
  from: { type: time, default: -30d, meaning: begin of the window; the day that holds it counts whole }
  to: { type: time, default: now, meaning: end of the window; the day that holds it counts whole }
  lane: { type: lane, meaning: whose rollup is read, columns: [sm_active_ratio, power_watts, energy_joules] }
*/
WITH devices AS (
  SELECT ts AS day, gpu, sum(dt_us) AS us, sum(CASE WHEN owners > 0 THEN dt_us END) AS owned_us,
    sum(CASE WHEN owners > 0 THEN sm_active_ratio_dtsum END) AS sm, sum(CASE WHEN owners > 0 THEN sm_active_ratio_dt END) AS sm_us,
    sum(power_watts_dtsum) AS watt_us, sum(energy_rise_joules) AS rise, sum(energy_rise_dt_us) AS rise_us
  FROM @lane_days WHERE owners IS NOT NULL AND ts >= timestamp_floor('1d', @from) AND ts < @to
)
SELECT day, count() AS devices, sum(us) / 3.6e9 AS gpu_hours, coalesce(sum(owned_us), 0) / 3.6e9 AS owned_gpu_hours,
  coalesce(sum(owned_us), 0) * 1.0 / sum(us) AS owned_ratio, sum(sm) / sum(sm_us) AS sm_active_ratio,
  sum(CASE WHEN rise_us > 0 AND NOT (rise = 0 AND watt_us > 0) THEN rise ELSE watt_us / 1e6 END) / 3.6e6 AS kwh
FROM devices
GROUP BY day
ORDER BY day
