package domain

import "time"

// linkSecretBytes is the least length of a link secret.
const linkSecretBytes = 32

// Workspace is one subscription business, the boundary that no data crosses.
type Workspace struct {
	ID         WorkspaceID
	Name       string
	Currency   Currency // what stats are counted in
	LinkSecret Secret   // signs personal links; at least 32 random bytes
	CreatedAt  time.Time
}

// Validate reports the first field that breaks a rule as ErrInvalid.
func (w Workspace) Validate() error {
	_, currencyErr := ParseCurrency("currency", string(w.Currency))
	err := firstError(
		checkID("id", w.ID),
		checkLine("name", w.Name, MaxName),
		currencyErr,
	)
	if err == nil && len(w.LinkSecret) < linkSecretBytes {
		err = Invalid("linkSecret", "must be at least %d bytes", linkSecretBytes)
	}
	return err
}
