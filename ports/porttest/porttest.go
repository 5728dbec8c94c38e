// Package porttest is the contract of ports.Store as a test suite. Any adapter
// passes it or is not one:
//
//	func TestContract(t *testing.T) {
//		porttest.Store(t, func(t *testing.T) ports.Store { return openEmpty(t) })
//	}
package porttest

import (
	"context"
	"testing"

	"github.com/retainrabbit/retainrabbit/ports"
)

// contractCase is one promise of the port.
type contractCase struct {
	name string
	run  func(*fixture)
}

// Store runs the whole contract. open is called once for each case and returns a
// fresh, empty store; the suite closes it.
func Store(t *testing.T, open func(t *testing.T) ports.Store) {
	groups := []struct {
		name  string
		cases []contractCase
	}{
		{"workspaces", workspaceCases},
		{"keys", keyCases},
		{"flows", flowCases},
		{"sessions", sessionCases},
		{"start", startCases},
		{"stats", statsCases},
		{"transactions", transactionCases},
		{"values", valueCases},
		{"tenancy", tenancyCases},
		{"leases", leaseCases},
		{"archive", archiveCases},
		{"life", lifeCases},
	}
	for _, group := range groups {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					store := open(t)
					t.Cleanup(func() { _ = store.Close() })
					c.run(newFixture(t, store))
				})
			}
		})
	}
}

// tx is the shape of the function that InTx takes.
type tx = func(ctx context.Context, tx ports.Tx) error
