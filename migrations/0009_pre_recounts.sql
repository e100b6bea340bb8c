-- How often tallies were counted anew: processes that go on writing drop those they remember.
alter table log_head add column recounts bigint not null default 0;
