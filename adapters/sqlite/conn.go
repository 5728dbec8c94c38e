package sqlite

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"

	"github.com/retainrabbit/retainrabbit/adapters/internal/sqlstore"
)

// preparer is what *sql.DB and *sql.Conn have in common.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// prepared implements sqlstore.Conn: every statement is prepared once and kept.
// There are some forty, all constants of package sqlstore.
type prepared struct {
	conn   preparer
	stmts  sync.Map // query -> *sql.Stmt
	closed atomic.Bool
}

func (p *prepared) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := p.stmts.Load(query); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := p.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, classify(err)
	}
	if kept, loaded := p.stmts.LoadOrStore(query, s); loaded {
		return kept.(*sql.Stmt), s.Close()
	}
	return s, nil
}

func (p *prepared) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	ctx, err := p.detach(ctx)
	if err != nil {
		return 0, err
	}
	s, err := p.stmt(ctx, query)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, classify(err)
	}
	return result.RowsAffected()
}

func (p *prepared) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	ctx, err := p.detach(ctx)
	if err != nil {
		return nil, err
	}
	s, err := p.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := s.QueryContext(ctx, args...)
	if err != nil {
		return nil, classify(err)
	}
	return rows{result}, nil
}

// detach fails if ctx is over, and else drops its end: every statement is short,
// and database/sql starts a goroutine for each context that can end.
func (p *prepared) detach(ctx context.Context) (context.Context, error) {
	if p.closed.Load() {
		return nil, errClosed
	}
	return context.WithoutCancel(ctx), ctx.Err()
}

type rows struct{ *sql.Rows }

func (r rows) Err() error { return classify(r.Rows.Err()) }
