# shellcheck shell=bash
# What each service is told when it starts on this machine: ports, servers, secrets. Needs dev/lib.sh.
# A variable of the caller's wins over what stands here, so that MYSQL_URL and the like point the fleet
# at servers of the user's own.

DOMAIN_SERVICES=(user-service appointment-service medical-record-service notification-service)
SERVICES=(config-server discovery-server "${DOMAIN_SERVICES[@]}" api-gateway)

declare -A DEFAULT_PORTS=(
    [api-gateway]=8080 [user-service]=8081 [appointment-service]=8082 [medical-record-service]=8083
    [notification-service]=8084 [discovery-server]=8761 [config-server]=8888
)

constant_case() { local name=${1^^}; printf '%s' "${name//-/_}"; }
port_variable() { printf '%s_PORT' "$(constant_case "$1")"; }
port_of_service() {
    local variable
    variable=$(port_variable "$1")
    printf '%s' "${!variable:-${DEFAULT_PORTS[$1]}}"
}

# `user-service-2` is the second instance of `user-service`.
service_of() { [[ $1 =~ ^(.+)-[0-9]+$ ]] && printf '%s' "${BASH_REMATCH[1]}" || printf '%s' "$1"; }
number_of() { [[ $1 =~ -([0-9]+)$ ]] && printf '%s' "${BASH_REMATCH[1]}" || printf 1; }

# chosen_by_user VARIABLE OURS: whether the caller set it to something that is not ours anyhow, as it is
# after sourcing .dev/env.
chosen_by_user() { [ -n "${!1:-}" ] && [ "${!1}" != "$2" ]; }

private_mysql_url() { # ACCOUNT DATABASE
    printf 'mysql://%s:%s@127.0.0.1:%s/%s' "$1" "$(secret "mysql-$1")" "${DEV_MYSQL_PORT:-13306}" "$2"
}
private_mongodb_url() {
    printf 'mongodb://medical_record_service:%s@127.0.0.1:%s/medical_record_service?authSource=admin' \
        "$(secret mongodb-medical_record_service)" "${DEV_MONGODB_PORT:-37017}"
}
private_amqp_url() { printf 'amqp://healthcare:%s@127.0.0.1:%s/healthcare' "$(secret amqp-healthcare)" "${DEV_AMQP_PORT:-15673}"; }

