package sqlstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/retainrabbit/retainrabbit/domain"
)

// addToStats counts on the day, and for all time.
const addToStats = `/* stats.add */
INSERT INTO session_stats (workspace_id, day, currency,
	sessions, answered, saved, accepted, canceled, recovered, paused)
VALUES ($1, 0, $3, $4, $5, $6, $7, $8, $9, $10), ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (workspace_id, day, currency) DO UPDATE SET
	sessions  = session_stats.sessions  + excluded.sessions,
	answered  = session_stats.answered  + excluded.answered,
	saved     = session_stats.saved     + excluded.saved,
	accepted  = session_stats.accepted  + excluded.accepted,
	canceled  = session_stats.canceled  + excluded.canceled,
	recovered = session_stats.recovered + excluded.recovered,
	paused    = session_stats.paused    + excluded.paused`

const selectTotals = `/* stats.all */
SELECT currency, sessions, answered, saved, accepted, canceled, recovered, paused
FROM session_stats WHERE workspace_id = $1 AND day = 0 ORDER BY currency`

const selectWindow = `/* stats.window */
SELECT currency, CAST(SUM(sessions) AS BIGINT), CAST(SUM(answered) AS BIGINT), CAST(SUM(saved) AS BIGINT),
	CAST(SUM(accepted) AS BIGINT), CAST(SUM(canceled) AS BIGINT), CAST(SUM(recovered) AS BIGINT), CAST(SUM(paused) AS BIGINT)
FROM session_stats
WHERE workspace_id = $1 AND day >= $2
GROUP BY currency
ORDER BY currency`

// compareCounters orders by currency before day: each statement takes the row for all
// time, which is one for each currency, before that of the day.
func compareCounters(a, b counter) int {
	return cmp.Or(cmp.Compare(a.workspace, b.workspace), cmp.Compare(a.currency, b.currency), cmp.Compare(a.day, b.day))
}

func scanStats(row scanner) (t domain.CurrencyTally, err error) {
	err = row.Scan((*string)(&t.Currency), &t.Sessions, &t.Answered, &t.Saved, &t.Accepted, &t.Canceled, &t.Recovered, &t.Paused)
	return t, err
}

// Stats implements ports.StatsReader.
func (r Reads) Stats(ctx context.Context, ws domain.WorkspaceID, since domain.Day) (domain.Stats, error) {
	if since == allTime {
		return list(ctx, r.Conn, scanStats, selectTotals, string(ws))
	}
	return list(ctx, r.Conn, scanStats, selectWindow, string(ws), int64(since))
}

// Stats implements ports.StatsReader, with what the transaction and those before
// it in the same commit counted.
func (tx *Tx) Stats(ctx context.Context, ws domain.WorkspaceID, since domain.Day) (domain.Stats, error) {
	stats, err := tx.Reads.Stats(ctx, ws, since)
	if err != nil {
		return nil, err
	}
	for _, counters := range []counters{tx.batch.counters, tx.counters} {
		for key, change := range counters {
			if key.workspace == ws && (since == allTime || key.day >= since) {
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
