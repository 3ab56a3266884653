package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ringside/internal/ledger"
)

// FuzzDecodeSpooled: whatever a disk gives back is an event or an error, and an event survives being written and read again.
func FuzzDecodeSpooled(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x02{}"))
	f.Add([]byte("\x01" + `{"SID":"CA1","Name":"status:completed","At":"2026-11-20T10:00:00Z","Detail":null,"Announce":{"Type":"call.completed","Payload":null}}`))
	f.Add([]byte("\x01" + `{"SID":"SM1","Name":"sms","Text":"Hello \u0000","Media":[{"URL":"https://example.com/a.jpg","Type":"image/jpeg"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := ledger.DecodeSpooled(data)
		if err != nil {
			return
		}
		again, err := ledger.EncodeEvent(e)
		if err != nil {
			return // a time that JSON has no words for
		}
		same, err := ledger.DecodeSpooled(again)
		if err != nil {
			t.Fatalf("%q: %v", again, err)
		}
		if diff := cmp.Diff(e, same, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("it changes on the disk (-before, +after):\n%s", diff)
		}
	})
}
