CREATE TABLE command ( command_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, created_at DOUBLE NOT NULL, FOREIGN KEY(run_id) REFERENCES run (run_id) );
CREATE TABLE event ( run_id TEXT NOT NULL, seq BIGINT NOT NULL, at DOUBLE NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, payload TEXT, PRIMARY KEY (run_id, seq) ) WITHOUT ROWID ;
CREATE TABLE run ( run_id TEXT NOT NULL, parent_id TEXT, forked_from TEXT, task TEXT, status TEXT NOT NULL, created_at DOUBLE NOT NULL, finished_at DOUBLE, holder TEXT, fence BIGINT NOT NULL, heartbeat BIGINT NOT NULL, PRIMARY KEY (run_id) );
CREATE TABLE treadle_schema ( version_num VARCHAR(32) NOT NULL, CONSTRAINT treadle_schema_pkc PRIMARY KEY (version_num) );
INSERT INTO "treadle_schema" VALUES('0001');
CREATE INDEX run_by_time ON run (created_at);
CREATE INDEX run_by_parent ON run (parent_id);
CREATE INDEX command_by_run ON command (run_id);
