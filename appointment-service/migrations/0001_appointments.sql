-- People who take part in visits. A row is what a booking locks, first the doctor's, then the patient's;
-- the name is the one last heard from user-service, for the times when that is away.
create table people (
    id         binary(16)   not null primary key,
    name       varchar(255) not null,
    checked_at datetime(6)  not null
) engine = innodb default character set utf8mb4 collate utf8mb4_bin;

create table appointments (
    id                binary(16)   not null primary key,
    patient_id        binary(16)   not null,
    doctor_id         binary(16)   not null,
    start_at          datetime(6)  not null,
    end_at            datetime(6)  not null,
    time_zone         varchar(64)  not null,
    -- The date on the doctor's wall: what a filter by date means.
    local_date        date         not null,
    status            varchar(16)  not null,
    reason            varchar(1000),
    made_by           binary(16)   not null,
    made_by_role      varchar(16)  not null,
    -- When the patient (or the desk on their behalf) wanted this visit; null while only its doctor does.
    agreed_at         datetime(6),
    -- The rule at the time of booking goes on to hold for this visit.
    notice_minutes    int unsigned not null,
    cancelled_by      binary(16),
    cancelled_by_role varchar(16),
    cancelled_reason  varchar(1000),
    cancelled_at      datetime(6),
    version           int unsigned not null,
    created_at        datetime(6)  not null,
    updated_at        datetime(6)  not null,
    -- Second line of defence behind the row locks: two visits that begin together cannot both be stored.
    held_start        datetime(6) generated always as (case when status = 'CANCELLED' then null else start_at end) stored,
    constraint doctor_start_taken unique (doctor_id, held_start),
    constraint patient_start_taken unique (patient_id, held_start),
    constraint appointment_doctor foreign key (doctor_id) references people (id),
    constraint appointment_patient foreign key (patient_id) references people (id),
    constraint appointment_status check (status in ('BOOKED', 'CONFIRMED', 'COMPLETED', 'CANCELLED', 'NO_SHOW')),
    constraint appointment_maker check (made_by_role in ('PATIENT', 'DOCTOR', 'ADMIN')),
    -- The overlap search looks back one day: no visit may be longer.
    constraint appointment_length check (end_at > start_at and end_at <= start_at + interval 1 day),
    constraint appointment_cancellation check ((status = 'CANCELLED') = (cancelled_at is not null)),
    key appointments_by_start (start_at, id),
    key appointments_of_doctor (doctor_id, start_at, id),
    key appointments_of_patient (patient_id, start_at, id),
    key appointments_made (made_by, created_at)
) engine = innodb default character set utf8mb4 collate utf8mb4_bin;

-- What happened to a visit, one row for each version. Rows are added and never touched again.
create table appointment_changes (
    appointment_id binary(16)   not null,
    version        int unsigned not null,
    action         varchar(16)  not null,
    from_status    varchar(16),
    to_status      varchar(16)  not null,
    from_start_at  datetime(6),
    to_start_at    datetime(6)  not null,
    changed_by     binary(16)   not null,
    changed_by_role varchar(16) not null,
    reason         varchar(1000),
    changed_at     datetime(6)  not null,
    primary key (appointment_id, version),
    constraint change_appointment foreign key (appointment_id) references appointments (id)
) engine = innodb default character set utf8mb4 collate utf8mb4_bin;

-- Answers to requests that carried an Idempotency-Key, so that a repeat hears the first answer again.
create table idempotency_keys (
    caller_id       binary(16)   not null,
    idempotency_key varchar(255) character set ascii collate ascii_bin not null,
    body_hash       binary(32)   not null,
    -- Who works on it. A process that died is succeeded after the lease, and can then no longer commit.
    attempt         binary(16)   not null,
    leased_until    datetime(6)  not null,
    status          smallint unsigned,
    location        varchar(255),
    answer          mediumtext,
    created_at      datetime(6)  not null,
    primary key (caller_id, idempotency_key),
    key idempotency_by_age (created_at)
) engine = innodb default character set utf8mb4 collate utf8mb4_bin;
