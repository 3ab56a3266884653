package contacts_test

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ringside/contacts"
)

func TestRule03_WhatIsARealName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"Alex Chen": true, "A": true, "x": true, "李小龙": true, "Владимир": true, "محمد": true, "Ångström": true, "Zoë": true,
		"Anne-Marie O'Neil 3rd": true, "Test Pilot": true, "Guestave": true, "Nil Armstrong": true, "N/A Records": true,
		"Unknown Mortal Orchestra": true, "anonymous callers": true, strings.Repeat("unknown ", 20): true,
		"": false, " ": false, "\t\n": false, "\u00a0": false, "-": false, "?": false, "—": false, "…": false, "📞": false, "·": false, "٠١٢": false, "\u3164": false, "\u200d": false,
		"+14155551200": false, "(415) 555-1200": false, "12": false, "#1": false,
		"unknown": false, "Unknown": false, "UNKNOWN CALLER": false, "  Unknown \t  Caller ": false, "N/A": false, "test": false,
		"Anonymous" + strings.Repeat(" ", 60) + "caller": false,
		"{{NAME}}": false, "Alex {{x": false, "<<NAME>>": false, "a<<": false,
	} {
		if got := contacts.RealName(name); got != want {
			t.Errorf("RealName(%q) = %v, want %v", name, got, want)
		}
	}
}

// agree fails unless the database thinks the same of each name.
func agree(ctx context.Context, t rapid.TB, s shelf, names []string) {
	t.Helper()
	rows, err := s.pool.Query(ctx, `SELECT n, ringside_real_name(n) FROM unnest($1::text[]) n`, names)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var real bool
		if err := rows.Scan(&name, &real); err != nil {
			t.Fatal(err)
		}
		if got := contacts.RealName(name); got != real {
			t.Errorf("RealName(%q) = %v, in the database %v", name, got, real)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestRule03_TheDatabaseHasTheSamePlaceholders(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	source := one[string](t, s, `SELECT prosrc FROM pg_proc WHERE proname = 'ringside_real_name'`)
	_, list, found := strings.Cut(source, "ARRAY[")
	if !found {
		t.Fatalf("the function has no list: %s", source)
	}
	theirs := map[string]bool{}
	for _, quoted := range regexp.MustCompile(`'([^']*)'`).FindAllStringSubmatch(list, -1) {
		theirs[quoted[1]] = true
	}
	if diff := cmp.Diff(theirs, contacts.Placeholders); diff != "" {
		t.Errorf("placeholders (-database +Go):\n%s", diff)
	}
	var forms []string
	for _, name := range slices.Sorted(maps.Keys(theirs)) {
		forms = append(forms, name, strings.ToUpper(name), strings.ToUpper(name[:1])+name[1:], " "+name+" ", strings.ReplaceAll(name, " ", "   "))
	}
	for _, name := range forms {
		if contacts.RealName(name) {
			t.Errorf("RealName(%q), want a placeholder", name)
		}
	}
	agree(t.Context(), t, s, forms)
}

func TestRule03_TheDatabaseAgreesOnEveryCharacter(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	var names []string
	for r := rune(' '); r <= 0x3100; r++ {
		if r >= 0x7F && r < 0xA0 {
			continue // controls do not survive in a stored name
		}
		names = append(names, string(r))
	}
	agree(t.Context(), t, s, append(names, "\U0001F600", "𝔄", "\uFF21", "\uFF11", "\uFFFD", "\u200B"))
}

func TestRule03_TheDatabaseAgreesOnNamesAsTheyAreStored(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	placeholder := rapid.SampledFrom(slices.Sorted(maps.Keys(contacts.Placeholders)))
	word := rapid.OneOf(placeholder, rapid.Map(placeholder, strings.ToUpper), rapid.Map(placeholder, strings.ToTitle),
		rapid.StringMatching(`[A-Za-z0-9+(){}<>/.'-]{0,12}`), rapid.String(),
		rapid.SampledFrom([]string{"é", "李", "😀", "{{", "<<", "{{NAME}}", "\u00ad", "\u200d", "1", "+1 415"}))
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfN(rapid.Map(rapid.SliceOfN(word, 0, 3), func(words []string) string {
			return contacts.Tidy(strings.Join(words, " "))
		}), 1, 50).Draw(rt, "names")
		agree(t.Context(), rt, s, names)
	})
}

func TestRealNameDoesNotAllocate(t *testing.T) {
	for _, name := range []string{"Alex Chen", "UNKNOWN  Caller", "Владимир Ильич Ульянов", "{{NAME}}", ""} {
		if n := testing.AllocsPerRun(100, func() { contacts.RealName(name) }); n != 0 {
			t.Errorf("RealName(%q) allocates %v times, want 0", name, n)
		}
	}
}
