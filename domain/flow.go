package domain

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// FlowStatus says whether a flow is in use.
type FlowStatus string

// The statuses of a flow. Sessions start only in active ones.
const (
	Draft    FlowStatus = "draft"
	Active   FlowStatus = "active"
	Archived FlowStatus = "archived"
)

// Flow is a cancel flow of a workspace, at one version. A session keeps to the
// version that it began with.
type Flow struct {
	ID          FlowID
	WorkspaceID WorkspaceID
	Version     int // 1, 2, …; grows with every change
	FlowDocument
	CreatedAt time.Time
	UpdatedAt time.Time
}

// FlowDocument is the part of a flow that its author writes.
type FlowDocument struct {
	Name   string
	Slug   string // unique in the workspace: lower-case letters, digits and hyphens
	Status FlowStatus
	Steps  Steps
}

// NewFlow makes the first version of a flow.
func NewFlow(id FlowID, ws WorkspaceID, doc FlowDocument, now time.Time) (Flow, error) {
	f := Flow{ID: id, WorkspaceID: ws, Version: 1, FlowDocument: doc, CreatedAt: now, UpdatedAt: now}
	return f, f.Validate()
}

// Revise makes the next version of the flow.
func (f Flow) Revise(doc FlowDocument, now time.Time) (Flow, error) {
	f.FlowDocument = doc
	f.Version++
	f.UpdatedAt = now
	return f, f.Validate()
}

// Validate reports the first field that breaks a rule as ErrInvalid.
func (f Flow) Validate() error {
	return firstError(checkID("id", f.ID), checkID("workspaceId", f.WorkspaceID), f.FlowDocument.Validate())
}

const maxSlug = 64

// Validate reports the first field that breaks a rule as ErrInvalid.
func (d FlowDocument) Validate() error {
	if err := checkLine("name", d.Name, MaxName); err != nil {
		return err
	}
	if d.Slug == "" || len(d.Slug) > maxSlug || strings.Trim(d.Slug, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
		d.Slug[0] == '-' || d.Slug[len(d.Slug)-1] == '-' {
		return Invalid("slug", "must be 1 to %d lower-case letters, digits and hyphens, such as win-back", maxSlug)
	}
	switch d.Status {
	case Draft, Active, Archived:
		return d.Steps.Validate()
	}
	return Invalid("status", "must be draft, active or archived")
}

// Equal reports whether two documents say the same.
func (d FlowDocument) Equal(other FlowDocument) bool {
	a, errA := json.Marshal(d)
	b, errB := json.Marshal(other)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}
