# The part of scripts/demo, which reads this, that is about etcd: members register, and come, leave and die under leases.
# shellcheck shell=bash disable=SC2154  # variables of scripts/demo

etcd_url=http://127.0.0.1:$((first_port + 4))
items=40 # keys that clients have set

# A write is acknowledged when all members that hold the key have it.
copies=2
cluster_section() {
    cat <<YAML
  replicas: $copies
  write_acks: all
  probe_interval: 200ms
  discovery: {plugin: etcd, endpoints: ["$etcd_url"], prefix: /larder/demo, lease_ttl: 3s, retry_max: 200ms}
YAML
}

start_etcd() {
    heading "An etcd, in which the members of the cluster stand"
    local peers=http://127.0.0.1:$((first_port + 5)) tries
    want_free $((first_port + 4))
    want_free $((first_port + 5))
    etcd --name demo --data-dir "$scratch/etcd" --listen-client-urls "$etcd_url" --advertise-client-urls "$etcd_url" \
        --listen-peer-urls "$peers" --initial-advertise-peer-urls "$peers" --initial-cluster "demo=$peers" \
        >"$scratch/etcd.log" 2>&1 &
    etcd_pid=$!
    for ((tries = 0; tries < 200; tries++)); do
        if curl -fs -m 1 -o "$scratch/health" "$etcd_url/health" && grep -q true "$scratch/health"; then
            echo "etcd: $etcd_url"
            return
        fi
        kill -0 "$etcd_pid" 2>/dev/null || break
        sleep 0.05
    done
    cat "$scratch/etcd.log" >&2
    die "etcd did not start"
}

# wait_for WHAT COMMAND...: until a command succeeds.
wait_for() {
    local what=$1 tries
    shift
    for ((tries = 0; tries < 600; tries++)); do
        "$@" && return
        sleep 0.05
    done
    check "$what" "not after 30 seconds" "done"
}

# settled NODE...: whether these are the members, each has what it should have, and owes nothing.
settled() {
    local node document
    for node in "$@"; do
        document=$(curl -fs -m 2 "$(url "$node")/v1/cluster") || return 1
        python3 - "$document" "$@" <<'PYTHON' || return 1
import json, sys
document = json.loads(sys.argv[1])
handoff = document["handoff"]
good = sorted(member["name"] for member in document["members"]) == sorted(sys.argv[2:])
good &= all(member["state"] in ("self", "up") for member in document["members"])
sys.exit(not (good and document["acts"] and handoff["caught_up"] and handoff["finished"]))
PYTHON
    done
}

# Shows who is registered; the members are those that are wanted.
registered() {
    local wanted="$*" got
    wait_for "members $wanted" settled "$@"
    type_out etcdctl --endpoints "$etcd_url" get --prefix --keys-only /larder/demo/members/
    got=$(ETCDCTL_API=3 etcdctl --endpoints "$etcd_url" get --prefix --keys-only /larder/demo/members/ | sed '/^$/d')
    printf '%s\n' "$got" | sed 's/^/   /'
    check "registered members" "$(sed 's,.*/,,' <<<"$got" | paste -sd' ')" "$wanted"
}

# set_items NODE VALUE: all items, through a node.
set_items() {
    type_out curl -Z -X PUT --data-binary "$2" "$(key_url "$1" default "item-[1-$items]")"
    local written
    written=$(curl --no-progress-meter -m 15 -Z --parallel-immediate -X PUT --data-binary "$2" -o "$scratch/put-#1" \
        -w '%{http_code}\n' "$(key_url "$1" default "item-[1-$items]")" | grep -cE '^20[14]$')
    rm -f "$scratch"/put-*
    echo "   $written of $items writes are acknowledged"
    check "acknowledged writes" "$written" "$items"
}

# read_items VALUE NODE...: all items, through each node.
read_items() {
    local value=$1 node key right=0
    shift
    for node in "$@"; do
        type_out curl -Z "$(key_url "$node" default "item-[1-$items]")"
        curl --no-progress-meter -m 15 -Z --parallel-immediate -o "$scratch/$node-#1" "$(key_url "$node" default "item-[1-$items]")"
        for ((key = 1; key <= items; key++)); do
            [ "$(cat "$scratch/$node-$key" 2>/dev/null)" = "$value" ] && right=$((right + 1))
            rm -f "$scratch/$node-$key"
        done
    done
    echo "   $right of $((items * $#)) answers are \"$value\""
    check "right answers" "$right" $((items * $#))
}

# Nothing that is cached was asked for again.
origin_untouched() {
    local loads
    loads=$(curl -fs -m 5 "$origin/count")
    loads=$(grep -oE '"user-[0-9]+": *[0-9]+' <<<"$loads" | grep -cE ': *1$')
    echo "   $loads of 30 users were loaded once, and not since"
    check "users loaded once" "$loads" 30
}

walk_with_etcd() {
    heading "The nodes have registered, each under a lease"
    registered a b c
    set_items a first
    read_items first b c
    read_users a

    heading "A fourth node is started: it finds the others, and is given its part of the keys"
    write_config d
    start_node d
    wait_ready d
    registered a b c d
    read_items first d
    read_users d
    origin_untouched

    heading "A node leaves: it hands its keys over first"
    type_out "$bin/larder" cluster leave --node "$(url c)"
    "$bin/larder" cluster leave --node "$(url c)" || check "exit code" $? 0
    wait "${pid[c]}"
    check "exit code of node c" $? 0
    unset "pid[c]"
    registered a b d
    read_items first a d
    read_users b
    origin_untouched

    heading "A node is killed: everything that was acknowledged is still there"
    echo "\$ kill -KILL ${pid[b]}  # node b"
    kill -KILL "${pid[b]}"
    wait "${pid[b]}" 2>/dev/null
    unset "pid[b]"
    read_items first a d
    echo "Writes of its keys wait until its lease has run out:"
    set_items a second
    registered a d
    read_items second a d
    origin_untouched

    heading "It comes back, and serves again"
    start_node b
    wait_ready b
    registered a b d
    read_items second b
    type_out "$bin/larder" cluster --node "$(url a)"
    "$bin/larder" cluster --node "$(url a)" || check "exit code" $? 0
}
