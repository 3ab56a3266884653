package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/audit"
	"ringside/internal/campaign"
	"ringside/internal/idempotency"
	"ringside/internal/ledger"
	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/seal"
)

const (
	ourOrg   = "11111111-1111-4111-8111-111111111111"
	theirOrg = "22222222-2222-4222-8222-222222222222"
)

// needMore are methods that need a running program around them. What they do in the database is in the
// methods that they call.
var needMore = map[string]bool{"campaign.Store.Call": true, "campaign.Store.Act": true, "campaign.Store.Missing": true, "contacts.Book.PlanImport": true, "contacts.Book.Import": true,
	"contacts.Book.PlanKept": true, "contacts.Book.KeepFile": true, "contacts.Book.Copying": true, "org.Store.WithKeys": true}

// argument makes up an argument of a method, as if somebody had got hold of another organisation's ids. It returns
// false for a type that this test does not know.
func argument(ctx context.Context, t reflect.Type, shown io.Writer) (reflect.Value, bool) {
	their := phone.Number("+14155550002")
	for _, known := range []any{
		org.ID(theirOrg), org.Org{ID: theirOrg, Name: "Theirs", Country: "US"}, their, []phone.Number{their}, []string{theirOrg}, ledger.Past{}, contacts.ErasureKey("key"),
		org.Agent{ID: theirOrg, OrgID: theirOrg, Name: "Stolen", Greeting: "Hello", Language: "en-US", Transport: "conversationrelay", RuntimeURL: "ws://evil/"},
		org.Number{OrgID: theirOrg, Phone: "+12125550188", AgentID: theirOrg, AccountSID: "AC" + strings.Repeat("2", 32)},
		contacts.Draft{Name: "Planted", Phone: "+14155550177"}, contacts.Capture{Org: org.Org{ID: theirOrg, Country: "US"}, Phone: their, Name: "Planted"},
		contacts.CampaignPerson{Campaign: "Planted", Phone: "+14155550178", Name: "Planted"},
		audit.Entry{OrgID: theirOrg, Action: "planted", Actor: audit.Operator()}, member.Draft{Email: "evil@example.com", Role: member.Owner}, member.Owner,
		outgoing.Item{OrgID: theirOrg, Kind: outgoing.KindMessage, From: their, To: their, Text: "Planted"},
		time.Now(), time.Hour, theirOrg, 100, true, int64(1000),
	} {
		if reflect.TypeOf(known) == t {
			return reflect.ValueOf(known), true
		}
		if t.Kind() == reflect.Interface && t.NumMethod() > 0 && reflect.TypeOf(known) == reflect.TypeFor[ledger.Past]() && reflect.TypeOf(known).Implements(t) {
			return reflect.ValueOf(known), true
		}
	}
	switch {
	case t == reflect.TypeFor[context.Context]():
		return reflect.ValueOf(ctx), true
	case t == reflect.TypeFor[io.Writer]():
		return reflect.ValueOf(shown), true
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Func, t.Kind() == reflect.Pointer, t.Kind() == reflect.Array, t.Kind() == reflect.Slice:
		return reflect.Zero(t), true
	}
	return reflect.Value{}, false
}

// attempt calls every method of what people and API keys reach, with the ids of the other organisation, and returns
// which of them have shown something of it.
func attempt(t *testing.T, ctx context.Context, tenants *pgxpool.Pool) (shown map[string]bool) {
	t.Helper()
	shown = map[string]bool{}
	for _, part := range []any{contacts.NewBook(tenants, contacts.NoFence{}), ledger.NewReader(tenants), audit.NewLog(tenants), campaign.NewStore(tenants), outgoing.NewStore(tenants),
		member.NewStore(tenants), idempotency.NewStore(tenants), org.NewStore(tenants).WithKeys(seal.Plain)} {
		v := reflect.ValueOf(part)
		for i := range v.NumMethod() {
			method := v.Type().Method(i)
			name := strings.TrimPrefix(v.Type().String(), "*") + "." + method.Name
			if needMore[name] {
				continue
			}
			var written bytes.Buffer
			args, ok := []reflect.Value{v}, true
			for in := 1; in < method.Type.NumIn() && ok; in++ {
				if in == method.Type.NumIn()-1 && method.Type.IsVariadic() {
					break
				}
				var arg reflect.Value
				if arg, ok = argument(ctx, method.Type.In(in), &written); ok {
					args = append(args, arg)
				}
			}
			if !ok {
				t.Errorf("%s: add what this test does not know of its arguments: %s", name, method.Type)
				continue
			}
			call(t, name, method.Func, args, &written)
			if strings.Contains(strings.ToLower(written.String()), "marked2") {
				shown[name] = true
			}
		}
	}
	return shown
}

