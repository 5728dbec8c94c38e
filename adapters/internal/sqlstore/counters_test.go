package sqlstore

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/retainrabbit/retainrabbit/domain"
)

// Whatever two transactions count, they take the rows of session_stats in one order,
// and so cannot lock each other out. Each statement takes two: all time, and the day.
func TestCountersTakeRowsInOneOrder(t *testing.T) {
	type row struct {
		workspace, currency string
		day                 int64
	}
	rapid.Check(t, func(t *rapid.T) {
		changes := counters{}
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			changes[counter{
				domain.WorkspaceID(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "workspace")),
				domain.Day(rapid.IntRange(20_000, 20_002).Draw(t, "day")),
				domain.Currency(rapid.SampledFrom([]string{"eur", "jpy", "usd"}).Draw(t, "currency")),
			}] = domain.Tally{Sessions: 1}
		}
		var taken []row
		for _, s := range changes.statements() {
			for _, day := range []int64{0, s.Args[1].(int64)} {
				r := row{s.Args[0].(string), s.Args[2].(string), day}
				if !slices.Contains(taken, r) { // once taken a row stays so
					taken = append(taken, r)
				}
			}
		}
		ordered := slices.IsSortedFunc(taken, func(a, b row) int {
			return cmp.Or(cmp.Compare(a.workspace, b.workspace), cmp.Compare(a.currency, b.currency), cmp.Compare(a.day, b.day))
		})
		if !ordered {
			t.Fatalf("rows are taken in the order %v", taken)
		}
	})
}
