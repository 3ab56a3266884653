package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"ringside/internal/api"
)

// What a key changes is written down, once it has been changed, with the key's name.
func TestChangesAreAudited(t *testing.T) {
	t.Parallel()
	o := open(t)
	c := o.book(t, 201, "POST", "/v1/contacts", `{"name": "Alex Chen", "phone": "+14155551200"}`)
	id := c["id"].(string)
	o.book(t, 409, "POST", "/v1/contacts", `{"name": "Alex Chen", "phone": "+14155551200"}`)
	o.book(t, 200, "PATCH", "/v1/contacts/"+id, `{"notes": "x"}`)
	o.book(t, 200, "GET", "/v1/contacts/"+id, "")
	o.upload(t, 200, "/v1/contacts/import?dry_run=true", "text/csv", "", strings.NewReader("name,phone\nJo,+14155551201\n"))
	o.upload(t, 200, "/v1/contacts/import", "text/csv", "", strings.NewReader("name,phone\nJo,+14155551201\n"))

	rows, err := o.pool.Query(t.Context(), `SELECT actor_kind || ' ' || actor_name || ' ' || action || ' ' || label || ' ' || (subject <> '') FROM audit_log ORDER BY at`)
	if err != nil {
		t.Fatal(err)
	}
	logged, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"key test contact.add Alex Chen true", "key test contact.change Alex Chen true", "key test import.start  true"}, logged); diff != "" {
		t.Errorf("logged (-want, +got):\n%s", diff)
	}
}

// Whatever changes something has a name in the log.
func TestEveryChangeIsAudited(t *testing.T) {
	t.Parallel()
	for _, op := range api.Changing() {
		if _, named := slices.BinarySearch(api.Audited(), op); !named {
			t.Errorf("%s has no name in the audit log: see audited", op)
		}
	}
}
