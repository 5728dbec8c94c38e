package sqlstore

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/retainrabbit/retainrabbit/domain"
)

const addToStats = `
INSERT INTO session_stats (workspace_id, day, currency,
	sessions, answered, saved, accepted, canceled, recovered, paused)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (workspace_id, day, currency) DO UPDATE SET
	sessions  = session_stats.sessions  + excluded.sessions,
	answered  = session_stats.answered  + excluded.answered,
	saved     = session_stats.saved     + excluded.saved,
	accepted  = session_stats.accepted  + excluded.accepted,
	canceled  = session_stats.canceled  + excluded.canceled,
	recovered = session_stats.recovered + excluded.recovered,
	paused    = session_stats.paused    + excluded.paused`

const selectStats = `
SELECT currency, CAST(SUM(sessions) AS BIGINT), CAST(SUM(answered) AS BIGINT), CAST(SUM(saved) AS BIGINT),
	CAST(SUM(accepted) AS BIGINT), CAST(SUM(canceled) AS BIGINT), CAST(SUM(recovered) AS BIGINT), CAST(SUM(paused) AS BIGINT)
FROM session_stats
WHERE workspace_id = $1 AND day BETWEEN $2 AND $3
GROUP BY currency
ORDER BY currency`

func compareCounters(a, b counter) int {
	return cmp.Or(cmp.Compare(a.workspace, b.workspace), cmp.Compare(a.day, b.day), cmp.Compare(a.currency, b.currency))
}

// span is the range of the day column that holds what since asks for.
func span(since domain.Day) (first, last domain.Day) {
	if since == allTime {
		return allTime, allTime
	}
	return since, math.MaxInt32
}

func scanStats(row scanner) (t domain.CurrencyTally, err error) {
	err = row.Scan(&t.Currency, &t.Sessions, &t.Answered, &t.Saved, &t.Accepted, &t.Canceled, &t.Recovered, &t.Paused)
	return t, err
}

// Stats implements ports.StatsReader.
func (r Reads) Stats(ctx context.Context, ws domain.WorkspaceID, since domain.Day) (domain.Stats, error) {
	first, last := span(since)
	stats, err := list(ctx, r.Conn, scanStats, selectStats, ws, int64(first), int64(last))
	return stats, err
}

// Stats implements ports.StatsReader, with what the transaction and those before
// it in the same commit counted.
func (tx *Tx) Stats(ctx context.Context, ws domain.WorkspaceID, since domain.Day) (domain.Stats, error) {
	stats, err := tx.Reads.Stats(ctx, ws, since)
	if err != nil {
		return nil, err
	}
	first, last := span(since)
	for _, counters := range []Counters{tx.Uncommitted, tx.Counters} {
		for key, change := range counters {
			if key.workspace == ws && key.day >= first && key.day <= last {
				stats = plus(stats, key.currency, change)
			}
		}
	}
	return stats, nil
}

func plus(stats domain.Stats, c domain.Currency, change domain.Tally) domain.Stats {
	i, found := slices.BinarySearchFunc(stats, c, func(t domain.CurrencyTally, c domain.Currency) int {
		return cmp.Compare(t.Currency, c)
	})
	if !found {
		stats = slices.Insert(stats, i, domain.CurrencyTally{Currency: c})
	}
	stats[i].Tally = stats[i].Add(change)
	return stats
}
