package httpapi

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/retainrabbit/retainrabbit/domain"
)

func FuzzParseStart(f *testing.F) {
	for _, seed := range []string{
		`{"customerId":"cus_1","subscriptionId":"sub_1","reason":"too expensive","mrrCents":2500,"metadata":{"a":"b"}}`,
		`{"customerId":"\ud83d\udc07"}`, `{"customerId":"\ud800"}`, `{"customerId":null}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := parseStart(body)
		var mistake *domain.Error
		switch {
		case err != nil && (!errors.As(err, &mistake) || mistake.Field == ""):
			t.Fatalf("%q: error %v names no field", body, err)
		case err == nil && !utf8.ValidString(req.Customer.ID+req.Reason):
			t.Fatalf("%q: invalid UTF-8 came through", body)
		}
	})
}
