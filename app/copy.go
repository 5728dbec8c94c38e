package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// copyPage is how many rows are read, and written in one transaction, at once.
const copyPage = 200

// copyJob names the lease in the target that a copy has begun, held by the source.
const copyJob = "copy"

// Copied is what a copy has moved, and has read back to compare.
type Copied struct {
	Workspaces                                        int
	Keys, FlowVersions, Sessions, Events, Idempotency int64
	Checksum                                          string // SHA-256 of all sessions, events and records, the same on both sides
}

// Copy moves everything from one store to another, and then reads both and compares
// them, by counts, by checksum and by their stats. The target must be empty, or
// hold an earlier copy of the same source that did not come to its end; that is
// continued. Nothing else may write to either meanwhile. progress, if not nil, is
// told how many rows of how many have been read or written.
//
// Errors: domain.ErrConflict with code not_empty for a target that holds something
// else, and with code copy_differs if the two are not the same in the end.
func Copy(ctx context.Context, from, to ports.Store, progress func(done, total int64)) (Copied, error) {
	c := copier{from: from, to: to, progress: progress}
	workspaces, err := from.Workspaces(ctx)
	if err != nil {
		return Copied{}, err
	}
	c.source = fingerprint(workspaces)
	c.holder = c.source + ":" + newID()
	if err := c.begin(ctx); err != nil {
		return Copied{}, err
	}
	copied, err := c.run(ctx, workspaces)
	if err != nil {
		// The lease stays, as the mark of a copy that has begun, but ends now.
		now := time.Now()
		_ = c.to.InTx(context.WithoutCancel(ctx), func(ctx context.Context, tx ports.Tx) error {
			_, err := tx.TakeLease(ctx, everybody, copyJob, c.holder, now, now)
			return err
		})
		return Copied{}, err
	}
	return copied, c.to.InTx(ctx, func(ctx context.Context, tx ports.Tx) error { return tx.EndLease(ctx, everybody, copyJob, c.holder) })
}

func (c *copier) run(ctx context.Context, workspaces []domain.Workspace) (Copied, error) {
	if err := c.measure(ctx, workspaces); err != nil {
		return Copied{}, err
	}
	for _, w := range workspaces {
		if err := c.workspace(ctx, w); err != nil {
			return Copied{}, err
		}
	}
	return c.compare(ctx, workspaces)
}

type copier struct {
	from, to    ports.Store
	source      string // tells the source from others
	holder      string // of the lease in the target: the source, and this very copy
	progress    func(done, total int64)
	done, total int64
}

func (c *copier) advance(n int) {
	c.done += int64(n)
	if c.progress != nil {
		c.progress(c.done, c.total)
	}
}

