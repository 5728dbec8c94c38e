package sqlite

import (
	"context"
	"slices"
	"sync"

	"github.com/maypok86/otter/v2"

	"github.com/retainrabbit/retainrabbit/adapters/internal/sqlstore"
	"github.com/retainrabbit/retainrabbit/domain"
)

// recent remembers the last answer to RecentSessions of each workspace, for as long
// as the file does not change: a list is read far more often than it changes, and
// reading a hundred rows costs far more than asking SQLite whether any
// connection of any process has committed since.
type recent struct {
	lists *otter.Cache[recentQuery, recentList]

	mu     sync.Mutex
	closed bool
	watch  *conn // PRAGMA data_version is comparable only within one connection
}

type recentQuery struct {
	workspace domain.WorkspaceID
	limit     int
}

type recentList struct {
	version  int64 // of the file, before the list was read
	sessions []domain.SessionResult
}

// maxRecent bounds how many lists are remembered.
const maxRecent = 200

func newRecent(watch *conn) *recent {
	return &recent{watch: watch, lists: otter.Must(&otter.Options[recentQuery, recentList]{MaximumSize: maxRecent})}
}

// version returns a number that changes whenever another connection commits.
func (r *recent) version(ctx context.Context) (n int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, errClosed
	}
	rows, err := r.watch.query(ctx, "PRAGMA data_version", nil)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	if rows.Next() {
		err = rows.Scan(&n)
	}
	return n, err
}

func (r *recent) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return r.watch.close()
}

// RecentSessions implements ports.SessionReader.
func (s *Store) RecentSessions(ctx context.Context, ws domain.WorkspaceID, limit int) ([]domain.SessionResult, error) {
	version, err := s.recent.version(ctx)
	if err != nil {
		return nil, err
	}
	query := recentQuery{ws, limit}
	if known, ok := s.recent.lists.GetIfPresent(query); ok && known.version == version {
		return slices.Clone(known.sessions), nil
	}
	sessions, err := sqlstore.Reads{Conn: now{s.readers}}.RecentSessions(ctx, ws, limit)
	if err == nil {
		s.recent.lists.Set(query, recentList{version, slices.Clone(sessions)})
	}
	return sessions, err
}
