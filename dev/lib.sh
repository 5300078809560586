# shellcheck shell=bash
# What the scripts of this folder share: places, secrets, processes that are ours, waiting.
# Sourced, never run.
set -euo pipefail
umask 077

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
DEV=${DEV_FOLDER:-$ROOT/.dev}
RUN=$DEV/run
LOGS=$DEV/log
SECRETS=$DEV/secrets
# A plain user's PATH on Debian lacks the folders where servers are.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

say() { printf '%s\n' "$*"; }
die() {
    printf '%s\n' "$*" >&2
    exit 1
}

prepare_dev_folder() {
    mkdir -p "$RUN" "$LOGS" "$SECRETS" "$DEV/data"
    chmod 700 "$DEV"
}

# take_lock NAME: one caller at a time. Held until this process ends; `spawn` keeps it from children.
take_lock() {
    exec 9>"$DEV/$1.lock"
    flock -n 9 && return
    say "waiting for another run to finish"
    flock 9
}

random_hex() { od -An -v -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }
random_base64() { head -c "$1" /dev/urandom | base64 -w 0; }

# secret NAME [GENERATOR…]: made once, then always the same. Without a generator: hex, which needs
# no quoting in a URL, in SQL, in JSON or in a shell.
secret() {
    local file=$SECRETS/$1
    shift
    [ $# -gt 0 ] || set -- random_hex 24
    if [ ! -s "$file" ]; then
        "$@" > "$file.new"
        mv "$file.new" "$file"
    fi
    cat "$file"
}

# spawn NAME COMMAND…: starts a daemon, sets SPAWNED to its process id. A mark in its environment
# tells later runs that the process is ours, whatever id the kernel gives to whom by then.
spawn() {
    local name=$1 log=$LOGS/$1.log
    shift
    if [ -f "$log" ] && [ "$(stat -c %s "$log")" -gt 20000000 ]; then mv "$log" "$log.1"; fi
    DEV_MARK=$DEV/$name setsid "$@" < /dev/null >> "$log" 2>&1 9>&- &
    SPAWNED=$!
    printf '%s\n' "$SPAWNED" > "$RUN/$name.pid"
}

# Prints the id of the running process NAME, if there is one and it is ours.
pid_of() {
    local pid
    pid=$(cat "$RUN/$1.pid" 2> /dev/null) || return 1
    [[ $pid =~ ^[0-9]+$ ]] || return 1
    grep -qzxF "DEV_MARK=$DEV/$1" "/proc/$pid/environ" 2> /dev/null || return 1
    printf '%s\n' "$pid"
}

# stop_process NAME [SECONDS]: asks, waits, then insists.
stop_process() {
    local name=$1 patience=${2:-15} pid
    if pid=$(pid_of "$name"); then
        kill -TERM "$pid" 2> /dev/null || true
        wait_until "$patience" process_gone "$name" || {
            say "  $name did not stop within $patience s, killing it"
            kill -KILL "$pid" 2> /dev/null || true
            wait_until 5 process_gone "$name" || die "$name (process $pid) cannot be stopped"
        }
    fi
    rm -f "$RUN/$name.pid"
}
process_gone() { ! pid_of "$1" > /dev/null; }

# wait_until SECONDS COMMAND…: polls; fails when the time is over.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

port_open() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

need_free_port() { # PORT NAME VARIABLE
    if port_open "$1"; then die "port $1, which $2 needs, is taken by another program; free it or choose another with $3=…"; fi
}

# wait_for_start NAME PID SECONDS COMMAND…: until the command succeeds; the end of the log when it does not.
wait_for_start() {
    local name=$1 pid=$2 seconds=$3
    shift 3
    local deadline=$((SECONDS + seconds))
    until "$@"; do
        if ! kill -0 "$pid" 2> /dev/null || [ "$SECONDS" -ge "$deadline" ]; then
            tail -n 15 "$LOGS/$name.log" >&2
            die "$name did not start; its log is $LOGS/$name.log"
        fi
        sleep 0.1
    done
}

# http_ready PORT PATH: whether a GET is answered with 200. Bash only: a bare machine has no curl.
http_ready() {
    (
        exec 4<> "/dev/tcp/127.0.0.1/$1" || exit 1
        printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&4
        IFS= read -r -t 5 line <&4
        [[ $line == HTTP/1.?\ 200* ]]
    ) 2> /dev/null
}
