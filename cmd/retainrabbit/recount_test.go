package main

import (
	"database/sql"
	"testing"

	"github.com/matryer/is"
)

// recount counts the live sessions of a SQLite file row by row, and checks the file.
func recount(t *testing.T, path string) counts {
	t.Helper()
	is := is.New(t)
	db, err := sql.Open("sqlite", path)
	is.NoErr(err)
	defer db.Close()
	var verdict string
	is.NoErr(db.QueryRow("PRAGMA integrity_check").Scan(&verdict))
	is.Equal(verdict, "ok")
	return recountIn(t, db)
}

// recountPostgres counts the live sessions of a PostgreSQL database row by row.
func recountPostgres(t *testing.T, url string) counts {
	t.Helper()
	db, err := sql.Open("pgx", url)
	is.New(t).NoErr(err)
	defer db.Close()
	return recountIn(t, db)
}

func recountIn(t *testing.T, db *sql.DB) (c counts) {
	t.Helper()
	is.New(t).NoErr(db.QueryRow(`SELECT COUNT(*), COUNT(*) FILTER (WHERE outcome = 'saved'), COUNT(*) FILTER (WHERE outcome = 'canceled'),
		COUNT(*) FILTER (WHERE outcome = 'pending') FROM sessions WHERE test = 0`).Scan(&c.Sessions, &c.Saved, &c.Canceled, &c.Pending))
	return c
}