# The URL of one service's database: its own variable, the user's server, or the private one.
mysql_url() { # SERVICE
    local database=${1//-/_} variable private
    variable=$(constant_case "$1")_MYSQL_URL
    private=$(private_mysql_url "$database" "$database")
    if chosen_by_user "$variable" "$private"; then
        printf '%s' "${!variable}"
    elif chosen_by_user MYSQL_URL "$(private_mysql_url admin '')"; then
        [[ $MYSQL_URL =~ ^(mysql://[^/?]+)/?(\?.*)?$ ]] \
            || die "MYSQL_URL names a database, but each service has its own: leave the name out, or set ${variable}"
        printf '%s/%s%s' "${BASH_REMATCH[1]}" "$database" "${BASH_REMATCH[2]}"
    else
        printf '%s' "$private"
    fi
}
mongodb_url() { printf '%s' "${MONGODB_URL:-$(private_mongodb_url)}"; }
amqp_url() { printf '%s' "${AMQP_URL:-$(private_amqp_url)}"; }

# The private servers that somebody will talk to.
needed_servers() {
    local service
    for service in user-service appointment-service notification-service; do
        if [ "$(mysql_url "$service")" = "$(private_mysql_url "${service//-/_}" "${service//-/_}")" ]; then
            echo mysql
            break
        fi
    done
    chosen_by_user MONGODB_URL "$(private_mongodb_url)" || echo mongod
    chosen_by_user AMQP_URL "$(private_amqp_url)" || echo rabbitmq
}

# The administrator is made once; what the caller says later would only be wrong.
admin_email() { secret admin-email given_email; }
admin_password() { secret admin-password given_password; }
given_email() { printf '%s' "${ADMIN_EMAIL:-admin@healthcare.local}"; }
given_password() { printf '%s' "${ADMIN_PASSWORD:-$(random_hex 12)}"; }

private_eureka_url() { # ACCOUNT
    printf 'http://%s:%s@127.0.0.1:%s/eureka/' "$1" "$(secret "service-$1")" "$(port_of_service discovery-server)"
}
private_config_url() { # ACCOUNT
    printf 'http://%s:%s@127.0.0.1:%s' "$1" "$(secret "service-$1")" "$(port_of_service config-server)"
}
eureka_url() { # ACCOUNT
    if chosen_by_user EUREKA_URL "$(private_eureka_url admin)"; then printf '%s' "$EUREKA_URL"; else private_eureka_url "$1"; fi
}
config_server_url() { # ACCOUNT
    if chosen_by_user CONFIG_SERVER_URL "$(private_config_url admin)"; then printf '%s' "$CONFIG_SERVER_URL"; else private_config_url "$1"; fi
}

# `name:secret,name:secret,…` of every service, and of further accounts.
credentials() { # FURTHER…
    local name list=''
    for name in "${SERVICES[@]}" "$@"; do list+=${list:+,}$name:$(secret "service-$name"); done
    printf '%s' "$list"
}

# For /actuator/info. Where git has no answer, or nothing is built yet, nothing is said.
of_commit() { git -C "$ROOT" log -1 --format="$1" 2> /dev/null || true; } # FORMAT
built_at() { date -u -r "$BINARIES/$1" +%FT%TZ 2> /dev/null || true; }    # SERVICE

# service_environment INSTANCE PORT: fills ENVIRONMENT with VARIABLE=value words.
service_environment() {
    local name
    name=$(service_of "$1")
    ENVIRONMENT=(
        "$(port_variable "$name")=$2"
        "SERVICE_SECRET=$(secret "service-$name")"
        "AUTH_ISSUER_URL=${AUTH_ISSUER_URL:-http://127.0.0.1:$(port_of_service user-service)}"
        "AUTH_JWKS_URL=${AUTH_JWKS_URL:-http://127.0.0.1:$(port_of_service user-service)/.well-known/jwks.json}"
        "AMQP_URL=$(amqp_url)"
        "EUREKA_URL=$(eureka_url "$name")"
        # What an instance knew last, for a start while the registry or the config-server is away.
        "EUREKA_CACHE_FILE=$DEV/state/$1.registry.json"
        "CONFIG_SERVER_CACHE_DIR=$DEV/state"
        "CONFIG_SERVER_REQUIRE_SIGNATURE=${CONFIG_SERVER_REQUIRE_SIGNATURE:-true}"
        "BUILD_COMMIT=$(of_commit %H)"
        "BUILD_BRANCH=$(git -C "$ROOT" symbolic-ref --short -q HEAD 2> /dev/null || true)"
        "BUILD_COMMIT_TIME=$(of_commit %cI)"
        "BUILD_TIME=$(built_at "$name")"
    )
    # It cannot ask itself.
    [ "$name" = config-server ] || ENVIRONMENT+=("CONFIG_SERVER_URL=$(config_server_url "$name")")
    case $name in
        discovery-server)
            ENVIRONMENT+=("DISCOVERY_CREDENTIALS=$(credentials admin)" "DISCOVERY_SNAPSHOT_FILE=$DEV/state/registry.json")
            ;;
        config-server) 
            ENVIRONMENT+=("CONFIG_CREDENTIALS=$(credentials admin)" "CONFIG_FOLDER=${CONFIG_FOLDER:-$ROOT/config}"
                "ENCRYPT_KEY=${ENCRYPT_KEY:-$(secret encrypt-key)}")
            ;;
        user-service)
            ENVIRONMENT+=("MYSQL_URL=$(mysql_url "$name")" "SERVICE_SECRETS=$(credentials)"
                "MASTER_KEY=${MASTER_KEY:-$(secret master-key random_base64 32)}"
                "ADMIN_EMAIL=$(admin_email)" "ADMIN_PASSWORD=$(admin_password)")
            ;;
        appointment-service) ENVIRONMENT+=("MYSQL_URL=$(mysql_url "$name")") ;;
        medical-record-service)
            ENVIRONMENT+=("MONGODB_URL=$(mongodb_url)" "RECORDS_KEY=${RECORDS_KEY:-$(secret records-key random_base64 32)}")
            ;;
        notification-service)
            ENVIRONMENT+=("MYSQL_URL=$(mysql_url "$name")" "MAIL_DIR=${MAIL_DIR:-$DEV/mail}" "SMS_DIR=${SMS_DIR:-$DEV/sms}")
            ;;
    esac
}

# Everything that a person or a program needs to talk to the running fleet.
write_env_file() {
    local service
    {
        echo '# To source: how to talk to the running fleet. Written by make up.'
        export_line API_URL "http://localhost:$(port_of_service api-gateway)"
        export_line ADMIN_EMAIL "$(admin_email)"
        export_line ADMIN_PASSWORD "$(admin_password)"
        export_line EUREKA_URL "$(eureka_url admin)"
        export_line CONFIG_SERVER_URL "$(config_server_url admin)"
        export_line MYSQL_URL "${MYSQL_URL:-$(private_mysql_url admin '')}"
        for service in user-service appointment-service notification-service; do
            export_line "$(constant_case "$service")_MYSQL_URL" "$(mysql_url "$service")"
        done
        export_line MONGODB_URL "$(mongodb_url)"
        export_line AMQP_URL "$(amqp_url)"
        export_line MAIL_DIR "${MAIL_DIR:-$DEV/mail}"
        export_line SMS_DIR "${SMS_DIR:-$DEV/sms}"
    } > "$DEV/env.new"
    mv "$DEV/env.new" "$DEV/env"
}
export_line() { printf "export %s='%s'\n" "$1" "${2//\'/\'\\\'\'}"; }
