-- Before a password is looked at it is asked whether the account knows the network: however many sessions somebody
-- has begun at an account, the answer must take the same time, or it tells whose account lies next to an address.
-- Open sessions are counted at each login; ended ones stay until they would have expired and must not be read for it.
alter table sessions
    add index sessions_by_network (user_id, address),
    add index sessions_open (user_id, ended_at, id),
    drop index sessions_of_user;
