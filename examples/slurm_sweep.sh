#!/bin/bash
# One sweep on many machines: each task of the array trains the trials that no other task has taken.
#   sbatch examples/slurm_sweep.sh
# A task that is killed loses nothing: submit the same again, and the trials continue from their checkpoints.
#SBATCH --job-name=sweep
#SBATCH --array=1-8
#SBATCH --cpus-per-task=8
#SBATCH --time=02:00:00
#SBATCH --signal=TERM@60
set -e

# The folder must be one that all machines see. The first task starts the sweep, the others join it.
exec "${GPU_MLP:-gpu-mlp}" sweep --join --out "${SWEEP:-$HOME/sweeps/digits}" --threads "${SLURM_CPUS_PER_TASK:-1}" \
    --data digits --lr 0.01..1:log --keep-prob 0.5,0.8,1 --hidden "64|128|128,128" --trials 64 --epochs 9 --halving 3
