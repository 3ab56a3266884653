package contacts_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"ringside/contacts"
)

func TestCheckEmail(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 92) + "example.com"
	for _, tt := range []struct {
		verdict string // good, doubtful or bad
		reason  string // a part of it
		emails  []string
	}{
		{"good", "", []string{
			"alex@acme.io", "ALEX@ACME.IO", "a@b.co", "alex.chen+ringside@mail.example.co.uk", "o'neil@example.com", "x_y-z@example.museum",
			"1@example.com", "alex@123.com", "alex@xn--bcher-kva.example", "иван@пример.рф", "josé@café.fr", "用户@例子.公司", "dot@example.com",
			"at@example.com", "dottie@example.com", "sam.dotson@example.com", "a@" + strings.Repeat("b", 63) + ".com", long[:254-12] + ".example.com",
		}},
		{"doubtful", "gmail.com", []string{"alex@gmial.com", "alex@GMAIL.CON", "alex@gmail.co", "alex@gnail.com"}},
		{"doubtful", "outlook.com", []string{"alex@outlok.com"}},
		{"doubtful", "may be meant as .com", []string{"alex@acme.con", "alex@acme.cmo", "alex@acme.ocm", "alex@acme.comm"}},
		{"doubtful", "written out", []string{"sam.dot.lee@example.com", "sam_dot_lee@example.com", "sam-at-work@example.com", "sam.underscore@example.com", "SAM.DASH.LEE@example.com"}},
		{"bad", "no @", []string{"", "alex", "alex.acme.io", "alex at acme dot io"}},
		{"bad", "write it like", []string{
			"@acme.io", "alex@", "alex@@acme.io", "alex@acme@io", "alex @acme.io", "alex@acme .io", " alex@acme.io", "alex@acme.io ", ".alex@acme.io",
			"alex.@acme.io", "al..ex@acme.io", "Alex <alex@acme.io>", "<alex@acme.io>", "alex@acme.io, sam@acme.io", "alex@acme.io (work)",
			`"alex chen"@acme.io`, `"a@b"@acme.io`, "al\x00ex@acme.io", "alex@acme.io\n", "alex\u00a0chen@acme.io", "alex\u2003@acme.io", "al\u200bex@acme.io",
			"al\u202eex@acme.io", "al\u0085ex@acme.io", "al\xffex@acme.io", "alex@ac\u3000me.io",
		}},
		{"bad", "not a domain name", []string{
			"alex@acme", "alex@localhost", "alex@-acme.io", "alex@acme-.io", "alex@acme.i", "alex@127.0.0.1", "alex@acme.42", "alex@ac_me.io",
			"alex@ac!me.io", "alex@acme。io", "alex@😀.io", "a@" + strings.Repeat("b", 64) + ".com",
		}},
		{"bad", "longer than 254", []string{long, strings.Repeat("a", 1<<16)}},
	} {
		for _, email := range tt.emails {
			got := contacts.CheckEmail(email)
			want := contacts.EmailVerdict{Valid: tt.verdict != "bad", Doubtful: tt.verdict == "doubtful", Reason: got.Reason}
			if got != want || (got.Reason == "") != (tt.verdict == "good") || !strings.Contains(got.Reason, tt.reason) {
				t.Errorf("CheckEmail(%.60q) = %+v, want %s, %q", email, got, tt.verdict, tt.reason)
			}
		}
	}
}

// databaseCheck is the constraint on contacts.email; TestTheDatabaseTakesEveryValidAddress holds
// it to the database.
var databaseCheck = regexp.MustCompile(`^[^@[:space:]]+@[^@[:space:]]+$`)

func TestTheDatabaseTakesEveryValidAddress(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	if def := one[string](t, s, `SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'contacts_email_check'`); !strings.Contains(def, databaseCheck.String()) || !strings.Contains(def, "254") {
		t.Errorf("the constraint is %s, not %s", def, databaseCheck)
	}
	for i, email := range []string{"alex@acme.io", "用户@例子.公司", strings.Repeat("é", 60) + "@example.com"} {
		c := s.mustAdd(t, contacts.Draft{Name: "Alex", Phone: "+1415555120" + string(rune('0'+i)), Email: email})
		if c.Email != email {
			t.Errorf("%q is stored as %q", email, c.Email)
		}
	}
}

func FuzzCheckEmail(f *testing.F) {
	for _, seed := range []string{"alex@acme.io", "alex@gmial.com", "sam.dot.lee@example.com", "alex", "a@b@c.de", `"a b"@c.de`, "用户@例子.公司", "a\u2003@b.co", "\xff@b.co"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, email string) {
		v := contacts.CheckEmail(email)
		if (v.Valid && !v.Doubtful) != (v.Reason == "") || v.Doubtful && !v.Valid {
			t.Fatalf("CheckEmail(%q) = %+v", email, v)
		}
		if v.Valid && (!utf8.ValidString(email) || !databaseCheck.MatchString(email) || utf8.RuneCountInString(email) > contacts.MaxEmail) {
			t.Fatalf("CheckEmail(%q) is valid, but the database does not take it", email)
		}
		if !utf8.ValidString(v.Reason) || strings.ContainsAny(v.Reason, "\x00\n\r") {
			t.Fatalf("CheckEmail(%q) gives a reason that cannot be shown: %q", email, v.Reason)
		}
		if again := contacts.CheckEmail(strings.ToUpper(email)); v.Valid && len(strings.ToUpper(email)) == len(email) && again.Valid != v.Valid && isASCII(email) {
			t.Fatalf("CheckEmail(%q) depends on case", email)
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7F })
}
