-- Text that is compared as an identity is binary-collated; only what people search by (names, specializations) is not.

create table users (
    id                  binary(16)   not null primary key,
    -- As it was typed, for messages to its owner.
    email               varchar(254) character set utf8mb4 collate utf8mb4_bin not null,
    -- The canonical form: one mailbox, one account.
    email_key           varchar(254) character set utf8mb4 collate utf8mb4_bin not null,
    name                varchar(200) character set utf8mb4 collate utf8mb4_unicode_ci not null,
    role                varchar(16)  character set ascii collate ascii_bin not null,
    status              varchar(16)  character set ascii collate ascii_bin not null,
    phone               varchar(20)  character set ascii collate ascii_bin null,
    time_zone           varchar(64)  character set ascii collate ascii_bin not null,
    password_hash       varchar(255) character set ascii collate ascii_bin not null,
    password_changed_at datetime(6)  not null,
    preferences         text         character set utf8mb4 collate utf8mb4_bin not null,
    created_at          datetime(6)  not null,
    updated_at          datetime(6)  not null,
    constraint users_email unique (email_key),
    constraint users_role check (role in ('ADMIN', 'DOCTOR', 'PATIENT')),
    constraint users_status check (status in ('ACTIVE', 'SUSPENDED')),
    index users_role_status (role, status, id)
);

create table doctors (
    user_id           binary(16)   not null primary key,
    specialization    varchar(100) character set utf8mb4 collate utf8mb4_unicode_ci not null,
    license_number    varchar(64)  character set utf8mb4 collate utf8mb4_bin null,
    verification      varchar(16)  character set ascii collate ascii_bin not null,
    verification_note varchar(500) character set utf8mb4 collate utf8mb4_bin null,
    verified_by       binary(16)   null,
    verified_at       datetime(6)  null,
    availability      mediumtext   character set utf8mb4 collate utf8mb4_bin not null,
    constraint doctors_user foreign key (user_id) references users (id),
    constraint doctors_verification check (verification in ('PENDING', 'VERIFIED', 'REJECTED')),
    index doctors_directory (verification, specialization)
);

-- One row per login on one device. The refresh token is not stored: it is a MAC over id, salt and generation,
-- and only the current generation is good.
create table sessions (
    id           binary(16)   not null primary key,
    user_id      binary(16)   not null,
    salt         binary(16)   not null,
    generation   bigint       not null,
    rotated_at   datetime(6)  not null,
    client       binary(32)   not null,
    address      varchar(45)  character set ascii collate ascii_bin not null,
    user_agent   varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    created_at   datetime(6)  not null,
    last_used_at datetime(6)  not null,
    expires_at   datetime(6)  not null,
    ended_at     datetime(6)  null,
    end_reason   varchar(32)  character set ascii collate ascii_bin null,
    constraint sessions_user foreign key (user_id) references users (id),
    index sessions_of_user (user_id, id),
    index sessions_by_expiry (expires_at)
);

-- Failed attempts by account, by known device of an account, and by network address.
create table throttles (
    scope      varchar(16) character set ascii collate ascii_bin not null,
    subject    binary(32)  not null,
    failures   double      not null,
    updated_at datetime(6) not null,
    blocked_until datetime(6) not null,
    primary key (scope, subject),
    index throttles_by_age (updated_at)
);

create table signing_keys (
    kid            varchar(43)    character set ascii collate ascii_bin not null primary key,
    public_key     binary(32)     not null,
    -- PKCS#8, sealed with AES-256-GCM under a key derived from MASTER_KEY.
    private_sealed varbinary(512) not null,
    created_at     datetime(6)    not null,
    signs_from     datetime(6)    not null,
    expires_at     datetime(6)    null
);

create table revocations (
    seq        bigint      not null primary key,
    session_id binary(16)  not null,
    until      datetime(6) not null,
    index revocations_by_end (until)
);

create table password_resets (
    id         binary(16)  not null primary key,
    user_id    binary(16)  not null,
    created_at datetime(6) not null,
    expires_at datetime(6) not null,
    closed_at  datetime(6) null,
    constraint password_resets_user foreign key (user_id) references users (id),
    index password_resets_of_user (user_id, created_at),
    index password_resets_by_expiry (expires_at)
);

-- Wishes for a reset as they came in, known address or not: answering costs the same for both.
create table password_reset_requests (
    id           binary(16)   not null primary key,
    email_key    varchar(254) character set utf8mb4 collate utf8mb4_bin not null,
    address      varchar(45)  character set ascii collate ascii_bin not null,
    requested_at datetime(6)  not null
);

create table second_factors (
    user_id       binary(16)     not null primary key,
    secret_sealed varbinary(256) not null,
    created_at    datetime(6)    not null,
    confirmed_at  datetime(6)    null,
    -- The last time step that was accepted: a code is good once.
    last_step     bigint         not null,
    constraint second_factors_user foreign key (user_id) references users (id)
);

create table recovery_codes (
    user_id   binary(16) not null,
    code_hash binary(32) not null,
    used_at   datetime(6) null,
    primary key (user_id, code_hash),
    constraint recovery_codes_user foreign key (user_id) references users (id)
);

-- Only ever inserted into. Each row's MAC covers the one before it.
create table audit (
    seq        bigint       not null primary key,
    at         datetime(6)  not null,
    action     varchar(64)  character set ascii collate ascii_bin not null,
    outcome    varchar(16)  character set ascii collate ascii_bin not null,
    actor_id   binary(16)   null,
    user_id    binary(16)   null,
    session_id binary(16)   null,
    address    varchar(45)  character set ascii collate ascii_bin null,
    request_id varchar(128) character set ascii collate ascii_bin null,
    details    text         character set utf8mb4 collate utf8mb4_bin not null,
    mac        binary(32)   not null,
    index audit_of_user (user_id, seq),
    index audit_by_action (action, seq),
    index audit_by_time (at)
);

-- Rows to lock: each serializes one thing across all instances. `value` and `mark` are the thing's own state.
create table guards (
    name  varchar(32)    character set ascii collate ascii_bin not null primary key,
    value bigint         not null,
    mark  varbinary(32)  not null
);

insert into guards (name, value, mark) values
    ('admins', 0, ''), ('signing-keys', 0, ''), ('revocations', 0, ''), ('audit', 0, repeat(char(0), 32));
