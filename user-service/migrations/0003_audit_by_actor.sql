-- `GET /audit?user_id=` also finds what that user did to others.
create index audit_of_actor on audit (actor_id, seq);
