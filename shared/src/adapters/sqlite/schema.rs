//! The tables, as `sqlite3 backup.db .schema` shows them.

use rusqlite::{Connection, TransactionBehavior};

/// Marks a file as ours: "CUPB" in SQLite's `application_id`.
pub(super) const APPLICATION_ID: u32 = 0x4355_5042;

/// The format this version writes, in SQLite's `user_version`.
pub(super) const FORMAT: u32 = 3;

/// Makes an empty database ours, all at once.
pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for part in [TABLES, DEAD_LETTERS, IMPORTS, MAPPINGS, VIEWS] {
        transaction.execute_batch(part)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// Brings a file of an earlier format to this one, all at once. Its versions are as they were;
/// a run or an import that was interrupted goes on.
pub(super) fn upgrade(connection: &mut Connection) -> rusqlite::Result<()> {
    let format = format_of(connection)?;
    if format >= FORMAT {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if format < 2 {
        transaction.execute_batch("ALTER TABLE listings ADD COLUMN sent INTEGER NOT NULL DEFAULT FALSE")?;
        transaction.execute_batch(DEAD_LETTERS)?;
    }
    transaction.execute_batch(
        "ALTER TABLE listings ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE listings ADD COLUMN held INTEGER NOT NULL DEFAULT FALSE;
         ALTER TABLE listings ADD COLUMN attempts TEXT NOT NULL DEFAULT '[[0,0]]';
         -- Who read them had no need to let go of them.
         UPDATE listings SET restarts = attempt, held = TRUE, attempts = '[[' || attempt || ',0]]';",
    )?;
    transaction.execute_batch(IMPORTS)?;
    transaction.execute_batch(IMPORTS_OF_FORMAT_2)?;
    transaction.execute_batch(
        "DROP TABLE imports;
         ALTER TABLE mappings ADD COLUMN created_with TEXT NOT NULL DEFAULT 'admin-api';
         ALTER TABLE mappings ADD COLUMN line INTEGER;",
    )?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// Lets a file of an earlier format be read as one of this, without changing it: what it lacks is
/// in temporary tables, which go before its own.
pub(super) fn make_readable(connection: &Connection) -> rusqlite::Result<()> {
    if format_of(connection)? >= FORMAT {
        return Ok(());
    }
    connection.execute_batch(&IMPORTS.replace("CREATE TABLE", "CREATE TEMP TABLE"))?;
    connection.execute_batch(IMPORTS_OF_FORMAT_2)?;
    connection.execute_batch(
        "CREATE TEMP VIEW mappings AS SELECT *, 'admin-api' AS created_with, NULL AS line FROM main.mappings",
    )
}

fn format_of(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

// A version's content never moves: what moves from `current` to `history`, what `heads` reads,
// and what an unchanged user is compared with, is a short row without it. Measured with 400,000
// users of 800 bytes, against one table with the content inside, as rowid table with a unique
// index and as WITHOUT ROWID:
//     a page of new users      2.3 ms; 1.7 and 4.7 ms
//     a page of unchanged ones 0.4 ms; 0.7 and 1.0 ms
//     all heads                0.5 s;  1.7 and 0.8 s
//     bytes for each user      929;    1085 and 1208
const TABLES: &str = "
CREATE TABLE pools (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    latest INTEGER               -- when a version last began or ended
);

CREATE TABLE run_ids (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE contents (id INTEGER PRIMARY KEY, json TEXT NOT NULL);

CREATE TABLE current (
    pool INTEGER NOT NULL,       -- pools.id
    kind INTEGER NOT NULL,       -- 0 settings, 1 group, 2 user, 3 membership
    grp TEXT NOT NULL,           -- the group of a membership; else empty
    shard TEXT NOT NULL,         -- first hex digits of sub; empty for settings and groups
    key TEXT NOT NULL,           -- sub, or the group's name
    valid_from INTEGER NOT NULL, -- milliseconds since 1970, UTC
    run INTEGER NOT NULL,        -- run_ids.id of the run that first saw it so
    change INTEGER NOT NULL,     -- to that run it was 0 new, 1 changed
    hash BLOB NOT NULL,          -- SHA-256 of the content
    content INTEGER NOT NULL,    -- contents.id
    PRIMARY KEY (pool, kind, grp, shard, key)
) WITHOUT ROWID;

CREATE TABLE history (
    pool INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    grp TEXT NOT NULL,
    shard TEXT NOT NULL,
    key TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER NOT NULL,   -- if it is valid_from: never so, but gone since then
    run INTEGER NOT NULL,
    change INTEGER NOT NULL,
    hash BLOB NOT NULL,
    content INTEGER NOT NULL,
    PRIMARY KEY (pool, kind, grp, shard, key, valid_from)
) WITHOUT ROWID;

CREATE TABLE runs (
    pool INTEGER NOT NULL,
    run INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    record TEXT NOT NULL,        -- JSON
    PRIMARY KEY (pool, run)
) WITHOUT ROWID;

-- The ledger of runs that have not ended.
CREATE TABLE listings (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    listing TEXT NOT NULL,       -- JSON
    attempt INTEGER NOT NULL,
    pages INTEGER NOT NULL,
    token TEXT,
    ended INTEGER NOT NULL,
    sent INTEGER NOT NULL,       -- whether it was handed to who reads it
    restarts INTEGER NOT NULL DEFAULT 0, -- since format 3, as the next two
    held INTEGER NOT NULL DEFAULT FALSE, -- whether someone reads it
    attempts TEXT NOT NULL DEFAULT '[[0,0]]', -- JSON: whose the pages are from which number on
    UNIQUE (run, listing)
);

CREATE TABLE pages (
    run INTEGER NOT NULL,
    listing TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (run, listing, attempt, number)
) WITHOUT ROWID;

CREATE TABLE seen (
    run INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    grp TEXT NOT NULL,
    lead TEXT NOT NULL,          -- the first character of the shard
    number INTEGER NOT NULL,
    keys BLOB NOT NULL,          -- of one page: for each 4 bytes of length, then shard and key
    PRIMARY KEY (run, kind, grp, lead, number)
) WITHOUT ROWID;

CREATE TABLE gone (
    run INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    grp TEXT NOT NULL,
    shard TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (run, kind, grp, shard, key)
) WITHOUT ROWID;

CREATE TABLE import_ids (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE outcomes (
    import INTEGER NOT NULL,
    kind INTEGER NOT NULL,       -- 1 group, 2 disabling, 3 membership, 4 second factor, 5 links
    grp TEXT NOT NULL,
    key TEXT NOT NULL,
    failure TEXT,                -- absent if it is done
    PRIMARY KEY (import, kind, grp, key)
) WITHOUT ROWID;
";

/// Whether a record is of a pool or a run that nothing names: no reader would find it.
pub(super) const NAMELESS: &str = "
SELECT EXISTS (
    SELECT 1 FROM (SELECT pool, run FROM current UNION ALL SELECT pool, run FROM history
                   UNION ALL SELECT pool, run FROM runs)
    WHERE pool NOT IN (SELECT id FROM pools) OR run NOT IN (SELECT id FROM run_ids)
)";

/// Whether there are records of a pool without any run. (What is copied from a retired table is
/// there before its run is.)
pub(super) const RUNLESS: &str = "
SELECT EXISTS (
    SELECT 1 FROM pools p
    WHERE p.name NOT LIKE 'dynamodb-v1:%' AND EXISTS (SELECT 1 FROM current WHERE pool = p.id)
      AND NOT EXISTS (SELECT 1 FROM runs WHERE pool = p.id)
)";

/// What format 2 has of imports beside its `outcomes`.
const MAPPINGS: &str = "
CREATE TABLE mappings (
    import INTEGER NOT NULL,
    sub TEXT NOT NULL,
    username TEXT NOT NULL,
    new_sub TEXT,
    new_username TEXT,
    state TEXT NOT NULL,
    reason TEXT,
    created_with TEXT NOT NULL DEFAULT 'admin-api', -- since format 3, as the next
    line INTEGER,                -- of the import job's file
    PRIMARY KEY (import, sub)
) WITHOUT ROWID;

CREATE INDEX mappings_by_new_sub ON mappings (import, new_sub) WHERE new_sub IS NOT NULL;
";

/// Since format 3.
const IMPORTS: &str = "
CREATE TABLE import_records (
    import INTEGER PRIMARY KEY,  -- import_ids.id
    into_pool TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    record TEXT NOT NULL         -- JSON
);

CREATE TABLE sent (
    import INTEGER NOT NULL,
    name BLOB NOT NULL,          -- SHA-256 of the name
    sub TEXT NOT NULL,
    job INTEGER,
    line INTEGER,
    PRIMARY KEY (import, name)
) WITHOUT ROWID;

CREATE TABLE jobs (
    import INTEGER NOT NULL,
    number INTEGER NOT NULL,
    record TEXT NOT NULL,        -- JSON
    PRIMARY KEY (import, number)
) WITHOUT ROWID;

CREATE TABLE differences (
    import INTEGER NOT NULL,
    listing TEXT NOT NULL,       -- the run that listed the new pool
    number INTEGER NOT NULL,
    record TEXT NOT NULL,        -- JSON
    PRIMARY KEY (import, listing, number)
) WITHOUT ROWID;
";

/// Takes over the records of imports of an earlier format.
const IMPORTS_OF_FORMAT_2: &str = "
INSERT INTO import_records
SELECT import, into_pool, started_at, json_object(
    'id', (SELECT name FROM import_ids WHERE id = import),
    'from_pool', from_pool, 'into_pool', into_pool, 'run', run,
    'as_of', strftime('%Y-%m-%dT%H:%M:%fZ', as_of / 1000.0, 'unixepoch'),
    'options', json(options), 'status', status,
    'started_at', strftime('%Y-%m-%dT%H:%M:%fZ', started_at / 1000.0, 'unixepoch'),
    'ended_at', strftime('%Y-%m-%dT%H:%M:%fZ', ended_at / 1000.0, 'unixepoch'))
FROM imports;
";

/// Since format 2, as is `listings.sent`.
const DEAD_LETTERS: &str = "
CREATE TABLE dead_letters (
    run INTEGER NOT NULL,
    message TEXT NOT NULL,       -- JSON: which
    letter TEXT NOT NULL,        -- JSON: what became of it
    PRIMARY KEY (run, message)
) WITHOUT ROWID;
";

/// For people who open the file; nothing here reads them.
const VIEWS: &str = "
CREATE VIEW users AS
SELECT p.name AS pool,
       c.key AS sub,
       json_extract(t.json, '$.username') AS username,
       json_extract(t.json, '$.attributes.email') AS email,
       json_extract(t.json, '$.attributes.phone_number') AS phone_number,
       json_extract(t.json, '$.status') AS status,
       json_extract(t.json, '$.enabled') AS enabled,
       json_extract(t.json, '$.created_at') AS created_at,
       json_extract(t.json, '$.modified_at') AS modified_at,
       json_extract(t.json, '$.attributes') AS attributes,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.valid_from / 1000.0, 'unixepoch') AS valid_from
FROM current c JOIN pools p ON p.id = c.pool JOIN contents t ON t.id = c.content
WHERE c.kind = 2;

CREATE VIEW groups AS
SELECT p.name AS pool,
       c.key AS name,
       json_extract(t.json, '$.description') AS description,
       json_extract(t.json, '$.precedence') AS precedence,
       json_extract(t.json, '$.role_arn') AS role_arn,
       json_extract(t.json, '$.created_at') AS created_at,
       json_extract(t.json, '$.modified_at') AS modified_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.valid_from / 1000.0, 'unixepoch') AS valid_from
FROM current c JOIN pools p ON p.id = c.pool JOIN contents t ON t.id = c.content
WHERE c.kind = 1;

CREATE VIEW memberships AS
SELECT p.name AS pool,
       c.grp AS \"group\",
       c.key AS sub,
       json_extract(t.json, '$.username') AS username,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.valid_from / 1000.0, 'unixepoch') AS valid_from
FROM current c JOIN pools p ON p.id = c.pool JOIN contents t ON t.id = c.content
WHERE c.kind = 3;
";
