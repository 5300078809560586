# shellcheck shell=bash
# Creates MongoDB users by speaking the wire protocol from bash: the plain mongod that `dev/servers`
# uses comes without a shell, and nothing else on a bare machine speaks it. Documents are built as
# hex text, since bash variables hold no NUL. Needs dev/lib.sh.

hex_of() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }
unhex() { printf '%b' "$(printf '%s' "$1" | sed 's/../\\x&/g')"; }
le32() { printf '%02x%02x%02x%02x' $(($1 & 255)) $((($1 >> 8) & 255)) $((($1 >> 16) & 255)) $((($1 >> 24) & 255)); }

bson_string() { # NAME VALUE
    local value
    value=$(hex_of "$2")00
    printf '02%s00%s%s' "$(hex_of "$1")" "$(le32 $((${#value} / 2)))" "$value"
}
bson_document() { # ELEMENT…
    local inner
    inner=$(printf '%s' "$@")
    printf '%s%s00' "$(le32 $((${#inner} / 2 + 5)))" "$inner"
}
bson_array() { printf '04%s00%s' "$(hex_of "$1")" "$(bson_document "${@:2}")"; } # NAME ELEMENT…

role() { # INDEX ROLE DATABASE
    printf '03%s00%s' "$(hex_of "$1")" "$(bson_document "$(bson_string role "$2")" "$(bson_string db "$3")")"
}

# mongo_create_user PORT USER PASSWORD ROLE…, each ROLE made by `role`.
mongo_create_user() {
    local port=$1 user=$2 password=$3 command
    shift 3
    command=$(bson_document "$(bson_string createUser "$user")" "$(bson_string pwd "$password")" \
        "$(bson_array roles "$@")" "$(bson_string \$db admin)")
    mongo_run "$port" "$command"
}

# mongo_run PORT COMMAND: one OP_MSG (2013) there, one back, which must hold "ok": 1.0. A user who is there
# already (code 51003) is the leaving of a run that was cut short.
mongo_run() {
    local body=0000000000$2 length reply
    exec 3<> "/dev/tcp/127.0.0.1/$1"
    unhex "$(le32 $((${#body} / 2 + 16)))$(le32 1)$(le32 0)$(le32 2013)$body" >&3
    length=$(od -An -v -N4 -tu4 --endian=little <&3)
    reply=$(head -c $((length - 4)) <&3 | od -An -v -tx1 | tr -d ' \n')
    exec 3>&-
    case $reply in
        *016f6b00000000000000f03f* | *10636f6465003bc70000*) ;;
        *) die "mongod refused a command: $(unhex "$reply" | tr -cd '[:print:]')" ;;
    esac
}
