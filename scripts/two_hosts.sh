#!/bin/sh
# Trains on two hosts that are not there: two network namespaces of this Linux machine, joined by a virtual cable.
# Each sees only its own network card and its end of the cable, as two machines would. Needs root; leaves nothing behind.
#
#     sudo sh scripts/two_hosts.sh -m cubelib train config/cube_training.yaml
#     sudo env RATE=1gbit PYTHON=.venv/bin/python sh scripts/two_hosts.sh -m cubelib train config/cube_training.yaml
#
# RATE: how much the cable carries each way (1gbit, 100mbit, …; empty: as much as the machine can).
# Everything after the name of this script is what torchrun starts on each host.
set -eu
PYTHON=${PYTHON:-python}
RATE=${RATE:-}
PORT=${PORT:-29500}
one=cubelib-one-$$ two=cubelib-two-$$

clean() {
    trap - EXIT INT TERM
    for host in "$one" "$two"; do
        ip netns pids "$host" 2>/dev/null | xargs -r kill 2>/dev/null || true
        ip netns del "$host" 2>/dev/null || true
    done
}
trap clean EXIT
trap 'exit 130' INT TERM

ip netns add "$one"
ip netns add "$two"
ip link add cable netns "$one" type veth peer name cable netns "$two"
number=1
for host in "$one" "$two"; do
    ip -n "$host" addr add "10.77.0.$number/24" dev cable
    ip -n "$host" link set cable up
    ip -n "$host" link set lo up
    [ -z "$RATE" ] || ip netns exec "$host" tc qdisc add dev cable root tbf rate "$RATE" burst 128kb latency 50ms
    number=$((number + 1))
done

# What each host is told: where the first one is, which one it is itself, and which network card leads to the others.
run_on() {
    host=$1 rank=$2
    shift 2
    ip netns exec "$host" env GLOO_SOCKET_IFNAME=cable OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" \
        "$PYTHON" -m torch.distributed.run --nnodes 2 --node-rank "$rank" --nproc-per-node 1 \
        --master-addr 10.77.0.1 --master-port "$PORT" "$@"
}
run_on "$two" 1 "$@" &
second=$!
run_on "$one" 0 "$@"
wait "$second"
