-- How many SMS went out lately is asked before each.
create index notifications_volume on notifications (channel, created_at);
