#!/bin/bash
# A study on a Slurm cluster: a job array trains it in parts, and a last job merges the records and reports.
#
#   bash studies/slurm.sh studies/width.yaml 8        eight parts; sbatch's own options such as --partition stand below
#
# Five minutes before its time is up, or when Slurm preempts it, a part keeps the epoch under way, ends with 75 and is
# queued again; give more than five where an epoch takes longer. The same command goes on with what failed.
#SBATCH --job-name=ablate
#SBATCH --time=04:00:00
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.txt
study=$1 parts=$2 shared=
grep -qs '^seeds:.*until: decided' "$study" && shared=yes # all parts share one directory, and each round of seeds

if [ -z "$SLURM_ARRAY_TASK_ID" ]; then # not in the array yet: submit both
    array=$(sbatch --parsable --array="1-$parts" "$0" "$study" "$parts") || exit
    merge="ablate merge runs-*-of-$parts --into runs; "
    [ -n "$shared" ] && merge=
    exec sbatch --dependency="afterany:${array%%;*}" --job-name=ablate-report --time=01:00:00 --output=%x-%A.txt \
        --wrap "${merge}ablate report '$study'"
fi

# Slurm tells this shell alone (B:), which tells ablate; `wait` returns early when it does, hence the loop.
trap 'kill -USR1 $!' USR1 TERM
runs="runs-$SLURM_ARRAY_TASK_ID-of-$parts"
[ -n "$shared" ] && runs=runs
ablate run "$study" --shard "$SLURM_ARRAY_TASK_ID/$parts" --runs "$runs" &
wait $!
code=$?
while [ $code -gt 128 ] && kill -0 $! 2>/dev/null; do
    wait $!
    code=$?
done
case $code in # the latter two: ended by the signal itself, before ablate had begun
    75 | 138 | 143) scontrol requeue "$SLURM_JOB_ID" ;;
esac
exit $code
