package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"ringside/internal/postgres/pgtest"
)

// Whoever is invited on the command line signs in to the running program with the link.
func TestInvitedOwnerSignsIn(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	shop := openShop(t, database)
	side := serve(t, "DATABASE_URL="+database)
	settings := []string{"DATABASE_URL=" + database}
	invited := object(t, settings, "member", "invite", "--org", string(shop.org.ID), "--email", "robin@example.com", "--url", side.Listen+"/")
	link, _ := invited["link"].(string)
	if !strings.HasPrefix(link, side.Listen+"/welcome/") || invited["role"] != "owner" {
		t.Fatalf("invited %v", invited)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.PostForm(link, url.Values{"password": {"a long enough password"}})
	must(t, err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther || len(answer.Cookies()) == 0 {
		t.Fatalf("the link is answered %d with the cookies %v", answer.StatusCode, answer.Cookies())
	}
	side.stop()
}

func TestMembersOnTheCommandLine(t *testing.T) {
	t.Parallel()
	settings := []string{"DATABASE_URL=" + pgtest.URL(t)}
	id(t, settings, "org", "create", "--name", "Acme", "--country", "US")
	says := func(want string, args ...string) {
		t.Helper()
		status, out, errs := command(t, settings, append([]string{"member"}, args...)...)
		if !strings.Contains(out+errs, want) || (status == 0) != (errs == "") {
			t.Errorf("member %v: %d %s%s, want %q", args, status, out, errs, want)
		}
	}
	says("Nobody may sign in yet", "list")
	says("/welcome/", "invite", "--email", "robin@example.com")
	says("is a member already", "invite", "--email", "ROBIN@example.com")
	says("not an e-mail address", "invite", "--email", "robin")
	says("keeps at least one owner", "role", "robin@example.com", "viewer")
	says("keeps at least one owner", "remove", "robin@example.com")
	says("https://r.example.com/welcome/", "link", "robin@example.com", "--url", "https://r.example.com/")
	says("Give this link to sam@example.com", "invite", "--email", "sam@example.com", "--role", "viewer")
	says("sam@example.com is now owner.", "role", "sam@example.com", "owner")
	says("robin@example.com can no longer sign in.", "remove", "Robin@Example.com")
	says(`There is no member "robin@example.com"`, "link", "robin@example.com")
	says("never signed in", "list")
}
