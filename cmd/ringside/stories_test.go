package main

import (
	"net/http"
	"strings"
	"testing"

	"ringside/internal/dashboard/browsertest"
)

// section goes to a page of the navigation.
func section(tab *browsertest.Tab, name string) {
	tab.In("navigation", "Main").Follow("link", name)
}

// search finds contacts, as one types where that is how it works.
func search(t *testing.T, tab *browsertest.Tab, text string) {
	t.Helper()
	tab.Fill("Search", text)
	if live(t, tab) {
		tab.Until("the list is of what was typed", `new URLSearchParams(location.search).get("q") === "`+text+`"`)
	} else {
		tab.FollowKey(browsertest.KeyEnter)
	}
}

// Somebody finds people, adds one, and leaves.
func storyOfPeople(t *testing.T) {
	withAndWithoutScripts(t, func(t *testing.T, _ *office, tab *browsertest.Tab) {
		finds(t, tab)
		addsAContact(t, tab)
		signsOut(t, tab)
	})
}

func addsAContact(t *testing.T, tab *browsertest.Tab) {
	section(tab, "Contacts")
	tab.See("Alex Chen", "+1 415-555-1200", "alex@acme.io", "vip")

	// Somebody whose number is there already: the form says whose it is, and keeps what was typed.
	tab.Follow("link", "Add contact")
	tab.Fill("Name", "Alexandra Chen")
	tab.Fill("Phone", "(415) 555-1200")
	tab.Fill("E-mail", "alexandra@example.com")
	tab.Expect(http.StatusConflict)
	tab.Follow("button", "Add contact")
	tab.See("A contact with this phone number already exists.")
	tab.Picture("contact-exists")
	for label, want := range map[string]string{"Name": "Alexandra Chen", "Phone": "(415) 555-1200", "E-mail": "alexandra@example.com"} {
		if got := tab.Value(label); got != want {
			t.Errorf("%s is now %q", label, got)
		}
	}
	tab.Sees("link", "Open that contact")
	tab.Fill("Phone", "(415) 555-0188")
	tab.Fill("Tags", "supplier, oranges")
	tab.Fill("Notes", "Calls on Mondays.")
	tab.Follow("button", "Add contact")
	tab.See("Alexandra Chen", "+1 415-555-0188", "alexandra@example.com", "supplier", "Calls on Mondays.")

	tab.Follow("link", "Edit")
	tab.Fill("Name", "Alexandra Chen-Ruiz")
	tab.Fill("E-mail", "acr@example.com")
	tab.Follow("button", "Save")
	tab.Sees("heading", "Alexandra Chen-Ruiz")

	tab.Follow("button", "Archive")
	tab.See("archived")
	section(tab, "Contacts")
	tab.SeeNo("Alexandra Chen-Ruiz")
	tab.Click("checkbox", "Archived")
	if !live(t, tab) {
		tab.Follow("button", "Search")
	}
	tab.See("Alexandra Chen-Ruiz")
	tab.SeeNo("Jamie Lee")
	tab.Follow("link", "Alexandra Chen-Ruiz")
	tab.Follow("button", "Restore")
	tab.See("is back in your contacts")
	section(tab, "Contacts")
	tab.See("Alexandra Chen-Ruiz", "Jamie Lee")
}

func finds(t *testing.T, tab *browsertest.Tab) {
	section(tab, "Contacts")
	for _, sought := range []string{"jamie", "202-555-0133"} {
		search(t, tab, sought)
		tab.See("Jamie Lee", "1 contact found")
		tab.SeeNo("Alex Chen")
	}
	search(t, tab, "nobody of this name")
	tab.See("Nobody was found.")
	tab.Follow("link", "Show everybody")
	tab.See("Alex Chen", "Jamie Lee")
	tab.In("row", "Alex Chen").Follow("link", "vip")
	tab.See("1 contact found")
	tab.SeeNo("Jamie Lee")
}

