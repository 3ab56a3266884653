package main

import (
	"fmt"
	"testing"

	"ringside/contacts"
	"ringside/contacts/sheet"
)

// What is generated has to be what it is said to be: otherwise refusals would be measured.
func TestPeopleHaveAPhoneOfTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for n := range 4_000 {
		p := somebody(n)
		got, _, err := sheet.ReadPhone(p.written, "US")
		if err != nil || string(got) != p.phone || seen[p.phone] {
			t.Fatalf("person %d has the phone %s, written %q: read as %s, %v; taken: %t", n, p.phone, p.written, got, err, seen[p.phone])
		}
		seen[p.phone] = true
		if p.email != "" && !contacts.CheckEmail(p.email).Valid {
			t.Fatalf("person %d has the e-mail address %q", n, p.email)
		}
	}
	for n := range 1_000_000 {
		number, _ := numberOf(n)
		if n >= 4_000 && n%97 != 0 {
			continue
		}
		if n >= 4_000 && seen[number] {
			t.Fatalf("person %d has the phone of another", n)
		}
		seen[number] = true
	}
}

func TestAFileHasEveryoneOnce(t *testing.T) {
	t.Parallel()
	c := crowd{400}
	rows := map[string]int{}
	for row := range c.rows {
		rows[fmt.Sprint(c.row(row)[0])]++
	}
	created := 0
	for n := c.known(); n < c.all(); n++ {
		if rows[somebody(n).name] > 0 {
			created++
		}
	}
	if created != c.fresh() || c.all() != c.rows {
		t.Errorf("the file has %d of %d who are to be created; %d in the end", created, c.fresh(), c.all())
	}
}
