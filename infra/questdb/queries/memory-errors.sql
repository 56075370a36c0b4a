/*
title: Devices whose memory has new errors
about: How far the counters of corrected and uncorrected errors and of remapped rows went up in the window, of devices where one did. A counter that was reset in the window shows too little.
needs: gpu_<lane>_1h with ECC counters
shared: device
parameters:
  from: { type: time, default: -7d, meaning: begin of the window; the bucket that holds it counts whole }
  to: { type: time, default: now, meaning: end of the window; the bucket that holds it counts whole }
  lane: { type: lane, meaning: whose rollup is read, columns: [ecc_sbe_aggregate_total, ecc_dbe_aggregate_total, remapped_rows_correctable_total, remapped_rows_uncorrectable_total] }
*/
WITH rises AS (
  SELECT node, gpu, max(ecc_sbe_aggregate_total_max) - min(ecc_sbe_aggregate_total_min) AS corrected,
    max(ecc_dbe_aggregate_total_max) - min(ecc_dbe_aggregate_total_min) AS uncorrected,
    max(remapped_rows_correctable_total_max) - min(remapped_rows_correctable_total_min) AS remapped_correctable,
    max(remapped_rows_uncorrectable_total_max) - min(remapped_rows_uncorrectable_total_min) AS remapped_uncorrectable
  FROM @lane_hours
  WHERE ts >= timestamp_floor('1h', @from) AND ts < @to
)
SELECT node, gpu, corrected, uncorrected, remapped_correctable, remapped_uncorrectable
FROM rises
WHERE corrected > 0 OR uncorrected > 0 OR remapped_correctable > 0 OR remapped_uncorrectable > 0
ORDER BY uncorrected DESC, remapped_uncorrectable DESC, corrected DESC, gpu
