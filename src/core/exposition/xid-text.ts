/** dcgm-exporter's label `err_msg`: what an XID says, by the names of NVIDIA's catalogue (docs.nvidia.com/deploy/xid-errors). */
const TEXTS: Readonly<Record<number, string>> = {
  0: 'No Error',
  13: 'Graphics Engine Exception',
  31: 'GPU memory page fault',
  43: 'GPU stopped processing',
  45: 'Preemptive cleanup, due to previous errors',
  48: 'Double Bit ECC Error',
  61: 'Internal micro-controller breakpoint/warning',
  62: 'Internal micro-controller halt',
  63: 'ECC page retirement or row remapping recording event',
  64: 'ECC page retirement or row remapper recording failure',
  68: 'NVDEC0 Exception',
  69: 'Graphics Engine class error',
  74: 'NVLINK Error',
  79: 'GPU has fallen off the bus',
  92: 'High single-bit ECC error rate',
  94: 'Contained ECC error',
  95: 'Uncontained ECC error',
  109: 'Context Switch Timeout Error',
  119: 'GSP RPC Timeout',
  120: 'GSP Error',
  121: 'C2C Link Error',
  140: 'Unrecovered ECC Error',
  143: 'GPU Initialization Failure',
};

/** `Unknown Error` for what is not in the table. */
export function xidText(code: number): string {
  return TEXTS[code] ?? 'Unknown Error';
}
