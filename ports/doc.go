// Package ports holds the outbound interfaces: what the application needs from
// storage. There is no logic here, and no inbound interface anywhere.
//
// # How to write an adapter
//
// Implement [Store], then run the contract on it from a test:
//
//	func TestContract(t *testing.T) {
//		porttest.Store(t, func(t *testing.T) ports.Store { return openEmpty(t) })
//	}
//
// The open function is called once for each case and must return a fresh, empty
// store. The suite is the definition of "implements": what a comment here promises,
// a case there checks, and no method changes without a case.
//
// # What holds for every method
//
//   - Tenancy: every method takes the WorkspaceID first. What belongs to another
//     workspace does not exist: ErrNotFound, or not in the list.
//   - Errors: those named in the comment, as kinds of package domain. Text that
//     holds NUL or invalid UTF-8 is ErrInvalid on every write. A store that cannot
//     be reached, is full, or may not be written is ErrUnavailable, and then
//     nothing was written, unless the connection was lost in the very moment of the
//     commit. A cancelled context is its own error. After Close every
//     method fails with ErrUnavailable.
//   - Values: adapters store what they are given, without rules of their own. Text
//     comes back byte for byte, ids compare by bytes (A is not a), an empty list is
//     nil or empty but never an error. Times come back in UTC, to the millisecond;
//     the zero time comes back zero. Money is exact.
//   - Copies: what is returned shares no memory with the store.
package ports
