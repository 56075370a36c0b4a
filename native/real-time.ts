import koffi from 'koffi';

/** <linux/sched.h>. */
const SCHED_RR = 2;
const SCHED_RESET_ON_FORK = 0x40000000;
/** The lowest: every other real-time thread goes first. */
const PRIORITY = 1;

/**
 * Asks that the calling thread may run as soon as it is due, however many others want the cores (a job that it measures
 * may want them all). Threads that it starts, those of libdcgm among them, stay ordinary ones.
 * @returns whether it was granted: it takes root, CAP_SYS_NICE, or an RTPRIO limit of 1 and more.
 */
export function runInRealTime(): boolean {
  const set = koffi.load(null).func('int sched_setscheduler(int pid, int policy, const int32_t *param)');
  return set(0, SCHED_RR | SCHED_RESET_ON_FORK, new Int32Array([PRIORITY])) === 0;
}
