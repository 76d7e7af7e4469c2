-- The offsets of the devices' clocks that are trusted where something acts, and on what evidence:
-- JSON of `hikrecv.sightings.clocks.Trusted`, whose times are microseconds since 1970.
CREATE TABLE clocks (
    device TEXT PRIMARY KEY,
    known TEXT NOT NULL
);

-- What is deleted for its age has that age by the steady clock (`hikrecv.journal.steady`), in seconds:
-- `marks.at`, `decisions.at`, `places.removed_at`, `cooldowns.at`.  What is there has its whole time
-- before it once more, because nobody knows how right the wall clock was by which it was written down.
UPDATE marks SET at = 0;
UPDATE decisions SET at = 0;
UPDATE places SET removed_at = 0 WHERE removed_at IS NOT NULL;
ALTER TABLE cooldowns ADD COLUMN at REAL NOT NULL DEFAULT 0;
DROP INDEX cooldowns_received;
CREATE INDEX cooldowns_at ON cooldowns (at);
