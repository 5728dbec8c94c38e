package domain

import (
	"encoding/json"
	"slices"
	"strings"
)

// object reads a JSON object member by member under its exact names, and
// remembers the first error, so that reading a document reads as a list of its
// members. Numbers never pass through a float.
type object struct {
	path    string
	members map[string]json.RawMessage
	read    []string
	err     error
}

func readObject(path string, raw []byte) *object {
	o := &object{path: path}
	if err := json.Unmarshal(raw, &o.members); err != nil || o.members == nil {
		field := path
		if field == "" {
			field = "document"
		}
		o.err = Invalid(field, "must be a JSON object")
	}
	return o
}

// end returns the first error, or says which member is not known.
func (o *object) end() error {
	if o.err != nil {
		return o.err
	}
	var unknown []string
	for name := range o.members {
		if !slices.Contains(o.read, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		o.fail(slices.Min(unknown), "is not known here; known are "+strings.Join(o.read, ", "))
	}
	return o.err
}

func (o *object) field(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

func (o *object) fail(name, msg string) {
	if o.err == nil {
		o.err = Invalid(o.field(name), "%s", msg)
	}
}

func (o *object) has(name string) bool { return o.members[name] != nil }

// decode reads a member into dst; a missing member leaves dst as it is.
func (o *object) decode(name string, dst any, want string) {
	o.read = append(o.read, name)
	raw, ok := o.members[name]
	if !ok {
		return
	}
	if string(raw) == "null" || json.Unmarshal(raw, dst) != nil {
		o.fail(name, "must be "+want)
	}
}

func (o *object) text(name string) (s string) {
	o.decode(name, &s, "a text")
	return s
}

func (o *object) texts(name string) (list []string) {
	o.decode(name, &list, "a list of texts")
	return list
}

func (o *object) list(name string) (list []json.RawMessage) {
	o.decode(name, &list, "a list")
	return list
}

func (o *object) int(name string) (n int) {
	o.decode(name, &n, "a whole number")
	return n
}

func (o *object) object(name string) *object {
	raw := json.RawMessage("{}")
	o.decode(name, &raw, "a JSON object")
	return readObject(o.field(name), raw)
}

func (o *object) percent(name string) BasisPoints {
	var n json.Number
	o.decode(name, &n, "a number, such as 30 or 12.5")
	if n == "" {
		return 0
	}
	share, ok := parsePercent(n.String())
	if raw := o.members[name]; !ok || raw[0] == '"' {
		o.fail(name, "must be a number from 0.01 to 100 with at most two decimals")
	} else if share == 0 {
		o.fail(name, "must be more than 0 and at most 100")
	}
	return share
}

// money reads an amount under the given name and its currency beside it.
func (o *object) money(name string) Money {
	var m Money
	o.decode(name, &m.Minor, "a whole number, in minor units of the currency")
	if !o.has(name) {
		o.fail(name, "is required")
	}
	c, err := ParseCurrency(o.field("currency"), o.text("currency"))
	if o.err == nil {
		o.err = err
	}
	m.Currency = c
	return m
}
