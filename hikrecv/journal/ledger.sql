-- The reactions' places and promises.  NOT derived: what is lost here nobody can make again.
-- Times are seconds since 1970 (UTC).

CREATE TABLE version (version INTEGER NOT NULL);
INSERT INTO version VALUES (1);

-- Everything up to `cursor` is done.  `done` ([[seq, n], ...]) is done above it; `tries`
-- ([{seq, n, attempts, error, first}, ...]) were tried and are not done.
CREATE TABLE places (
    reaction TEXT PRIMARY KEY,
    cursor INTEGER NOT NULL,
    placed INTEGER NOT NULL,
    paused INTEGER NOT NULL,
    suspended TEXT,
    removed_at REAL,
    last_success REAL,
    last_error TEXT,
    last_error_at REAL,
    done TEXT NOT NULL,
    tries TEXT NOT NULL
) WITHOUT ROWID;

-- At most once: this was begun, and must not be begun again.
CREATE TABLE marks (
    reaction TEXT NOT NULL,
    key TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (reaction, key)
) WITHOUT ROWID;
CREATE INDEX marks_at ON marks (at);

CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    reaction TEXT NOT NULL,
    event TEXT NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    n INTEGER NOT NULL,
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    at REAL NOT NULL,
    first REAL NOT NULL,
    UNIQUE (reaction, event)
);

CREATE TABLE cooldowns (
    reaction TEXT NOT NULL,
    who TEXT NOT NULL,
    received REAL NOT NULL,
    PRIMARY KEY (reaction, who)
) WITHOUT ROWID;
CREATE INDEX cooldowns_received ON cooldowns (received);

-- What a terminal was told, so that it is told the same again.
CREATE TABLE decisions (
    key TEXT PRIMARY KEY,
    answer INTEGER NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX decisions_at ON decisions (at);
