import type { EventSink, SampledLane } from '../../core/sampling/source.ts';

export interface NvmlOptions {
  readonly node: string;
  readonly lanes: readonly SampledLane[];
  readonly onEvent: EventSink;
  /** File or directory of libnvidia-ml; absent: the environment, the known directories, the loader. */
  readonly library?: string;
  /** `f`, `g[:list]`, `i[:list]`, `g…+i…`; absent: `f`. */
  readonly devices?: string;
  /** Where requests for a pause of profiling lie. */
  readonly pauseDir?: string;
  /** False: XIDs and other events of the driver are not waited for, and no worker is started. */
  readonly isWatchingEvents?: boolean;
  /** The kernel's log, for the XIDs that NVML does not deliver; absent: `/dev/kmsg`. */
  readonly kernelLog?: string;
  /** Epoch µs now; given by tests that play a virtual clock. */
  readonly openedUs?: number;
}
