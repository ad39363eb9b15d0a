#!/bin/bash
# Data-parallel training on several hosts: network namespaces that are connected by a bridge. One process per host talks TCP
# to the others; a script that enters the namespace stands for ssh. Compares the models with that of one process, kills a
# host's process and resumes with fewer hosts, and prints the bytes that each host sent. Needs root.
#
#     tests/mpi_hosts.sh            the MPI of `mpirun`
#     tests/mpi_hosts.sh mpich      that of `mpirun.mpich`; `openmpi` in the same way
#
# $GPU_MLP: a program that was built with the feature `mpi`, and with this MPI library.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "${GPU_MLP:-${CARGO_TARGET_DIR:-target}/debug/gpu-mlp}")
mpirun=mpirun${1:+.$1}
echo "$mpirun: $($mpirun --version 2>&1 | grep -m1 "[0-9][.][0-9]")"

hosts=4
name=mlp$$
out=$(mktemp -d)
clean() {
    for k in $(seq $hosts); do ip netns del $name-$k 2>/dev/null || true; done
    ip link del $name 2>/dev/null || true
    rm -rf "$out"
}
trap clean EXIT
ip link add $name type bridge
ip link set $name up
for k in $(seq $hosts); do
    ip netns add $name-$k
    ip link add $name-v$k type veth peer name eth0 netns $name-$k
    ip link set $name-v$k master $name up
    ip -n $name-$k addr add 10.77.0.$k/24 dev eth0
    ip -n $name-$k link set eth0 up
    ip -n $name-$k link set lo up
done
# Runs a command on a host, with a host name of its own. Not named ssh, to which Open MPI would give options.
cat >"$out/enter" <<END
#!/bin/bash
host=\${1##*.}
shift
exec ip netns exec $name-\$host unshare --uts sh -c "hostname host\$host; \$*"
END
chmod +x "$out/enter"
cd "$out"

if $mpirun --version 2>&1 | grep -q 'Open MPI\|OpenRTE'; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    # All hosts are this machine: if processes were bound to cores, they would share its first one.
    options="--quiet --bind-to none --mca plm_rsh_agent $out/enter --mca pml ob1 --mca btl tcp,self"
    options="$options --mca btl_tcp_if_include eth0 --mca oob_tcp_if_include eth0 --host"
else
    # Processes that find each other on one machine must not share memory.
    export MPIR_CVAR_NOLOCAL=1 UCX_TLS=tcp,self UCX_NET_DEVICES=eth0
    options="-launcher rsh -launcher-exec $out/enter -iface eth0 -hosts"
fi
# On the first N hosts.
on() { ./enter 10.77.0.1 "cd $out && exec $mpirun $options $(seq -s, -f '10.77.0.%g' "$1") -n $1 ${*:2}"; }
sent() { for k in $(seq $hosts); do ip netns exec $name-$k cat /sys/class/net/eth0/statistics/tx_bytes; done; }
hash() { sha256sum <"$1/model.safetensors" | cut -c1-16; }
same() {
    [ "$(hash "$1")" = "$(hash "$2")" ] || { echo "FAILED: $1 and $2 have other models" >&2; exit 1; }
}

[ "$(on $hosts hostname | sort | tr '\n' ' ')" = 'host1 host2 host3 host4 ' ]
# 52,650 parameters, and 90 updates.
gradients=$((4 * 52650 * 90))
for precision in f32 int8; do
    run="train --data digits --digits-train 3000 --digits-test 500 --engine cpu --threads 1 --quiet --hidden 64,32
        --batch-size 100 --momentum 0.9 --lr 0.02 --keep-prob 0.9 --epochs 3 --precision $precision"
    run=$(tr -s ' \n' ' ' <<<"$run")
    # shellcheck disable=SC2086 # words
    "$program" $run --shards 8 --out $precision-alone >/dev/null
    for n in 2 3 4; do
        before=$(sent)
        on $n "$program" "$run" --out $precision-$n >/dev/null
        same $precision-alone $precision-$n
        paste <(echo "$before") <(sent) | head -$n | awk -v g=$gradients '{printf " %.2f", ($2 - $1) / g}' >bytes
        awk '{for (k = 1; k <= NF; k++) if ($k < 1) exit 1}' bytes || { echo 'FAILED: the gradients took another way' >&2; exit 1; }
        echo "$precision, $n hosts: same model; sent by each, over the bytes of the gradients:$(cat bytes)"
    done
    on 4 "sh -c 'echo \$\$ >pid-\$(hostname); exec \$0 \$@'" "$program" "$run" --checkpoint-steps 1 --out $precision-killed \
        >killed.txt 2>&1 &
    job=$!
    until ls $precision-killed/checkpoints 2>/dev/null | grep -Eq '^0*[4-9][0-9]-'; do
        kill -0 $job 2>/dev/null || break
        sleep 0.02
    done
    kill -KILL "$(cat pid-host3)"
    wait $job && echo "note: the run ended before it was killed"
    on 3 "$program" train --resume $precision-killed --threads 1 --quiet >/dev/null
    same $precision-alone $precision-killed
    echo "$precision: killed on one of 4 hosts, resumed on 3: $(hash $precision-alone)"
done
