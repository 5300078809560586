-- Events that were acted on: a second delivery changes nothing.
create table inbox (
    event_id    binary(16)  not null primary key,
    kind        varchar(64) not null,
    received_at datetime(6) not null,
    key inbox_received (received_at)
) engine = innodb default character set utf8mb4 collate utf8mb4_bin;

-- What the newest event said of each visit.
create table visits (
    appointment_id binary(16)   not null primary key,
    version        int unsigned not null,
    status         varchar(16)  not null,
    start_at       datetime(6)  not null
) engine = innodb default character set utf8mb4 collate utf8mb4_bin;

-- Reminders ahead: one for each start that a visit has had and each offset before it.
create table reminders (
    appointment_id binary(16)   not null,
    start_at       datetime(6)  not null,
    offset_minutes int unsigned not null,
    patient_id     binary(16)   not null,
    due_at         datetime(6)  not null,
    expires_at     datetime(6)  not null,
    state          varchar(8)   not null default 'PLANNED',
    primary key (appointment_id, start_at, offset_minutes),
    constraint reminders_state check (state in ('PLANNED', 'RELEASED', 'DROPPED')),
    key reminders_due (state, due_at)
) engine = innodb default character set utf8mb4 collate utf8mb4_bin;

-- One message to one person over one channel.
create table notifications (
    id                  binary(16)   not null primary key,
    -- What is told, to whom, how: the same thing is told once.
    dedup_key           varchar(160) not null,
    user_id             binary(16)   not null,
    channel             varchar(8)   not null,
    category            varchar(16)  not null,
    template            varchar(48)  not null,
    state               varchar(16)  not null,
    skip_reason         varchar(32),
    -- Why it failed, as a code; never a provider's words.
    failure             varchar(64),
    attempts            int unsigned not null default 0,
    provider            varchar(16),
    provider_message_id varchar(128),
    appointment_id      binary(16),
    -- Which change of the visit it tells of.
    version             int unsigned not null default 0,
    -- What the wording needs: times, ids, and an administrator's own text until it is sent.
    facts               text         not null,
    -- Sent once more although the first may have arrived.
    possible_duplicate  boolean      not null default false,
    due_at              datetime(6)  not null,
    next_at             datetime(6)  not null,
    expires_at          datetime(6),
    claim               binary(16),
    claimed_until       datetime(6),
    created_at          datetime(6)  not null,
    sent_at             datetime(6),
    constraint notifications_dedup unique (dedup_key),
    constraint notifications_channel check (channel in ('EMAIL', 'SMS')),
    constraint notifications_state check (state in
        ('QUEUED', 'SENDING', 'AMBIGUOUS', 'SENT', 'DELIVERED', 'FAILED', 'SKIPPED')),
    key notifications_waiting (channel, state, next_at),
    key notifications_user (user_id, id),
    key notifications_appointment (appointment_id, user_id, id),
    key notifications_claim (claim),
    key notifications_provider (provider_message_id)
) engine = innodb default character set utf8mb4 collate utf8mb4_bin;

-- What providers told us, each thing once.
create table provider_events (
    provider        varchar(16)  not null,
    event_key       varchar(160) not null,
    notification_id binary(16),
    status          varchar(32)  not null,
    received_at     datetime(6)  not null,
    primary key (provider, event_key),
    key provider_events_notification (notification_id)
) engine = innodb default character set utf8mb4 collate utf8mb4_bin;

-- Numbers whose owners said STOP.
create table opt_outs (
    phone      varchar(16) not null primary key,
    created_at datetime(6) not null
) engine = innodb default character set utf8mb4 collate utf8mb4_bin;
