package main

import (
	"database/sql"
	"testing"

	"github.com/matryer/is"
)

// recount counts the live sessions of the file row by row.
func recount(t *testing.T, path string) (c counts) {
	t.Helper()
	is := is.New(t)
	db, err := sql.Open("sqlite", path)
	is.NoErr(err)
	defer db.Close()
	is.NoErr(db.QueryRow(`SELECT COUNT(*), COUNT(*) FILTER (WHERE outcome = 'saved'), COUNT(*) FILTER (WHERE outcome = 'canceled'),
		COUNT(*) FILTER (WHERE outcome = 'pending') FROM sessions WHERE test = 0`).Scan(&c.Sessions, &c.Saved, &c.Canceled, &c.Pending))
	var verdict string
	is.NoErr(db.QueryRow("PRAGMA integrity_check").Scan(&verdict))
	is.Equal(verdict, "ok")
	return c
}

// recountPostgres counts the live sessions of a database row by row.
func recountPostgres(t *testing.T, url string) (c counts) {
	t.Helper()
	is := is.New(t)
	db, err := sql.Open("pgx", url)
	is.NoErr(err)
	defer db.Close()
	is.NoErr(db.QueryRow(`SELECT COUNT(*), COUNT(*) FILTER (WHERE outcome = 'saved'), COUNT(*) FILTER (WHERE outcome = 'canceled'),
		COUNT(*) FILTER (WHERE outcome = 'pending') FROM sessions WHERE test = 0`).Scan(&c.Sessions, &c.Saved, &c.Canceled, &c.Pending))
	return c
}
