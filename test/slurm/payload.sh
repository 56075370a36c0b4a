#!/bin/bash
# What a test job does: stamps the time at its first line, asks the scheduler which GPUs it has, and goes on stamping.
#   payload.sh TICKS [EXIT | segv]      one tick is 50 ms
now=$EPOCHREALTIME
# A command under salloc runs where it was typed; its allocation has one node.
node=${SLURMD_NODENAME:-$SLURM_JOB_NODELIST}
out=$TRUTH/$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}.$node.$$
echo "$now" >"$out.stamps"
# By its array's number alone the last task would be shown among all.
asked=$SLURM_JOB_ID
if [[ -n $SLURM_ARRAY_TASK_ID ]]; then asked=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID; fi
scontrol -d show job "$asked" >"$out.scontrol"
for ((tick = 0; tick < $1; tick++)); do
    sleep 0.05
    echo "$EPOCHREALTIME" >>"$out.stamps"
done
if [[ ${2-0} == segv ]]; then kill -SEGV $$; fi
exit "${2-0}"