// call calls a method and writes down what it returns, but for errors.
func call(t *testing.T, name string, method reflect.Value, args []reflect.Value, written *bytes.Buffer) {
	t.Helper()
	defer func() {
		if cause := recover(); cause != nil {
			t.Errorf("%s: %v", name, cause)
		}
	}()
	for _, result := range method.Call(args) {
		if _, isErr := result.Interface().(error); !isErr {
			if result.Kind() == reflect.Pointer && !result.IsNil() {
				result = result.Elem()
			}
			fmt.Fprintf(written, "%+v\n", result.Interface())
		}
	}
}

// everything of an organisation, as text.
func everything(t *testing.T, pool *pgxpool.Pool, org string) string {
	t.Helper()
	var all strings.Builder
	rows, err := pool.Query(t.Context(), `SELECT guarded::text FROM ringside_guarded_tables() ORDER BY 1`)
	must(t, err)
	var tables []string
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	for _, table := range tables {
		var content string
		must(t, pool.QueryRow(t.Context(), `SELECT coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '') FROM `+table+` t WHERE position($1 IN t::text) > 0`, org).Scan(&content))
		fmt.Fprintf(&all, "%s:\n%s\n", table, content)
	}
	return all.String()
}

// Whatever a page or an operation of the API gets wrong about whose an id is, the database does not show or change
// another organisation's rows. All methods are tried that those have, with the ids of everything that the other
// organisation has; the organisation itself is given wrong, too.
func TestNoMethodReachesAnotherOrganisation(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	pgtest.Furnish(t, pool, ourOrg, 1)
	pgtest.Furnish(t, pool, theirOrg, 2)
	tenants := pgtest.Tenants(t, pool, org.Of)
	before := everything(t, pool, theirOrg)
	for name := range attempt(t, org.Within(t.Context(), ourOrg), tenants) {
		t.Errorf("%s shows something of another organisation", name)
	}
	if after := everything(t, pool, theirOrg); after != before {
		t.Errorf("something of another organisation was changed:\nbefore\n%s\nafter\n%s", before, after)
	}
	// This can fail: within their own organisation the same calls show and change much.
	if shown := attempt(t, org.Within(t.Context(), theirOrg), tenants); len(shown) < 20 {
		t.Errorf("within its own organisation, only %v show something", shown)
	}
	if after := everything(t, pool, theirOrg); after == before {
		t.Error("within its own organisation nothing was changed")
	}
}

// A program on a database that cannot keep organisations apart says so, and works.
func TestAnUnguardedDatabaseIsSpokenOf(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	guarded := serve(t, "DATABASE_URL="+url)
	if _, figures := get(t, guarded.Ops+"/metrics"); !strings.Contains(figures, "\nringside_organisations_guarded 1\n") || strings.Contains(guarded.stderr.String(), "apart") {
		t.Errorf("guarded, it says %s", guarded.stderr.String())
	}
	_, err := shop.db.Exec(t.Context(), `CREATE POLICY open ON contacts TO ringside_app USING (true)`)
	must(t, err)
	s := serve(t, "DATABASE_URL="+url)
	if said := s.stderr.String(); !strings.Contains(said, "does not keep organisations apart") || !strings.Contains(said, "contacts") {
		t.Errorf("it says %q", said)
	}
	if _, figures := get(t, s.Ops+"/metrics"); !strings.Contains(figures, "\nringside_organisations_guarded 0\n") {
		t.Error("the figures do not say so")
	}
	answered(t, shop.call(s.Listen, alex, askAgent...))
	key := object(t, []string{"DATABASE_URL=" + url}, "key", "create", "--name", "test")["key"].(string)
	if status, body := get(t, s.Listen+"/v1/contacts", "Authorization", "Bearer "+key); status != 200 || !strings.Contains(body, "Alex Chen") {
		t.Errorf("the API answers %d %s", status, body)
	}
}
