package schematest_test

import (
	"cmp"
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"ringside/internal/agent/schematest"
)

// The schemas refuse what they should: a check that passes everything checks nothing.
func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	for _, message := range []string{
		`{`, `[]`, `{"type":"nothing"}`,
		`{"type":"ack"}`, `{"type":"ack","cursor":7}`, `{"type":"ack","cursor":"x"}`,
		`{"type":"ringside.result","ok":false,"message":"Why."}`,
		`{"type":"ringside.result","ok":true,"message":"Done.","more":1}`,
		`{"type":"ringside.context","caller":{"known":true}}`,
		`{"type":"ringside.send_sms","text":""}`,
		`{"type":"contact.changed","cursor":"1","at":"yesterday","contact_id":"5f0c3a52-4b0e-4d0c-9f7a-0f3f7f2f6a11","change":"updated"}`,
		`{"type":"contact.changed","cursor":"1","at":"2026-11-20T10:00:00Z","contact_id":"5","change":"updated"}`,
	} {
		if schematest.Valid([]byte(message)) == nil {
			t.Errorf("%s is valid", message)
		}
	}
	for _, message := range []string{
		`{"type":"ack","cursor":"7","id":{"a":1}}`,
		`{"type":"ringside.result","ok":false,"code":"busy","message":"Why."}`,
		`{"type":"contact.changed","cursor":"1","at":"2026-11-20T10:00:00Z","contact_id":"5f0c3a52-4b0e-4d0c-9f7a-0f3f7f2f6a11","change":"updated"}`,
	} {
		schematest.Check(t, []byte(message))
	}
	if types := schematest.Types(t); !types["setup"] || !types["caller"] || types["nothing"] {
		t.Errorf("there are schemas of %v", types)
	}
}

// The page's examples are as the schemas say, and there is one of each type.
func TestTheProtocolsExamples(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/agent-protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	missing := schematest.Types(t)
	delete(missing, "caller") // a part of others
	for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(page, -1) {
		var head struct{ Type, Event string }
		if err := json.Unmarshal(block[1], &head); err != nil {
			t.Errorf("%v in %s", err, block[1])
		}
		schematest.Check(t, block[1])
		delete(missing, cmp.Or(head.Type, head.Event))
	}
	if len(missing) > 0 {
		t.Errorf("the page has no example of %v", missing)
	}
}
