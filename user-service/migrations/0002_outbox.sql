create table outbox (
    seq          bigint unsigned not null auto_increment primary key,
    event_id     binary(16)      not null,
    body         mediumtext      not null,
    state        varchar(8)      not null default 'NEW',
    attempts     int unsigned    not null default 0,
    -- Not before this moment: pushed ahead while a relay works on the row, and after a failure.
    available_at datetime(6)     not null,
    sent_at      datetime(6),
    constraint outbox_event unique (event_id),
    constraint outbox_state check (state in ('NEW', 'SENT')),
    key outbox_waiting (state, available_at),
    key outbox_sent (state, sent_at)
) engine = innodb default character set utf8mb4 collate utf8mb4_bin;
