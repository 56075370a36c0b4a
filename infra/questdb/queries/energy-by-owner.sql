/*
title: Energy by owner
about: Kilowatt-hours and mean power by user, account or job. Of each job and device the counter is taken where it is known and moves, else the integral of power. Of devices without an owner see unowned-energy.
needs: gpu_<lane>_1h with power and energy, jobs, gpu_owner_sets where devices are shared
shared: divided
parameters:
  from: { type: time, default: -7d, meaning: begin of the window; the bucket that holds it counts whole }
  to: { type: time, default: now, meaning: end of the window; the bucket that holds it counts whole }
  by: { type: word, choices: [user, account, partition, qos, job], default: account, meaning: whose rows }
  lane: { type: lane, meaning: whose rollup is read, columns: [power_watts, energy_joules] }
  limit: { type: count, default: 50, least: 1, meaning: rows at most }
*/
WITH parts AS (
  SELECT job_id, gpu, dt_us * 1.0 AS us, power_watts_dtsum AS watt_us, power_watts_dt * 1.0 AS known_us,
    energy_rise_joules AS rise, energy_rise_dt_us AS rise_us
  FROM @lane_hours
  WHERE job_id IS NOT NULL AND owner_set IS NULL AND ts >= timestamp_floor('1h', @from) AND ts < @to
  UNION ALL
  SELECT o.job_id, s.gpu, s.dt_us * o.part, s.power_watts_dtsum * o.part, s.power_watts_dt * o.part, s.energy_rise_joules * o.part, s.energy_rise_dt_us
  FROM @lane_hours s JOIN gpu_owner_sets o ON o.owner_set = s.owner_set
  WHERE s.owner_set IS NOT NULL AND s.ts >= timestamp_floor('1h', @from) AND s.ts < @to
), devices AS (
  SELECT job_id, gpu, sum(us) AS us, sum(watt_us) AS watt_us, sum(known_us) AS known_us, sum(rise) AS rise, sum(rise_us) AS rise_us FROM parts
), jobsums AS (
  SELECT job_id, sum(us) AS us, sum(watt_us) AS watt_us, sum(known_us) AS known_us,
    sum(CASE WHEN rise_us > 0 AND NOT (rise = 0 AND watt_us > 0) THEN rise ELSE watt_us / 1e6 END) AS joules
  FROM devices
), names AS (
  SELECT job_id, CASE @by WHEN 'user' THEN user WHEN 'account' THEN cast(account AS VARCHAR) WHEN 'partition' THEN cast("partition" AS VARCHAR)
    WHEN 'qos' THEN cast(qos AS VARCHAR) END AS who
  FROM (SELECT ts, job_id, user, account, "partition", qos FROM jobs LATEST ON ts PARTITION BY job_id)
), told AS (
  SELECT CASE @by WHEN 'job' THEN j.job_id ELSE names.who END AS who, j.us AS us, j.watt_us AS watt_us, j.known_us AS known_us, j.joules AS joules
  FROM jobsums j LEFT JOIN names ON names.job_id = j.job_id
)
SELECT who, count() AS jobs, sum(us) / 3.6e9 AS gpu_hours, sum(joules) / 3.6e6 AS kwh, sum(watt_us) / sum(known_us) AS power_watts
FROM told
GROUP BY who
ORDER BY kwh DESC, who
LIMIT @limit
