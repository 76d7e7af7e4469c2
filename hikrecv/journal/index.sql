-- One row an event: what people search by, and what sightings need to go on.
-- All of it is derived from the journal.  Times are microseconds since 1970 (UTC).

CREATE TABLE version (version INTEGER NOT NULL);
INSERT INTO version VALUES (1);

-- Every push up to here has its rows.
CREATE TABLE progress (last_seq INTEGER NOT NULL);
INSERT INTO progress VALUES (0);

CREATE TABLE events (
    seq INTEGER NOT NULL,
    n INTEGER NOT NULL,
    id TEXT NOT NULL,
    key TEXT NOT NULL,
    received INTEGER NOT NULL,
    occurred INTEGER,
    device TEXT NOT NULL,
    channel TEXT,
    type TEXT NOT NULL,
    region TEXT,
    family TEXT NOT NULL,
    state TEXT NOT NULL,
    freshness TEXT NOT NULL,
    duplicate_of TEXT,
    episode TEXT,
    episode_count INTEGER NOT NULL,
    episode_first INTEGER,
    clock_offset INTEGER,
    clock_trial INTEGER,
    clock_steady INTEGER NOT NULL,
    clock_since INTEGER,
    mac TEXT,
    ip TEXT,
    peer_ip TEXT NOT NULL,
    trust TEXT NOT NULL,
    person TEXT,
    person_id TEXT,
    plate TEXT,
    employee_no TEXT,
    card_no TEXT,
    door INTEGER,
    outcome TEXT,
    -- all of it that is text, folded to one case, for searching
    words TEXT NOT NULL,
    PRIMARY KEY (seq, n)
) WITHOUT ROWID;

CREATE INDEX events_device ON events (device, seq, n);
CREATE INDEX events_family ON events (family, seq, n);

-- Which pushes were received in an hour: a search by time begins there.  Our clock may have been
-- set back, so hours can overlap.
CREATE TABLE hours (
    hour INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
);

-- One row a device: `seen` is JSON, see seen.py.
CREATE TABLE devices (
    device TEXT PRIMARY KEY,
    last_seq INTEGER NOT NULL,
    last_n INTEGER NOT NULL,
    seen TEXT NOT NULL
) WITHOUT ROWID;