// fingerprint tells one source from another.
func fingerprint(workspaces []domain.Workspace) string {
	h := sha256.New()
	for _, w := range workspaces {
		fmt.Fprintln(h, w.ID)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// begin marks the target as being copied to, if it may be: that is, if it is empty,
// or an earlier copy of the same source has ended before its time.
func (c *copier) begin(ctx context.Context) error {
	return c.to.InTx(ctx, func(ctx context.Context, tx ports.Tx) error {
		before, err := tx.LeaseHolder(ctx, everybody, copyJob)
		if err != nil && !errors.Is(err, domain.ErrNotFound) {
			return err
		}
		there, err := tx.Workspaces(ctx)
		if err != nil {
			return err
		}
		if source, _, _ := strings.Cut(before, ":"); source != c.source && (before != "" || len(there) > 0) {
			return domain.Conflict("not_empty", "the target is not empty: copy to an empty database")
		}
		return c.stay(ctx, tx)
	})
}

// copyLease is for how long a copy that was killed keeps others from continuing it.
const copyLease = 30 * time.Second

// stay makes sure that nobody else copies to the target.
func (c *copier) stay(ctx context.Context, tx ports.Tx) error {
	now := time.Now()
	mine, err := tx.TakeLease(ctx, everybody, copyJob, c.holder, now, now.Add(copyLease))
	if err == nil && !mine {
		err = domain.Conflict("copy_running", "another copy to this target is running, or was killed less than %s ago", copyLease)
	}
	return err
}

// measure counts what there is to do: each row is written once, and read twice.
func (c *copier) measure(ctx context.Context, workspaces []domain.Workspace) error {
	for _, w := range workspaces {
		n, err := c.from.Counts(ctx, w.ID)
		if err != nil {
			return err
		}
		c.total += 3 * (n.Sessions + n.Events + n.Idempotency)
	}
	return nil
}

func (c *copier) workspace(ctx context.Context, w domain.Workspace) error {
	if err := c.small(ctx, w); err != nil {
		return err
	}
	there, err := c.to.Counts(ctx, w.ID)
	if err != nil {
		return err
	}
	err = copyRows(ctx, c, sessionsOf(c.from, w.ID), there.Sessions, func(ctx context.Context, tx ports.Tx, s domain.Session) error {
		return tx.CreateSession(ctx, s)
	})
	if err != nil {
		return err
	}
	err = copyRows(ctx, c, eventsOf(c.from, w.ID), there.Events, func(ctx context.Context, tx ports.Tx, e domain.Event) error {
		return tx.AppendEvent(ctx, e)
	})
	if err != nil {
		return err
	}
	return copyRows(ctx, c, recordsOf(c.from, w.ID), there.Idempotency, func(ctx context.Context, tx ports.Tx, r record) error {
		return tx.CreateIdempotency(ctx, w.ID, r.Mode, r.IdempotencyRecord)
	})
}

// small copies the workspace, its keys and its flows with all their versions, but
// for what is there already.
func (c *copier) small(ctx context.Context, w domain.Workspace) error {
	keys, err := c.from.Keys(ctx, w.ID)
	if err != nil {
		return err
	}
	versions, err := versionsOf(ctx, c.from, w.ID)
	if err != nil {
		return err
	}
	writes := []func(ctx context.Context, tx ports.Tx) error{
		func(ctx context.Context, tx ports.Tx) error { return tx.CreateWorkspace(ctx, w) },
	}
	for _, k := range keys {
		writes = append(writes, func(ctx context.Context, tx ports.Tx) error { return tx.CreateKey(ctx, k) })
	}
	for _, f := range versions {
		writes = append(writes, func(ctx context.Context, tx ports.Tx) error {
			if f.Version == 1 {
				return tx.CreateFlow(ctx, f)
			}
			return tx.SaveFlow(ctx, f)
		})
	}
	for _, write := range writes {
		err := c.to.InTx(ctx, write)
		if err != nil && !errors.Is(err, domain.ErrConflict) { // what is there already is compared in the end
			return err
		}
	}
	return nil
}

// versionsOf lists every version of every flow, each flow's in order.
func versionsOf(ctx context.Context, store ports.Store, ws domain.WorkspaceID) (versions []domain.Flow, err error) {
	flows, err := store.Flows(ctx, ws)
	if err != nil {
		return nil, err
	}
	for _, f := range flows {
		for v := 1; v <= f.Version; v++ {
			version, err := store.FlowAt(ctx, ws, f.ID, v)
			if err != nil {
				return nil, err
			}
			versions = append(versions, version)
		}
	}
	return versions, nil
}

// reader returns the next page each time it is called, an empty one at the end.
type reader[T any] func(ctx context.Context) ([]T, error)

func sessionsOf(store ports.Store, ws domain.WorkspaceID) reader[domain.Session] {
	var last domain.SessionID
	return func(ctx context.Context) ([]domain.Session, error) {
		page, err := store.SessionsAfter(ctx, ws, last, copyPage)
		if len(page) > 0 {
			last = page[len(page)-1].ID
		}
		return page, err
	}
}

func eventsOf(store ports.Store, ws domain.WorkspaceID) reader[domain.Event] {
	var last domain.Event
	return func(ctx context.Context) ([]domain.Event, error) {
		page, err := store.EventsAfter(ctx, ws, last, copyPage)
		if len(page) > 0 {
			last = page[len(page)-1]
		}
		return page, err
	}
}

// record is an idempotency record with its mode.
type record struct {
	domain.IdempotencyRecord
	Mode domain.Mode
}

// recordsOf reads the records of the live mode, then those of the test mode.
func recordsOf(store ports.Store, ws domain.WorkspaceID) reader[record] {
	modes, last := []domain.Mode{domain.Live, domain.Test}, ""
	return func(ctx context.Context) (page []record, err error) {
		for len(page) == 0 && len(modes) > 0 {
			found, err := store.IdempotencyAfter(ctx, ws, modes[0], last, copyPage)
			if err != nil {
				return nil, err
			}
			if len(found) == 0 {
				modes, last = modes[1:], ""
				continue
			}
			for _, r := range found {
				page = append(page, record{r, modes[0]})
			}
			last = found[len(found)-1].Key
		}
		return page, nil
	}
}

// copyRows writes what the reader reads, one transaction for each page. The first
// rows are there already: a copy always has the beginning of its source.
func copyRows[T any](ctx context.Context, c *copier, read reader[T], there int64, write func(context.Context, ports.Tx, T) error) error {
	for {
		page, err := read(ctx)
		if err != nil || len(page) == 0 {
			return err
		}
		c.advance(len(page))
		skip := min(there, int64(len(page)))
		there -= skip
		if rows := page[skip:]; len(rows) > 0 {
			err = c.to.InTx(ctx, func(ctx context.Context, tx ports.Tx) error {
				if err := c.stay(ctx, tx); err != nil {
					return err
				}
				for _, row := range rows {
					if err := write(ctx, tx, row); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
}

func differs(what string) error {
	return domain.Conflict("copy_differs", "%s differ: was something written meanwhile? Empty the target and copy again", what)
}

// compare reads both stores and reports the first difference.
func (c *copier) compare(ctx context.Context, workspaces []domain.Workspace) (Copied, error) {
	there, err := c.to.Workspaces(ctx)
	if err != nil {
		return Copied{}, err
	}
	if !slices.Equal(workspaces, there) {
		return Copied{}, differs("the workspaces")
	}
	copied := Copied{Workspaces: len(workspaces)}
	sums := [2]hash.Hash{sha256.New(), sha256.New()}
	for _, w := range workspaces {
		var counts [2]ports.Counts
		for i, store := range []ports.Store{c.from, c.to} {
			if counts[i], err = c.sum(ctx, sums[i], store, w.ID); err != nil {
				return Copied{}, err
			}
		}
		if counts[0] != counts[1] {
			return Copied{}, differs(fmt.Sprintf("the counts of workspace %s, %+v and %+v,", w.ID, counts[0], counts[1]))
		}
		if err := c.compareSmall(ctx, w.ID); err != nil {
			return Copied{}, err
		}
		n := counts[0]
		copied.Keys += n.Keys
		copied.FlowVersions += n.FlowVersions
		copied.Sessions += n.Sessions
		copied.Events += n.Events
		copied.Idempotency += n.Idempotency
	}
	copied.Checksum = hex.EncodeToString(sums[0].Sum(nil))
	if copied.Checksum != hex.EncodeToString(sums[1].Sum(nil)) {
		return Copied{}, differs("the checksums of sessions, events and idempotency records")
	}
	return copied, nil
}

// sum adds everything large of a workspace to the hash.
func (c *copier) sum(ctx context.Context, h hash.Hash, store ports.Store, ws domain.WorkspaceID) (ports.Counts, error) {
	enc := json.NewEncoder(h)
	err := errors.Join(
		sumRows(ctx, c, enc, sessionsOf(store, ws)),
		sumRows(ctx, c, enc, eventsOf(store, ws)),
		sumRows(ctx, c, enc, recordsOf(store, ws)),
	)
	if err != nil {
		return ports.Counts{}, err
	}
	return store.Counts(ctx, ws)
}

func sumRows[T any](ctx context.Context, c *copier, enc *json.Encoder, read reader[T]) error {
	for {
		page, err := read(ctx)
		if err != nil || len(page) == 0 {
			return err
		}
		c.advance(len(page))
		for _, row := range page {
			if err := enc.Encode(row); err != nil {
				return err
			}
		}
	}
}

// compareSmall compares keys, flows and stats.
func (c *copier) compareSmall(ctx context.Context, ws domain.WorkspaceID) error {
	today := domain.DayOf(time.Now())
	reads := map[string]func(ports.Store) (any, error){
		"the keys":                      func(s ports.Store) (any, error) { return s.Keys(ctx, ws) },
		"the flows":                     func(s ports.Store) (any, error) { return versionsOf(ctx, s, ws) },
		"the stats":                     func(s ports.Store) (any, error) { return s.Stats(ctx, ws, 0) },
		"the stats of the last 30 days": func(s ports.Store) (any, error) { return s.Stats(ctx, ws, today-29) },
	}
	for what, read := range reads {
		here, err := read(c.from)
		if err != nil {
			return err
		}
		there, err := read(c.to)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(here, there) {
			return differs(what + " of workspace " + string(ws))
		}
	}
	return nil
}
