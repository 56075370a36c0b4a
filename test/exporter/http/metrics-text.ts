/** What is served in tests. */
export const TEXT =
  '# HELP DCGM_FI_DEV_GPU_TEMP C\n# TYPE DCGM_FI_DEV_GPU_TEMP gauge\nDCGM_FI_DEV_GPU_TEMP{gpu="0"} 41\n';
export const TYPE = 'text/plain; version=0.0.4; charset=utf-8';
