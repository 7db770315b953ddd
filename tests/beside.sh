# Commands that run beside each other, as many as there are cores (at most 8): `start COMMAND …`, and `finish` at the end, which fails if one
# of them did. What a command prints comes when it is done. Sourced by bash scripts.
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
cores=$(nproc)
[ "$cores" -le 8 ] || cores=8
export OMP_NUM_THREADS=1
count=0
start() {
    while [ "$(jobs -rp | wc -l)" -ge "$cores" ]; do wait -n || true; done
    count=$((count + 1))
    run_and_tell "$logs/$count" "$@" &
}
run_and_tell() {
    local log=$1 from=$SECONDS status=0
    shift
    "$@" >"$log" 2>&1 || status=$?
    {
        flock 9
        echo "== $* ($((SECONDS - from)) s)"
        cat "$log"
        [ $status = 0 ] || echo "$*" >>"$logs/failed"
    } 9>"$logs/lock"
}
finish() {
    wait
    if [ -s "$logs/failed" ]; then
        echo "$(wc -l <"$logs/failed") of $count failed:" >&2
        cat "$logs/failed" >&2
        exit 1
    fi
    echo "$count passed"
}
