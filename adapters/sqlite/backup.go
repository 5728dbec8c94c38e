package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/retainrabbit/retainrabbit/domain"
)

// Backup writes a consistent copy of the database to dest, which must not exist,
// while others go on reading and writing. dest appears whole or not at all.
func (s *Store) Backup(ctx context.Context, dest string) (err error) {
	if _, err := os.Stat(dest); err == nil {
		return domain.Conflict("exists", "%s exists already: name another file", dest)
	}
	// A folder of our own keeps the copy private until it is complete.
	dir, err := os.MkdirTemp(filepath.Dir(dest), ".retainrabbit-backup-*")
	if err != nil {
		return unavailable(fmt.Sprintf("cannot write beside %s: %v", dest, err), err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	partial := filepath.Join(dir, "copy.db")

	db, err := sql.Open("sqlite", dsn(s.path))
	if err != nil {
		return classify(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "VACUUM INTO $1", partial); err != nil {
		return classify(err)
	}
	if err := errors.Join(os.Chmod(partial, fileMode), syncFile(partial)); err != nil {
		return err
	}
	// Link, unlike rename, fails if dest came to exist meanwhile.
	if err := os.Link(partial, dest); err != nil {
		return unavailable(fmt.Sprintf("cannot write %s: %v", dest, err), err)
	}
	return syncFile(filepath.Dir(dest))
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
