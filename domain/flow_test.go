package domain_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/domain"
)

const everyStep = `{"name":"Win-back","slug":"win-back","status":"active","steps":[
	{"type":"survey","label":"Why are you cancelling?","config":{"options":["Too expensive","Not used","Other"]}},
	{"type":"offer","label":"A","config":{"kind":"discount","percentOff":12.5,"months":3,"reasons":["too EXPENSIVE"],"message":"Stay"}},
	{"type":"offer","label":"B","config":{"kind":"discount","amountOffCents":500,"currency":"EUR"}},
	{"type":"offer","label":"C","config":{"kind":"pause","months":2,"reasons":["Not used"]}},
	{"type":"offer","label":"D","config":{"kind":"plan_change","planId":"p","planName":"Small","priceCents":900,"currency":"usd","interval":"year"}},
	{"type":"offer","label":"E","config":{"kind":"trial_extension","days":14}},
	{"type":"offer","label":"F","config":{"kind":"contact","url":"mailto:a@example.com"}},
	{"type":"offer","label":"G","config":{"kind":"redirect","url":"https://example.com/help"}},
	{"type":"confirmation","label":"Done","config":{"message":"Bye"}}]}`

func TestFlowDocumentRoundTrip(t *testing.T) {
	is := is.New(t)
	doc, err := domain.ParseFlowDocument([]byte(everyStep))
	is.NoErr(err)
	is.Equal(len(doc.Steps), 9)
	is.Equal(doc.Steps[1].(domain.OfferStep).Offer, domain.Discount{Percent: 1250, Months: 3})
	encoded, err := json.Marshal(doc)
	is.NoErr(err)
	again, err := domain.ParseFlowDocument(encoded)
	is.NoErr(err)
	is.Equal(again, doc)
	var stored domain.Steps
	steps, err := json.Marshal(doc.Steps)
	is.NoErr(err)
	is.NoErr(json.Unmarshal(steps, &stored))
	is.Equal(stored, doc.Steps)
}

// The public shape is the contract's, to the byte.
func TestPublicShape(t *testing.T) {
	is := is.New(t)
	steps, err := json.Marshal(domain.Steps{
		domain.Survey{Label: "Why are you cancelling?", Options: []string{"Too expensive"}},
		domain.OfferStep{Label: "A better price", Offer: domain.Discount{Percent: 3000}},
		domain.Confirmation{Label: "You're all set", Message: "…"},
	})
	is.NoErr(err)
	is.Equal(string(steps), `[{"type":"survey","label":"Why are you cancelling?","config":{"options":["Too expensive"]}},`+
		`{"type":"offer","label":"A better price","config":{"kind":"discount","percentOff":30}},`+
		`{"type":"confirmation","label":"You're all set","config":{"message":"…"}}]`)
}

func TestMistakesNameTheField(t *testing.T) {
	offer := func(config string) string {
		return `{"name":"n","slug":"s","status":"active","steps":[{"type":"offer","label":"l","config":` + config + `}]}`
	}
	for doc, field := range map[string]string{
		`[]`:         "document",
		`null`:       "document",
		`{"name":1}`: "name",
		`{"name":"n","slug":"S","status":"active","steps":[]}`:                                                             "slug",
		`{"name":"n","slug":"s","status":"live","steps":[]}`:                                                               "status",
		`{"name":"n","slug":"s","status":"draft","steps":[]}`:                                                              "steps",
		`{"name":"n","slug":"s","status":"draft","steps":[{}]}`:                                                            "steps[0].type",
		`{"name":"n","slug":"s","status":"draft","stepz":[]}`:                                                              "stepz",
		`{"name":"n","slug":"s","status":"draft","steps":[{"type":"quiz","label":"l"}]}`:                                   "steps[0].type",
		`{"name":"n","slug":"s","status":"draft","steps":[{"type":"survey","label":"l","config":{"options":[]}}]}`:         "steps[0].config.options",
		`{"name":"n","slug":"s","status":"draft","steps":[{"type":"survey","label":"l","config":{"options":["a","A "]}}]}`: "steps[0].config.options[1]",
		`{"name":"n","slug":"s","status":"draft","steps":[{"type":"survey","label":" ","config":{"options":["a"]}}]}`:      "steps[0].label",
		offer(`{"kind":"gift"}`):                                                     "steps[0].config.kind",
		offer(`{}`):                                                                  "steps[0].config.kind",
		offer(`{"kind":"discount"}`):                                                 "steps[0].config.percentOff",
		offer(`{"kind":"discount","percentOff":"30"}`):                               "steps[0].config.percentOff",
		offer(`{"kind":"discount","percentOff":0}`):                                  "steps[0].config.percentOff",
		offer(`{"kind":"discount","percentOff":100.01}`):                             "steps[0].config.percentOff",
		offer(`{"kind":"discount","percentOff":1e1}`):                                "steps[0].config.percentOff",
		offer(`{"kind":"discount","percentOff":-5}`):                                 "steps[0].config.percentOff",
		offer(`{"kind":"discount","percentOff":30,"months":0}`):                      "steps[0].config.months",
		offer(`{"kind":"discount","percentOff":30,"month":3}`):                       "steps[0].config.month",
		offer(`{"kind":"discount","amountOffCents":5}`):                              "steps[0].config.currency",
		offer(`{"kind":"discount","amountOffCents":0,"currency":"usd"}`):             "steps[0].config.amountOffCents",
		offer(`{"kind":"pause","months":25}`):                                        "steps[0].config.months",
		offer(`{"kind":"plan_change","planId":"p","planName":"P","currency":"usd"}`): "steps[0].config.priceCents",
		offer(`{"kind":"plan_change","planId":"p","planName":"P","priceCents":1,"currency":"usd","interval":"w"}`): "steps[0].config.interval",
		offer(`{"kind":"trial_extension","days":0}`):                                                               "steps[0].config.days",
		offer(`{"kind":"contact","url":"javascript:alert(1)"}`):                                                    "steps[0].config.url",
		offer(`{"kind":"redirect","url":"mailto:a@b.c"}`):                                                          "steps[0].config.url",
		offer(`{"kind":"redirect","url":"https://user:pw@b.c"}`):                                                   "steps[0].config.url",
		offer(`{"kind":"pause","months":1.5}`):                                                                     "steps[0].config.months",
		strings.Replace(everyStep, `"too EXPENSIVE"`, `"Cheap"`, 1):                                                "steps[1].config.reasons[0]",
		strings.Replace(everyStep, `"label":"Done"`, `"label":"a\u0000b"`, 1):                                      "steps[8].label",
	} {
		t.Run(field, func(t *testing.T) {
			is := is.New(t)
			_, err := domain.ParseFlowDocument([]byte(doc))
			var mistake *domain.Error
			is.True(errors.As(err, &mistake))
			is.Equal(mistake.Field, field)
			is.Equal(mistake.Kind, domain.ErrInvalid)
		})
	}
}

