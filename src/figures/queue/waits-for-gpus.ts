/** For what the scheduler says that a job waits which more GPUs would start: not for limits of its owner, nor for another job. */
export const WAITS_FOR_GPUS: readonly string[] = ['Resources', 'Priority'];
