#!/bin/bash
# A batch script with two steps, one after the other, on all nodes of the job.
#   steps.sh PAYLOAD TICKS
srun -Q "$1" "$2"
srun -Q "$1" "$2"
