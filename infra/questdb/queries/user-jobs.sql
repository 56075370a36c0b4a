/*
title: The jobs of a user
about: The ended job runs of a user with their GPU-hours, activity, idle part and energy, the newest first. From the figures that outlive the samples; the activity of a shared device is the device's. Energy is the counter's where it is known and moves, else the integral of power.
needs: jobs, job_figures
shared: divided
parameters:
  user: { type: user, meaning: as the scheduler names them }
  from: { type: time, default: -7d, meaning: begin of the window }
  to: { type: time, default: now, meaning: end of the window }
  limit: { type: count, default: 50, least: 1, meaning: rows at most }
*/
WITH runs AS (
  SELECT ts, end_ts, job_id, run, name, account, state FROM jobs WHERE user = @user AND end_ts > @from AND end_ts <= @to
), newest AS (
  SELECT job_id, run, gpu, attributed_us, share, sm_active_ratio_dtsum AS sm, sm_active_ratio_dt AS sm_us, idle_dt_us, energy_rise_joules AS rise,
    energy_rise_dt_us AS rise_us, power_joules, row_number() OVER (PARTITION BY job_id, run, gpu ORDER BY written_ts DESC) AS n
  FROM job_figures WHERE end_ts > @from
), figures AS (
  SELECT job_id, run, count() AS devices, sum(attributed_us) AS us, sum(sm * share) AS sm, sum(sm_us * share) AS sm_us, sum(idle_dt_us) AS idle_us,
    sum(CASE WHEN rise_us > 0 AND NOT (rise = 0 AND power_joules > 0) THEN rise ELSE power_joules END) AS joules
  FROM newest WHERE n = 1
)
SELECT r.job_id, r.run, r.name, r.account, r.state, r.ts AS begin_ts, r.end_ts, f.devices, f.us / 3.6e9 AS gpu_hours, f.sm / f.sm_us AS sm_active_ratio,
  CASE WHEN f.sm_us > 0 THEN coalesce(f.idle_us, 0) / f.sm_us END AS idle_ratio, f.joules / 3.6e6 AS kwh
FROM runs r LEFT JOIN figures f ON f.job_id = r.job_id AND f.run = r.run
ORDER BY r.end_ts DESC, r.job_id
LIMIT @limit
