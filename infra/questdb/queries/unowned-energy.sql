/*
title: Energy of devices that nobody owned
about: What the devices of each node drew while no job owned them, and the mean power of that time.
needs: gpu_<lane>_1h with power and energy
shared: device
parameters:
  from: { type: time, default: -7d, meaning: begin of the window; the bucket that holds it counts whole }
  to: { type: time, default: now, meaning: end of the window; the bucket that holds it counts whole }
  lane: { type: lane, meaning: whose rollup is read, columns: [power_watts, energy_joules] }
*/
WITH devices AS (
  SELECT node, gpu, sum(dt_us) AS us, sum(power_watts_dtsum) AS watt_us, sum(power_watts_dt) AS known_us,
    sum(energy_rise_joules) AS rise, sum(energy_rise_dt_us) AS rise_us
  FROM @lane_hours WHERE owners = 0 AND ts >= timestamp_floor('1h', @from) AND ts < @to
)
SELECT node, count() AS devices, sum(us) / 3.6e9 AS gpu_hours,
  sum(CASE WHEN rise_us > 0 AND NOT (rise = 0 AND watt_us > 0) THEN rise ELSE watt_us / 1e6 END) / 3.6e6 AS kwh,
  sum(watt_us) / sum(known_us) AS power_watts
FROM devices
GROUP BY node
ORDER BY kwh DESC, node