func TestOrderOfSteps(t *testing.T) {
	survey := domain.Survey{Label: "Why?", Options: []string{"a"}}
	offer := domain.OfferStep{Label: "o", Offer: domain.Pause{Months: 1}}
	end := domain.Confirmation{Label: "end"}
	for _, steps := range []domain.Steps{{offer, survey}, {survey, survey}, {end, offer}, {end, end}, make(domain.Steps, 0)} {
		is := is.New(t)
		is.Equal(domain.KindOf(steps.Validate()), domain.ErrInvalid)
	}
	is := is.New(t)
	is.NoErr(domain.Steps{survey, offer, offer, end}.Validate())
	is.NoErr(domain.Steps{offer}.Validate())
}

func TestRoute(t *testing.T) {
	is := is.New(t)
	doc, err := domain.ParseFlowDocument([]byte(everyStep))
	is.NoErr(err)
	is.Equal(doc.Steps.Route("Too expensive", "usd"), 1)
	is.Equal(doc.Steps.Route(" not USED", "usd"), 3)
	is.Equal(doc.Steps.Route("Other", "eur"), 2) // the first without reasons
	is.Equal(doc.Steps.Route("", "usd"), 4)      // 5.00 EUR off is no offer in USD
	is.Equal(doc.Steps.Route("x", "jpy"), 5)     // nor is a plan in USD in JPY
	is.Equal(doc.Steps[:2].Route("Other", "usd"), -1)
}

// What a newer version wrote survives being read and written by this one.
func TestNewerStepsAreKept(t *testing.T) {
	is := is.New(t)
	const newer = `[{"type":"quiz","label":"?","config":{"b":1,"a":[2]}},{"type":"offer","label":"!","config":{"kind":"gift","x":{"y":null}}},` +
		`{"type":"offer","label":"D","config":{"kind":"discount","percentOff":30,"until":"2030"}},{"type":"survey","label":"S","config":{"options":["a"]}}]`
	var steps domain.Steps
	is.NoErr(json.Unmarshal([]byte(newer), &steps))
	again, err := json.Marshal(steps)
	is.NoErr(err)
	is.Equal(string(again), newer)
	is.Equal(steps.Route("a", "usd"), -1)                        // and is never shown
	is.Equal(domain.KindOf(steps.Validate()), domain.ErrInvalid) // nor accepted from an author
	is.Equal(string(steps[0].Type()), "quiz")
}

func FuzzFlowDocument(f *testing.F) {
	f.Add([]byte(everyStep))
	f.Add([]byte(`{"name":"n","slug":"s","status":"draft","steps":[{"type":"offer","label":"l","config":{"kind":"discount","percentOff":0.01}}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, err := domain.ParseFlowDocument(raw)
		if err != nil {
			if domain.KindOf(err) != domain.ErrInvalid {
				t.Fatalf("error %v is of no kind", err)
			}
			return
		}
		encoded, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		again, err := domain.ParseFlowDocument(encoded)
		if err != nil || !again.Equal(doc) {
			t.Fatalf("%s came back as %s: %v", raw, encoded, err)
		}
	})
}