// guests is a sheet with people to add, one whom the demo has, one twice, and a row that nobody can call.
const guests = `Name,Phone,E-mail,Shoe size
Sam Hill,+1 303 555 0150,sam@example.com,43
Alex Chen,(415) 555-1200,,
Dana Fox,303-555-0151,dana@example.com,38
Nobody Here,12,,
Sam Hill,+1 (303) 555-0150,,
`

func storyOfAnImport(t *testing.T) {
	withAndWithoutScripts(t, func(t *testing.T, _ *office, tab *browsertest.Tab) {
		section(tab, "Contacts")
		tab.Follow("link", "Import a file")
		tab.Fill("Or paste rows from a spreadsheet, with the line of column names", guests)
		tab.Follow("button", "Look at the file")
		tab.See("5 rows. 2 people would be added.", "left out: Shoe size")
		added := tab.In("row", "New: they are added to your contacts.")
		added.Click("DisclosureTriangle", "The first of them")
		added.See("Line 2: Sam Hill, +1 303-555-0150")
		tab.In("table", "Not understood").In("row", "12").See("5 Phone 12")
		tab.Audit()
		tab.Picture("import-planned")

		// Nothing is added before one says so.
		plan := tab.Path()
		section(tab, "Contacts")
		tab.SeeNo("Sam Hill")
		tab.Open(plan)
		tab.Follow("button", "Import 2 people")
		if live(t, tab) {
			tab.See("is imported")
		} else {
			tab.ReloadUntil("is imported")
		}
		tab.Sees("link", "Download the rows that were not understood")
		tab.Audit()
		tab.Picture("import-done")
		if live(t, tab) {
			if got := tab.Fetch(tab.Path() + "/rejected"); !strings.Contains(got, "Nobody Here,12") || strings.Contains(got, "Dana") {
				t.Errorf("the rejected rows are\n%s", got)
			}
		}
		done := tab.Path()
		tab.Follow("link", "See them")
		tab.See("Sam Hill", "Dana Fox", "imported")

		tab.Open(done)
		tab.Follow("button", "Undo the import")
		tab.See("2 people were taken out again.")
		section(tab, "Contacts")
		tab.SeeNo("Sam Hill", "Dana Fox")
	})
}

func storyOfACall(t *testing.T) {
	withAndWithoutScripts(t, func(t *testing.T, o *office, tab *browsertest.Tab) {
		o.quiet()
		section(tab, "Calls & messages")
		played := tab.In("region", "Play a call")
		played.See("Goodbye")
		if live(t, tab) {
			tab.Click("button", "Somebody new")
			tab.See("Somebody new is calling.")
			played.See("My email is sam at example dot com.", "Goodbye, Sam Rivera.")
		} else {
			tab.Follow("button", "Somebody new")
			tab.See("Somebody new is calling.")
			played.ReloadUntil("Goodbye, Sam Rivera.")
			tab.ReloadUntil("Sam Rivera +1 617-555-01")
		}
		call := tab.In("table", "Calls and messages, the latest first").In("row", "Sam Rivera")
		call.See("unknown")
		tab.Picture("call-played")

		// Why were they not greeted by name?
		call.Follow("link", "Why? Sam Rivera")
		tab.See("Why?", "+1 617-555-01", "was not in your contacts")
		tab.See("What was said", "My email is sam at example dot com.", "sam@example.com")
		tab.Picture("why-unknown")

		// They are a contact now.
		tab.Follow("link", "Sam Rivera")
		tab.Sees("heading", "Sam Rivera")
		tab.See("sam@example.com", "said in a call")
	})
}

func signsOut(t *testing.T, tab *browsertest.Tab) {
	section(tab, "Contacts")
	tab.Follow("button", "Sign out")
	tab.See("You are signed out.")
	tab.Open("/contacts")
	tab.Sees("heading", "Sign in")
	tab.Fill("E-mail", "nobody@example.com")
	tab.Fill("Password", "not a password of anybody")
	tab.Expect(http.StatusUnauthorized)
	tab.Follow("button", "Sign in")
	tab.See("is wrong")
	if got := tab.Value("E-mail"); got != "nobody@example.com" {
		t.Errorf("the address is now %q", got)
	}
}

