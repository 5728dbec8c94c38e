package domain

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// Link is what a personal link grants: one customer's session in one flow, until
// a time. A session is bound to its customer, subscription and mode, so all of
// these are signed with it.
type Link struct {
	WorkspaceID WorkspaceID
	FlowID      FlowID
	SessionID   SessionID
	ExpiresAt   time.Time // whole seconds
}

const (
	linkPurpose = "retainrabbit personal link v1"
	linkHead    = 16 + 8 // the session's UUID, the expiry in Unix seconds
	linkBytes   = linkHead + sha256.Size
)

// Why a link is refused. Code tells the two apart.
var (
	errLinkInvalid = &Error{Kind: ErrUnauthorized, Code: "link_invalid", Msg: "this link is not valid"}
	errLinkExpired = &Error{Kind: ErrUnauthorized, Code: "link_expired", Msg: "this link has expired"}
)

// Token signs the link with the workspace's link secret. The result is safe in a
// URL and reveals no more than the session's id and the expiry.
func (l Link) Token(secret Secret) (Secret, error) {
	id, err := uuid.Parse(string(l.SessionID))
	if err != nil {
		return "", Invalid("sessionId", "must be a UUID")
	}
	token := make([]byte, 0, linkBytes)
	token = append(token, id[:]...)
	token = binary.BigEndian.AppendUint64(token, uint64(l.ExpiresAt.Unix()))
	token = append(token, l.sign(secret, token)...)
	return Secret(base64.RawURLEncoding.EncodeToString(token)), nil
}

// OpenLink verifies a token that came with the address of a workspace's flow. A
// token that was not signed for exactly that workspace and flow is
// ErrUnauthorized with code link_invalid, one that is past its time at now with
// code link_expired; only then is the Link returned beside the error.
func OpenLink(secret Secret, ws WorkspaceID, flow FlowID, token string, now time.Time) (Link, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != linkBytes {
		return Link{}, errLinkInvalid
	}
	l := Link{
		WorkspaceID: ws, FlowID: flow,
		SessionID: SessionID(uuid.UUID(raw[:16]).String()),
		ExpiresAt: time.Unix(int64(binary.BigEndian.Uint64(raw[16:linkHead])), 0).UTC(),
	}
	if !hmac.Equal(raw[linkHead:], l.sign(secret, raw[:linkHead])) {
		return Link{}, errLinkInvalid
	}
	if !now.Before(l.ExpiresAt) {
		return l, errLinkExpired
	}
	return l, nil
}

func (l Link) sign(secret Secret, head []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	for _, part := range []string{linkPurpose, string(l.WorkspaceID), string(l.FlowID)} {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		mac.Write([]byte(part))
	}
	mac.Write(head)
	return mac.Sum(nil)
}

// HostedURL is the address of a flow's page below base, without a personal link.
func HostedURL(base string, ws WorkspaceID, flow FlowID) string {
	return base + "/flow/" + string(ws) + "/" + string(flow)
}

// LinkParam is the query parameter that carries the token of a personal link.
const LinkParam = "t"

// URL is the personal link below base, signed with the workspace's link secret.
func (l Link) URL(base string, secret Secret) (string, error) {
	token, err := l.Token(secret)
	return HostedURL(base, l.WorkspaceID, l.FlowID) + "?" + LinkParam + "=" + token.Reveal(), err
}

// Link is what the session's personal link grants.
func (s Session) Link() Link {
	return Link{WorkspaceID: s.WorkspaceID, FlowID: s.FlowID, SessionID: s.ID, ExpiresAt: s.LinkExpiresAt}
}