func storyOfAGreeting(t *testing.T) {
	withAndWithoutScripts(t, func(t *testing.T, o *office, tab *browsertest.Tab) {
		o.quiet()
		section(tab, "Voice agents")
		tab.See("Reception", "Hello Alex Chen, this is Acme. How can I help you?", "Hello, this is Acme. How can I help you?")
		tab.Follow("link", "Reception")
		preview := func() {
			if !live(t, tab) {
				tab.Follow("button", "Preview")
			}
		}
		// A token that does not exist is pointed out.
		tab.Fill("Greeting", "Good morning {{NAMEN}}, Acme here.")
		preview()
		tab.See("NAMEN")
		tab.Picture("greeting-advice")
		tab.Fill("Greeting", "Good morning {{NAME}}, Acme here.")
		preview()
		tab.See("Good morning Alex Chen, Acme here.", "Good morning, Acme here.")
		tab.Picture("greeting")
		tab.Follow("button", "Save")
		tab.See("Good morning Alex Chen, Acme here.")

		// Does the connection work?
		section(tab, "Voice agents")
		tab.Follow("link", "Reception")
		if live(t, tab) {
			tab.Click("button", "Test the connection")
		} else {
			tab.Follow("button", "Test the connection")
		}
		tab.See("it works")
		tab.Audit()
		tab.Picture("connection-tested")

		// Callers hear it.
		section(tab, "Calls & messages")
		played := tab.In("region", "Play a call")
		if live(t, tab) {
			tab.Click("button", "Alex Chen")
			played.See("Good morning Alex Chen, Acme here.")
		} else {
			tab.Follow("button", "Alex Chen")
			played.ReloadUntil("Good morning Alex Chen, Acme here.")
		}
	})
}

func storyOfAMember(t *testing.T) {
	withAndWithoutScripts(t, func(t *testing.T, o *office, tab *browsertest.Tab) {
		section(tab, "Settings")
		tab.In("navigation", "Settings").Follow("link", "Members")
		tab.Fill("E-mail", "robin@example.com")
		tab.Choose("Role", "Viewer: only looks")
		tab.Follow("button", "Make an invitation")
		tab.See("A link for robin@example.com")
		tab.Audit()
		tab.Picture("invitation")

		// Robin comes with the link, and chooses a password.
		robin := browsertest.New(t, o.url, browsertest.Options{NoScripts: tab.NoScripts(), Zone: "America/New_York"})
		robin.Open(tab.Text("#the-link"))
		robin.Audit()
		robin.Expect(http.StatusUnprocessableEntity)
		robin.Fill("Password", "too short")
		robin.Follow("button", "Set the password and sign in")
		robin.See("at least 12 characters")
		robin.Fill("Password", "a few words of Robin's")
		robin.Follow("button", "Set the password and sign in")
		robin.Sees("heading", "Overview")
		section(robin, "Contacts")
		robin.See("Alex Chen")
		robin.SeeNo("Add contact", "Archive chosen")

		robin.Follow("button", "Sign out")
		robin.Open("/contacts")
		robin.Fill("E-mail", "robin@example.com")
		robin.Fill("Password", "a few words of Robin's")
		robin.Follow("button", "Sign in")
		robin.Sees("heading", "Contacts")

		// Who is removed is out at once.
		section(tab, "Settings")
		tab.In("navigation", "Settings").Follow("link", "Members")
		tab.Click("DisclosureTriangle", "Remove robin@example.com")
		tab.Follow("button", "Yes, remove robin@example.com")
		robin.Open("/calls")
		robin.Sees("heading", "Sign in")
	})
}
